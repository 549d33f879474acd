//! Connections that are cut inside a response.

use entra_transport::TransportErrorKind::Interrupted;
use entra_transport::{BlockingTransport, Response, TransportError};

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, fails, got, post};
use crate::server::{Peer, Server};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "cut_response_with_length_is_never_complete",
        run: with_length,
    },
    Case {
        name: "cut_chunked_response_is_never_complete",
        run: chunked,
    },
    Case {
        name: "reset_in_body_without_length_is_an_error",
        run: reset_without_length,
    },
    Case {
        name: "reset_before_response_is_interrupted",
        run: reset_before,
    },
    Case {
        name: "missing_close_notify_in_body_without_length_is_an_error",
        run: no_close_notify,
    },
    Case {
        name: "close_notify_ends_body_without_length",
        run: close_notify,
    },
];

fn with_length(bench: &Bench) -> Outcome {
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body().len()
    );
    every_cut(bench, &[head.as_bytes(), &body()].concat(), 0)
}

fn chunked(bench: &Bench) -> Outcome {
    let mut whole = b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in body().chunks(200) {
        whole.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        whole.extend_from_slice(piece);
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(b"0\r\n\r\n");
    // After the last chunk, `0\r\n`, the body is complete, and only the end of the trailers is
    // missing.
    every_cut(bench, &whole, 4)
}

/// Sends every prefix of `whole`. A prefix without the last `optional` bytes may count as complete
/// or not.
fn every_cut(bench: &Bench, whole: &[u8], optional: usize) -> Outcome {
    let response = whole.to_vec();
    let server = Server::start(move |peer| {
        let Some(request) = peer.request()? else { return Ok(()) };
        let length = request
            .line
            .split(['/', '?'])
            .nth(1)
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        peer.write(&response[..length])
    });
    let transport = bench.plain();
    for length in 0..=whole.len() {
        let outcome = transport.send(post(&server.http(&format!("/{length}"))));
        let complete = length == whole.len();
        match outcome {
            Ok(response) => {
                let full = response.body().as_bytes() == body();
                check(full && length + optional >= whole.len(), || {
                    format!(
                        "cut after {length} of {} bytes there is a response of {} bytes",
                        whole.len(),
                        response.body().len()
                    )
                })?;
            }
            Err(error) if complete => return Err(format!("the complete response is an error: {error:?}")),
            Err(error) => check(error.kind() == Interrupted && error.is_retryable(), || {
                format!("cut after {length} of {} bytes: {error:?}", whole.len())
            })?,
        }
    }
    check(server.requests().len() == whole.len() + 1, || {
        "a request was sent again".to_owned()
    })
}

fn reset_without_length(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.reset_later()?;
        peer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"access_token\":\"ab")?;
        // The client reads the head before the reset arrives.
        std::thread::sleep(std::time::Duration::from_millis(100));
        Ok(())
    });
    fails(bench.plain().send(post(&server.http("/"))), Interrupted, true)
}

fn reset_before(bench: &Bench) -> Outcome {
    let server = Server::start(Peer::reset_later);
    fails(bench.plain().send(post(&server.http("/"))), Interrupted, true)?;
    check(server.connections() == 1, || {
        format!("tried {} times", server.connections())
    })
}

fn no_close_notify(bench: &Bench) -> Outcome {
    let outcome = over_tls(bench, |peer| peer.write(UNTIL_CLOSE));
    fails(outcome, Interrupted, true)
}

fn close_notify(bench: &Bench) -> Outcome {
    let outcome = over_tls(bench, |peer| {
        peer.write(UNTIL_CLOSE)?;
        peer.close()
    });
    let response = got(outcome)?;
    check(response.body().as_bytes() == b"{\"a\":1}", || {
        format!("{} bytes", response.body().len())
    })
}

fn over_tls(bench: &Bench, end: fn(&mut Peer) -> std::io::Result<()>) -> Result<Response, TransportError> {
    let authority = Authority::new("a root");
    let server = Server::start_tls(authority.good(), move |peer| {
        peer.request()?;
        end(peer)
    });
    let transport: Box<dyn BlockingTransport> = bench.with(|setup| setup.roots = vec![authority.root()]);
    transport.send(post(&server.https("/")))
}

fn body() -> Vec<u8> {
    (b'!'..=b'~').cycle().take(500).collect()
}

const UNTIL_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"a\":1}";
