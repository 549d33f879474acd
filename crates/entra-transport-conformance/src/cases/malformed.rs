//! Responses that are not well-formed HTTP.

use entra_transport::TransportErrorKind::{Interrupted, Malformed, TooLarge};

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::exchange::{check, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "response_that_is_not_http_is_an_error",
        run: not_http,
    },
    Case {
        name: "invalid_or_contradictory_lengths_are_an_error",
        run: lengths,
    },
    Case {
        name: "malformed_chunks_are_an_error",
        run: chunks,
    },
    Case {
        name: "endless_headers_are_an_error",
        run: endless_headers,
    },
];

fn not_http(bench: &Bench) -> Outcome {
    rejects(
        bench,
        &[
            b"\0\x01\x02\x03\xff\xfe\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
            b"<html>captive portal</html>\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 99999 OK\r\n\r\n",
            b"HTTP/7.7 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon here\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nx-nul: a\0b\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 0\r\n\r\n",
        ],
    )
}

fn lengths(bench: &Bench) -> Outcome {
    rejects(
        bench,
        &[
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\ncontent-length: 4x\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nbody",
        ],
    )
}

fn chunks(bench: &Bench) -> Outcome {
    rejects(
        bench,
        &[
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-4\r\nbody\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nbody\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbodyandmore\r\n0\r\n\r\n",
        ],
    )
}

fn endless_headers(bench: &Bench) -> Outcome {
    let one_long = [
        b"HTTP/1.1 200 OK\r\nx-long: ".to_vec(),
        vec![b'x'; 4_000_000],
        b"\r\n\r\n".to_vec(),
    ]
    .concat();
    let many = [
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"x-many: 1\r\n".repeat(20_000),
        b"\r\n".to_vec(),
    ]
    .concat();
    rejects(bench, &[&one_long, &many])
}

fn rejects(bench: &Bench, responses: &[&[u8]]) -> Outcome {
    let transport = bench.plain();
    for response in responses {
        let bytes = response.to_vec();
        let server = Server::start(move |peer| {
            peer.request()?;
            peer.write(&bytes)?;
            peer.close()?;
            peer.until_gone()
        });
        let start = String::from_utf8_lossy(&response[..response.len().min(90)]).into_owned();
        match transport.send(post(&server.http("/"))) {
            Ok(response) => return Err(format!("{start:?} is a response of status {}", response.status())),
            // A parser that waits for more bytes may report that the connection was closed.
            Err(error) => check(matches!(error.kind(), Malformed | TooLarge | Interrupted), || {
                format!("{start:?}: {error:?}")
            })?,
        }
    }
    Ok(())
}
