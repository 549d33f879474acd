use entra_transport::TransportErrorKind::Interrupted;
use entra_transport::{BlockingTransport, Response, TransportError};

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, fails, got, post};
use crate::server::{Peer, Server};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "an_answer_with_length_cut_at_every_byte_is_never_taken_for_whole",
        run: with_length,
    },
    Case {
        name: "a_chunked_answer_cut_at_every_byte_is_never_taken_for_whole",
        run: chunked,
    },
    Case {
        name: "a_reset_in_a_body_without_length_is_no_end",
        run: reset_without_length,
    },
    Case {
        name: "a_reset_before_the_answer_is_interrupted",
        run: reset_before,
    },
    Case {
        name: "tls_without_a_goodbye_is_no_end_of_a_body_without_length",
        run: no_goodbye,
    },
    Case {
        name: "tls_with_a_goodbye_is_the_end_of_a_body_without_length",
        run: goodbye,
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
    // From the last chunk on, `0\r\n`, the body is complete: only the end of the trailers is missing.
    every_cut(bench, &whole, 4)
}

/// Sends every proper prefix of `whole`, and `whole`. The last `optional` bytes may be missed or not.
fn every_cut(bench: &Bench, whole: &[u8], optional: usize) -> Outcome {
    let answer = whole.to_vec();
    let server = Server::start(move |peer| {
        let Some(request) = peer.request()? else { return Ok(()) };
        let length = request
            .line
            .split(['/', '?'])
            .nth(1)
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        peer.write(&answer[..length])
    });
    let transport = bench.plain();
    for length in 0..=whole.len() {
        let answer = transport.send(post(&server.http(&format!("/{length}"))));
        let complete = length == whole.len();
        match answer {
            Ok(answer) => {
                let full = answer.body().as_bytes() == body();
                check(full && length + optional >= whole.len(), || {
                    format!(
                        "cut after {length} of {} bytes it is an answer of {} bytes",
                        whole.len(),
                        answer.body().len()
                    )
                })?;
            }
            Err(error) if complete => return Err(format!("the whole answer is an error: {error:?}")),
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
        // Lets the client take the head in before the reset overtakes it.
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

fn no_goodbye(bench: &Bench) -> Outcome {
    let answer = over_tls(bench, |peer| peer.write(UNTIL_CLOSE));
    fails(answer, Interrupted, true)
}

fn goodbye(bench: &Bench) -> Outcome {
    let answer = over_tls(bench, |peer| {
        peer.write(UNTIL_CLOSE)?;
        peer.close()
    });
    let answer = got(answer)?;
    check(answer.body().as_bytes() == b"{\"a\":1}", || {
        format!("{} bytes", answer.body().len())
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
