use std::net::{Ipv4Addr, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, got, ok, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a_connection_is_used_again",
        run: kept,
    },
    Case {
        name: "a_tls_connection_is_used_again",
        run: kept_over_tls,
    },
    Case {
        name: "a_connection_closed_while_idle_is_not_used",
        run: closed_while_idle,
    },
    Case {
        name: "an_answer_nobody_asked_for_is_not_taken_for_the_next",
        run: unasked,
    },
    Case {
        name: "an_answer_to_an_idle_connection_is_not_taken_for_the_next",
        run: unasked_while_idle,
    },
    Case {
        name: "a_name_whose_first_address_is_dead_is_reached_at_the_next",
        run: next_address,
    },
    Case {
        name: "many_threads_share_one_transport",
        run: shared,
    },
];

fn kept(bench: &Bench) -> Outcome {
    let server = Server::answering(ok("{}"));
    let transport = bench.plain();
    for _ in 0..5 {
        got(transport.send(post(&server.http("/"))))?;
        thread::sleep(TAKE_BACK);
    }
    // On a busy machine, a connection may come back too late for the next request, but not for each.
    check(server.connections() < 5, || {
        format!("{} connections for 5 requests", server.connections())
    })
}

fn kept_over_tls(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let server = Server::start_tls(authority.good(), |peer| {
        while peer.request()?.is_some() {
            peer.write(ok("{}").as_bytes())?;
        }
        Ok(())
    });
    let transport = bench.with(|setup| setup.roots = vec![authority.root()]);
    for _ in 0..5 {
        got(transport.send(post(&server.https("/"))))?;
        thread::sleep(TAKE_BACK);
    }
    // On a busy machine, a connection may come back too late for the next request, but not for each.
    check(server.connections() < 5, || {
        format!("{} connections for 5 requests", server.connections())
    })
}

fn closed_while_idle(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.write(ok("{}").as_bytes())
    });
    let transport = bench.plain();
    for turn in 1..=5 {
        got(transport.send(post(&server.http("/")))).map_err(|error| format!("request {turn}: {error}"))?;
        server.wait_for_end(turn);
        // The client has to take notice of it: nothing else tells that it did.
        thread::sleep(Duration::from_millis(50));
    }
    check(server.requests().len() == 5, || {
        format!("{} requests", server.requests().len())
    })
}

fn unasked(bench: &Bench) -> Outcome {
    second_answer(bench, false)
}

fn unasked_while_idle(bench: &Bench) -> Outcome {
    second_answer(bench, true)
}

/// Each first request of a connection gets two answers, at once or while the connection is idle.
fn second_answer(bench: &Bench, idle: bool) -> Outcome {
    let (now, idles) = channel();
    let (idles, (wrote, written)) = (Mutex::new(idles), channel());
    let server = Server::start(move |peer| {
        peer.request()?;
        let (asked, unasked) = (ok("asked"), ok("unasked"));
        if idle {
            peer.write(asked.as_bytes())?;
            // Whoever waits here is let go by the client, or by its end.
            let _ = idles.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let sent = peer.write(unasked.as_bytes());
            let _ = wrote.send(());
            sent?;
        } else {
            peer.write(format!("{asked}{unasked}").as_bytes())?;
        }
        while peer.request()?.is_some() {
            peer.write(ok("asked").as_bytes())?;
        }
        Ok(())
    });
    let transport = bench.plain();
    for turn in 1..=4 {
        let answer =
            got(transport.send(post(&server.http("/")))).map_err(|error| format!("request {turn}: {error}"))?;
        check(answer.body().as_bytes() == b"asked", || {
            format!("request {turn} got an answer nobody asked for")
        })?;
        if idle {
            now.send(()).map_err(|_| "the server is gone".to_owned())?;
            written.recv().map_err(|_| "the server is gone".to_owned())?;
            // A client with tasks of its own has to take notice: nothing else tells that it did.
            thread::sleep(10 * TAKE_BACK);
        }
    }
    Ok(())
}

fn next_address(bench: &Bench) -> Outcome {
    // Where `localhost` is [::1] as well, that comes first, and nobody listens there.
    let server = Server::answering(ok("{}"));
    let known = ("localhost", server.port()).to_socket_addrs();
    if !known.is_ok_and(|mut known| known.any(|address| address.ip() == Ipv4Addr::LOCALHOST)) {
        return bench.skip("this machine does not find 127.0.0.1 as localhost");
    }
    got(bench
        .plain()
        .send(post(&format!("http://localhost:{}/", server.port()))))
    .map(|_| ())
}

fn shared(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request()? {
            let path = request.line.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
            peer.write(ok(&path).as_bytes())?;
        }
        Ok(())
    });
    let transport = bench.plain();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let (transport, server) = (&transport, &server);
                scope.spawn(move || {
                    for turn in 0..20 {
                        let path = format!("/{sender}/{turn}");
                        let answer = got(transport.send(post(&server.http(&path))))?;
                        check(answer.body().as_bytes() == path.as_bytes(), || {
                            format!("{path} got another's answer")
                        })?;
                    }
                    Ok(())
                })
            })
            .collect();
        senders
            .into_iter()
            .try_for_each(|sender| sender.join().map_err(|_| "a sender panicked".to_owned())?)
    })
}

/// A client with tasks of its own may take a connection back a little after the answer is out.
const TAKE_BACK: Duration = Duration::from_millis(20);
