//! One deadline over the whole exchange: each phase stalls, once in silence and once with a byte now and then.
//!
//! No case compares how long it took with more than the deadline: where one deadline does not end it, the case hangs.

use std::time::{Duration, Instant};

use entra_transport::TransportErrorKind::{Malformed, Timeout, TooLarge};
use entra_transport::{BlockingTransport, Body, Proxies, Response, TransportError};

use crate::bench::{Bench, Outcome, Setup};
use crate::case::Case;
use crate::exchange::{check, got, ok, post};
use crate::server::{Server, Unaccepting};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a_connection_that_is_not_accepted_meets_the_deadline",
        run: connect,
    },
    Case {
        name: "a_proxy_that_accepts_no_connection_meets_the_deadline",
        run: connect_to_proxy,
    },
    Case {
        name: "a_proxy_that_stalls_meets_the_deadline",
        run: tunnel,
    },
    Case {
        name: "a_handshake_that_stalls_meets_the_deadline",
        run: handshake,
    },
    Case {
        name: "a_handshake_behind_a_proxy_that_stalls_meets_the_deadline",
        run: handshake_behind_proxy,
    },
    Case {
        name: "a_server_that_does_not_read_meets_the_deadline",
        run: unread,
    },
    Case {
        name: "a_server_that_reads_slowly_meets_the_deadline",
        run: read_slowly,
    },
    Case {
        name: "a_server_that_never_answers_meets_the_deadline",
        run: no_answer,
    },
    Case {
        name: "a_status_line_that_stalls_meets_the_deadline",
        run: status_line,
    },
    Case {
        name: "an_interim_response_that_stalls_meets_the_deadline",
        run: interim,
    },
    Case {
        name: "interim_responses_without_end_are_an_error",
        run: endless_interim,
    },
    Case {
        name: "lines_without_end_are_an_error",
        run: endless_lines,
    },
    Case {
        name: "a_header_that_stalls_meets_the_deadline",
        run: header,
    },
    Case {
        name: "small_headers_that_trickle_in_meet_the_deadline",
        run: headers,
    },
    Case {
        name: "a_body_that_stalls_meets_the_deadline",
        run: body,
    },
    Case {
        name: "a_body_without_length_that_stalls_meets_the_deadline",
        run: body_without_length,
    },
    Case {
        name: "chunks_that_stall_meet_the_deadline",
        run: chunks,
    },
    Case {
        name: "a_chunk_extension_that_stalls_meets_the_deadline",
        run: chunk_extension,
    },
    Case {
        name: "trailers_that_stall_meet_the_deadline",
        run: trailers,
    },
    Case {
        name: "trailers_without_end_are_an_error",
        run: endless_trailers,
    },
    Case {
        name: "a_body_over_tls_that_stalls_meets_the_deadline",
        run: body_over_tls,
    },
    Case {
        name: "the_connect_deadline_does_not_cut_a_slow_answer",
        run: slow_but_in_time,
    },
];

fn connect(bench: &Bench) -> Outcome {
    let Some(server) = Unaccepting::start() else {
        return bench.skip("this system completes connections that nobody accepts");
    };
    for hurry in HURRIES {
        let transport = bench.with(hurry.set);
        hurry.late(|| transport.send(post(&server.http("/"))))?;
    }
    Ok(())
}

fn connect_to_proxy(bench: &Bench) -> Outcome {
    let Some(proxy) = Unaccepting::start() else {
        return bench.skip("this system completes connections that nobody accepts");
    };
    through(bench, proxy.port())
}

fn tunnel(bench: &Bench) -> Outcome {
    for (head, rest) in [
        ("", ""),
        ("HTTP/1.1 200 ", "x"),
        ("HTTP/1.1 200 OK\r\nx-slow: ", "x"),
        ("HTTP/1.1 407 No\r\n", "a: b\r\n"),
        ("HTTP/1.1 200 OK\r\n", ""),
    ] {
        let proxy = Server::start(move |peer| {
            peer.request()?;
            peer.write(head.as_bytes())?;
            peer.trickle_on(rest.as_bytes(), PAUSE)
        });
        through(bench, proxy.port()).map_err(|seen| format!("{head:?} and {rest:?}: {seen}"))?;
        check(proxy.wait_for_ends(), || "the connection stays open".to_owned())?;
    }
    Ok(())
}

