use std::time::{Duration, Instant};

use super::super::server::Server;
use super::super::{Bench, Case, Outcome};
use super::{check, fails, got, ok, post};
use crate::TransportErrorKind::Timeout;
use crate::{BlockingTransport, Body};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a_server_that_never_answers_meets_the_deadline",
        run: silent,
    },
    Case {
        name: "headers_that_trickle_in_meet_the_deadline",
        run: slow_headers,
    },
    Case {
        name: "a_body_that_trickles_in_meets_the_deadline",
        run: slow_body,
    },
    Case {
        name: "chunks_that_trickle_in_meet_the_deadline",
        run: slow_chunks,
    },
    Case {
        name: "a_server_that_does_not_read_meets_the_deadline",
        run: unread,
    },
    Case {
        name: "a_handshake_that_never_ends_meets_the_connect_deadline",
        run: silent_handshake,
    },
    Case {
        name: "the_connect_deadline_does_not_cut_a_slow_answer",
        run: slow_but_in_time,
    },
];

fn silent(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.until_gone()
    });
    in_time(&*hurried(bench), &server)
}

fn slow_headers(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.trickle(
            format!("HTTP/1.1 200 OK\r\nx-slow: {}\r\n", "x".repeat(2000)).as_bytes(),
            PAUSE,
        )
    });
    in_time(&*hurried(bench), &server)
}

fn slow_body(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n")?;
        peer.trickle(&[b'x'; 2000], PAUSE)
    });
    in_time(&*hurried(bench), &server)
}

fn slow_chunks(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        peer.trickle("1\r\nx\r\n".repeat(400).as_bytes(), PAUSE)
    });
    in_time(&*hurried(bench), &server)
}

fn unread(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.reset_later()?;
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    });
    // More than fits into the buffers of the system on the way.
    let request = post(&server.http("/")).map(|_| Body::new(vec![b'x'; 32 * 1024 * 1024]));
    let started = Instant::now();
    fails(hurried(bench).send(request), Timeout, true)?;
    check(started.elapsed() < LATEST, || {
        format!("fired after {:?}", started.elapsed())
    })
}

fn silent_handshake(bench: &Bench) -> Outcome {
    let server = Server::start(super::super::server::Peer::until_gone);
    let transport = bench.with(|setup| setup.policy.connect_timeout = DEADLINE);
    let started = Instant::now();
    fails(transport.send(post(&server.https("/"))), Timeout, true)?;
    check(started.elapsed() < LATEST, || {
        format!("fired after {:?}", started.elapsed())
    })?;
    check(server.wait_for_end(1), || "the connection stays open".to_owned())
}

fn slow_but_in_time(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        std::thread::sleep(2 * DEADLINE);
        peer.write(ok("late").as_bytes())
    });
    let transport = bench.with(|setup| setup.policy.connect_timeout = DEADLINE);
    let answer = got(transport.send(post(&server.http("/"))))?;
    check(answer.body().as_bytes() == b"late", || {
        format!("{} bytes", answer.body().len())
    })
}

fn hurried(bench: &Bench) -> Box<dyn BlockingTransport> {
    bench.with(|setup| setup.policy.timeout = DEADLINE)
}

fn in_time(transport: &dyn BlockingTransport, server: &Server) -> Outcome {
    let started = Instant::now();
    fails(transport.send(post(&server.http("/"))), Timeout, true)?;
    let took = started.elapsed();
    check(took >= DEADLINE && took < LATEST, || {
        format!("a deadline of {DEADLINE:?} fired after {took:?}")
    })?;
    check(server.wait_for_end(1), || "the connection stays open".to_owned())
}

const DEADLINE: Duration = Duration::from_millis(300);
/// Far from the deadline for the sake of a busy machine, and farther from what a deadline per read would come to.
const LATEST: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
