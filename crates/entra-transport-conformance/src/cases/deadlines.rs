//! The deadline of the whole request: each phase stalls, once without a byte and once with single
//! bytes from time to time.
//!
//! No case has an upper limit for its time: without the deadline, the case hangs.

use std::time::{Duration, Instant};

use entra_transport::TransportErrorKind::{Malformed, Timeout, TooLarge};
use entra_transport::{BlockingTransport, Body, Proxies, Response, TransportError};

use crate::bench::{Bench, Outcome, Setup};
use crate::case::Case;
use crate::exchange::{check, got, ok, post};
use crate::server::{Server, Unaccepting};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "connection_that_is_not_accepted_ends_at_deadline",
        run: connect,
    },
    Case {
        name: "proxy_that_accepts_no_connection_ends_at_deadline",
        run: connect_to_proxy,
    },
    Case {
        name: "stalled_proxy_ends_at_deadline",
        run: tunnel,
    },
    Case {
        name: "stalled_handshake_ends_at_deadline",
        run: handshake,
    },
    Case {
        name: "stalled_handshake_through_proxy_ends_at_deadline",
        run: handshake_behind_proxy,
    },
    Case {
        name: "server_that_does_not_read_ends_at_deadline",
        run: unread,
    },
    Case {
        name: "server_that_reads_slowly_ends_at_deadline",
        run: read_slowly,
    },
    Case {
        name: "server_that_never_responds_ends_at_deadline",
        run: no_response,
    },
    Case {
        name: "stalled_status_line_ends_at_deadline",
        run: status_line,
    },
    Case {
        name: "stalled_interim_response_ends_at_deadline",
        run: interim,
    },
    Case {
        name: "endless_interim_responses_are_an_error",
        run: endless_interim,
    },
    Case {
        name: "endless_lines_are_an_error",
        run: endless_lines,
    },
    Case {
        name: "stalled_header_ends_at_deadline",
        run: header,
    },
    Case {
        name: "slow_small_headers_end_at_deadline",
        run: headers,
    },
    Case {
        name: "stalled_body_ends_at_deadline",
        run: body,
    },
    Case {
        name: "stalled_body_without_length_ends_at_deadline",
        run: body_without_length,
    },
    Case {
        name: "stalled_chunks_end_at_deadline",
        run: chunks,
    },
    Case {
        name: "stalled_chunk_extension_ends_at_deadline",
        run: chunk_extension,
    },
    Case {
        name: "stalled_trailers_end_at_deadline",
        run: trailers,
    },
    Case {
        name: "endless_trailers_are_an_error",
        run: endless_trailers,
    },
    Case {
        name: "stalled_body_over_tls_ends_at_deadline",
        run: body_over_tls,
    },
    Case {
        name: "connect_timeout_does_not_cut_slow_response",
        run: slow_but_in_time,
    },
];

fn connect(bench: &Bench) -> Outcome {
    let Some(server) = Unaccepting::start() else {
        return bench.skip("backlog", "the queue of connections never fills on this system");
    };
    for hurry in HURRIES {
        let transport = bench.with(hurry.set);
        hurry.late(|| transport.send(post(&server.http("/"))))?;
    }
    Ok(())
}

fn connect_to_proxy(bench: &Bench) -> Outcome {
    let Some(proxy) = Unaccepting::start() else {
        return bench.skip("backlog", "the queue of connections never fills on this system");
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

/// Sends a request through a stalled proxy, and checks that the error names the proxy.
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

/// Reads a few bytes at a time, or none, of a body that exceeds the buffers of the system.
fn unread_but_for(bench: &Bench, bytes: usize) -> Outcome {
    let server = Server::start(move |peer| {
        peer.reset_later()?;
        peer.read_slowly(bytes, PAUSE)
    });
    let request = post(&server.http("/")).map(|_| Body::new(vec![b'x'; 16 * 1024 * 1024]));
    let transport = hurried(bench);
    late(transport.send(request)).map(|_| ())
}

fn no_response(bench: &Bench) -> Outcome {
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
        // Longer than a handshake takes on a busy machine.
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
    let response = got(transport.send(post(&server.http("/"))))?;
    check(response.body().as_bytes() == b"late", || {
        format!("{} bytes", response.body().len())
    })
}

/// Responds with `head`, followed by nothing, or by `rest` repeatedly, byte by byte.
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

/// Responds with `head`, followed by `rest` without end, many at a time.
fn endless(bench: &Bench, head: &'static str, rest: &'static str) -> Outcome {
    let server = Server::start(move |peer| {
        peer.request()?;
        peer.write(head.as_bytes())?;
        let rest = rest.repeat(50);
        loop {
            peer.write(rest.as_bytes())?;
            // Fast enough to reach any limit, and slow enough for a parser that is not optimized.
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    match hurried(bench).send(post(&server.http("/"))) {
        Ok(response) => return Err(format!("a response of status {}", response.status())),
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

/// Checks that the outcome is a retryable error of a deadline.
fn late(outcome: Result<Response, TransportError>) -> Result<TransportError, String> {
    match outcome {
        Ok(response) => Err(format!(
            "a response of status {} instead of an error",
            response.status()
        )),
        Err(error) if error.kind() != Timeout || !error.is_retryable() => {
            Err(format!("expected a retryable Timeout, not {error:?}"))
        }
        Err(error) => Ok(error),
    }
}

/// One of the two deadlines that end a stall before the request is sent. The other one is far away.
struct Hurry {
    connecting: bool,
    set: fn(&mut Setup),
}

impl Hurry {
    fn late(&self, send: impl FnOnce() -> Result<Response, TransportError>) -> Result<TransportError, String> {
        let error = late(send())?;
        // If the deadline of the whole request passed, the phase may be unknown.
        if self.connecting && !error.is_unsent() {
            return Err(format!("nothing was sent, but the error does not report it: {error:?}"));
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
/// The head of a TLS record that announces 16 KiB of handshake.
const TLS_RECORD: &[u8] = b"\x16\x03\x03\x3f\xff";
/// The head of a TLS record that announces 16 KiB of data.
const TLS_DATA: &[u8] = b"\x17\x03\x03\x3f\xff";
const DEADLINE: Duration = Duration::from_millis(300);
/// A deadline that no case reaches.
const FAR: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(20);
