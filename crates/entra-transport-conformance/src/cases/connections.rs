//! The reuse of connections, and the choice of an address.

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
        name: "connection_is_reused",
        run: reused,
    },
    Case {
        name: "tls_connection_is_reused",
        run: reused_over_tls,
    },
    Case {
        name: "connection_closed_while_idle_is_not_reused",
        run: closed_while_idle,
    },
    Case {
        name: "unsolicited_response_is_not_used_for_next_request",
        run: unsolicited,
    },
    Case {
        name: "response_on_idle_connection_is_not_used_for_next_request",
        run: unsolicited_while_idle,
    },
    Case {
        name: "host_with_dead_first_address_is_reached_at_next",
        run: next_address,
    },
    Case {
        name: "threads_share_one_transport",
        run: shared,
    },
];

fn reused(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let transport = bench.plain();
    for _ in 0..5 {
        got(transport.send(post(&server.http("/"))))?;
        thread::sleep(TAKE_BACK);
    }
    // On a busy machine, a connection may be returned too late for the next request, but not
    // always.
    check(server.connections() < 5, || {
        format!("{} connections for 5 requests", server.connections())
    })
}

fn reused_over_tls(bench: &Bench) -> Outcome {
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
    // On a busy machine, a connection may be returned too late for the next request, but not
    // always.
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
        // The client has to notice it, which nothing reports.
        thread::sleep(Duration::from_millis(50));
    }
    check(server.requests().len() == 5, || {
        format!("{} requests", server.requests().len())
    })
}

fn unsolicited(bench: &Bench) -> Outcome {
    second_response(bench, false)
}

fn unsolicited_while_idle(bench: &Bench) -> Outcome {
    second_response(bench, true)
}

/// Sends two responses to the first request of each connection, together or while it is idle.
fn second_response(bench: &Bench, idle: bool) -> Outcome {
    let (now, idles) = channel();
    let (idles, (wrote, written)) = (Mutex::new(idles), channel());
    let server = Server::start(move |peer| {
        peer.request()?;
        let (requested, unsolicited) = (ok("requested"), ok("unsolicited"));
        if idle {
            peer.write(requested.as_bytes())?;
            // The client releases the server here, or its end does.
            let _ = idles.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let sent = peer.write(unsolicited.as_bytes());
            let _ = wrote.send(());
            sent?;
        } else {
            peer.write(format!("{requested}{unsolicited}").as_bytes())?;
        }
        while peer.request()?.is_some() {
            peer.write(ok("requested").as_bytes())?;
        }
        Ok(())
    });
    let transport = bench.plain();
    for turn in 1..=4 {
        let response =
            got(transport.send(post(&server.http("/")))).map_err(|error| format!("request {turn}: {error}"))?;
        check(response.body().as_bytes() == b"requested", || {
            format!("request {turn} got an unsolicited response")
        })?;
        if idle {
            now.send(()).map_err(|_| "the server is gone".to_owned())?;
            written.recv().map_err(|_| "the server is gone".to_owned())?;
            // A client with background tasks has to notice it, which nothing reports.
            thread::sleep(10 * TAKE_BACK);
        }
    }
    Ok(())
}

fn next_address(bench: &Bench) -> Outcome {
    // If `localhost` is [::1] as well, this address is the first, and its port is closed.
    let server = Server::responding(ok("{}"));
    let known = ("localhost", server.port()).to_socket_addrs();
    if !known.is_ok_and(|mut known| known.any(|address| address.ip() == Ipv4Addr::LOCALHOST)) {
        return bench.skip("localhost", "this machine does not resolve localhost to 127.0.0.1");
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
                        let response = got(transport.send(post(&server.http(&path))))?;
                        check(response.body().as_bytes() == path.as_bytes(), || {
                            format!("{path} got the response to another request")
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

/// The time in which a client with background tasks takes a connection back after a response.
const TAKE_BACK: Duration = Duration::from_millis(20);