/// Sends through a proxy that stalls; the error has to name it.
fn through(bench: &Bench, port: u16) -> Outcome {
    for hurry in HURRIES {
        let transport = bench.with(|setup| {
            (hurry.set)(setup);
            setup.proxies = Proxies::through(&format!("http://127.0.0.1:{port}")).expect("this is a proxy");
        });
        let error = hurry.late(|| transport.send(post("https://login.example/")))?;
        if hurry.connecting {
            let proxy = format!("proxy 127.0.0.1:{port}");
            check(error.to_string().contains(&proxy), || {
                format!("{error} does not name the {proxy}")
            })?;
        }
    }
    Ok(())
}

fn handshake(bench: &Bench) -> Outcome {
    for rest in [&[][..], &[0]] {
        let server = Server::start(move |peer| {
            peer.reset_later()?;
            peer.write(TLS_RECORD)?;
            peer.trickle_on(rest, PAUSE)
        });
        for hurry in HURRIES {
            let transport = bench.with(hurry.set);
            hurry.late(|| transport.send(post(&server.https("/"))))?;
        }
        check(server.wait_for_ends(), || "the connection stays open".to_owned())?;
    }
    Ok(())
}

fn handshake_behind_proxy(bench: &Bench) -> Outcome {
    for rest in [&[][..], &[0]] {
        let proxy = Server::start(move |peer| {
            peer.request()?;
            peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
            peer.reset_later()?;
            peer.write(TLS_RECORD)?;
            peer.trickle_on(rest, PAUSE)
        });
        for hurry in HURRIES {
            let transport = bench.with(|setup| {
                (hurry.set)(setup);
                setup.proxies = Proxies::through(&format!("http://127.0.0.1:{}", proxy.port())).expect("a proxy");
            });
            hurry.late(|| transport.send(post("https://login.example/")))?;
        }
        check(proxy.wait_for_ends(), || "the connection stays open".to_owned())?;
    }
    Ok(())
}

fn unread(bench: &Bench) -> Outcome {
    unread_but_for(bench, 0)
}

fn read_slowly(bench: &Bench) -> Outcome {
    unread_but_for(bench, 1024)
}

/// Reads a few bytes at a time, or none at all, of a body that does not fit into the buffers of the system on the way.
fn unread_but_for(bench: &Bench, bytes: usize) -> Outcome {
    let server = Server::start(move |peer| {
        peer.reset_later()?;
        peer.read_slowly(bytes, PAUSE)
    });
    let request = post(&server.http("/")).map(|_| Body::new(vec![b'x'; 16 * 1024 * 1024]));
    let transport = hurried(bench);
    late(transport.send(request)).map(|_| ())
}

fn no_answer(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.until_gone()
    });
    in_time(&*hurried(bench), &server)
}

fn status_line(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 200 ", "x")
}

fn interim(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n")?;
    stalls(bench, "HTTP/1.1 103 Early Hints\r\nlink: ", "x")
}

fn endless_interim(bench: &Bench) -> Outcome {
    endless(bench, "", "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n")
}

fn endless_lines(bench: &Bench) -> Outcome {
    endless(bench, "HTTP/1.1 200 ", "x")?;
    endless(bench, "HTTP/1.1 200 OK\r\nx-long: ", "x")?;
    endless(bench, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=", "x")?;
    endless(bench, CHUNKED, "0")
}

fn header(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 200 OK\r\nx-slow: ", "x")
}

fn headers(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 200 OK\r\n", "a: b\r\n")
}

fn body(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", "x")
}

fn body_without_length(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", "x")
}

fn chunks(bench: &Bench) -> Outcome {
    stalls(bench, CHUNKED, "1\r\nx\r\n")
}

fn chunk_extension(bench: &Bench) -> Outcome {
    stalls(bench, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=", "x")
}

fn trailers(bench: &Bench) -> Outcome {
    stalls(
        bench,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
        "a: b\r\n",
    )
}

fn endless_trailers(bench: &Bench) -> Outcome {
    endless(
        bench,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
        "x-trailer: x\r\n",
    )
}

fn body_over_tls(bench: &Bench) -> Outcome {
    let authority = super::super::certificate::Authority::new("a root");
    for (rest, in_records) in [(&[][..], true), (b"x", true), (b"x", false)] {
        let server = Server::start_tls(authority.good(), move |peer| {
            peer.request()?;
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
            if !in_records {
                peer.leave_tls()?;
                peer.write(TLS_DATA)?;
            }
            peer.trickle_on(rest, PAUSE)
        });
        // Longer than a handshake may take on a busy machine.
        let transport = bench.with(|setup| {
            setup.roots = vec![authority.root()];
            setup.policy.timeout = Duration::from_secs(2);
        });
        late(transport.send(post(&server.https("/"))))?;
        check(server.wait_for_ends(), || "the connection stays open".to_owned())?;
    }
    Ok(())
}

fn slow_but_in_time(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        std::thread::sleep(12 * DEADLINE);
        peer.write(ok("late").as_bytes())
    });
    let transport = bench.with(|setup| {
        setup.policy.connect_timeout = 10 * DEADLINE;
        setup.policy.timeout = FAR;
    });
    let answer = got(transport.send(post(&server.http("/"))))?;
    check(answer.body().as_bytes() == b"late", || {
        format!("{} bytes", answer.body().len())
    })
}

/// Answers with `head`, and then with nothing more, or with `rest` over and over, byte by byte.
fn stalls(bench: &Bench, head: &'static str, rest: &'static str) -> Outcome {
    for rest in ["", rest] {
        let server = Server::start(move |peer| {
            peer.request()?;
            peer.write(head.as_bytes())?;
            peer.trickle_on(rest.as_bytes(), PAUSE)
        });
        in_time(&*hurried(bench), &server).map_err(|seen| format!("{head:?} and {rest:?}: {seen}"))?;
    }
    Ok(())
}

/// Answers with `head`, and then with `rest` without end, many at a time.
fn endless(bench: &Bench, head: &'static str, rest: &'static str) -> Outcome {
    let server = Server::start(move |peer| {
        peer.request()?;
        peer.write(head.as_bytes())?;
        let rest = rest.repeat(50);
        loop {
            peer.write(rest.as_bytes())?;
            // Fast enough for any bound, and slow enough for a parser that is not optimized.
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    match hurried(bench).send(post(&server.http("/"))) {
        Ok(answer) => return Err(format!("an answer of status {}", answer.status())),
        Err(error) => check(matches!(error.kind(), Timeout | TooLarge | Malformed), || {
            format!("{error:?}")
        })?,
    }
    check(server.wait_for_ends(), || "the connection stays open".to_owned())
}

fn hurried(bench: &Bench) -> Box<dyn BlockingTransport> {
    bench.with(|setup| setup.policy.timeout = DEADLINE)
}

fn in_time(transport: &dyn BlockingTransport, server: &Server) -> Outcome {
    let started = Instant::now();
    late(transport.send(post(&server.http("/"))))?;
    let took = started.elapsed();
    check(took >= DEADLINE, || {
        format!("a deadline of {DEADLINE:?} fired after {took:?}")
    })?;
    check(server.wait_for_ends(), || "the connection stays open".to_owned())
}

/// The answer has to be the error of a deadline that passed when the service may have the request.
fn late(answer: Result<Response, TransportError>) -> Result<TransportError, String> {
    match answer {
        Ok(answer) => Err(format!("an answer of status {} instead of an error", answer.status())),
        Err(error) if error.kind() != Timeout || !error.is_retryable() => {
            Err(format!("expected a retryable Timeout, not {error:?}"))
        }
        Err(error) => Ok(error),
    }
}

/// One of the two deadlines that a stall before the request has to meet; the other is far away.
struct Hurry {
    connecting: bool,
    set: fn(&mut Setup),
}

impl Hurry {
    fn late(&self, send: impl FnOnce() -> Result<Response, TransportError>) -> Result<TransportError, String> {
        let error = late(send())?;
        // Where the deadline over all of it passed, the phase need not be known.
        if self.connecting && !error.is_unsent() {
            return Err(format!("nothing was sent, but that is not said: {error:?}"));
        }
        Ok(error)
    }
}

const HURRIES: [Hurry; 2] = [
    Hurry {
        connecting: true,
        set: |setup| {
            setup.policy.connect_timeout = DEADLINE;
            setup.policy.timeout = FAR;
        },
    },
    Hurry {
        connecting: false,
        set: |setup| {
            setup.policy.connect_timeout = FAR;
            setup.policy.timeout = DEADLINE;
        },
    },
];

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
/// The head of a TLS record that promises 16 KiB of handshake.
const TLS_RECORD: &[u8] = b"\x16\x03\x03\x3f\xff";
/// The same of data.
const TLS_DATA: &[u8] = b"\x17\x03\x03\x3f\xff";
const DEADLINE: Duration = Duration::from_millis(300);
/// No case waits for it: it is longer than a case may take.
const FAR: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(20);
