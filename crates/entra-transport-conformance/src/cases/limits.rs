//! The limits on the size of a response, and compression.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use entra_transport::MAX_BODY;
use entra_transport::TransportErrorKind::{Encoding, TooLarge};

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::exchange::{check, fails, got, post};
use crate::server::{Peer, Server};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "declared_length_over_limit_is_rejected_unread",
        run: declared,
    },
    Case {
        name: "endless_chunked_body_is_cut_off",
        run: endless_chunked,
    },
    Case {
        name: "endless_body_without_length_is_cut_off",
        run: endless,
    },
    Case {
        name: "body_of_exactly_the_limit_is_accepted",
        run: exact,
    },
    Case {
        name: "one_byte_over_the_limit_is_rejected",
        run: one_over,
    },
    Case {
        name: "compressed_body_is_rejected",
        run: compressed,
    },
];

fn declared(bench: &Bench) -> Outcome {
    for length in ["1048577", "99999999999", "9223372036854775807"] {
        let server = Server::start(move |peer| {
            peer.request()?;
            // No byte of a body follows, so a client that reads the body waits for the deadline.
            peer.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes())?;
            peer.until_gone()
        });
        fails(bench.plain().send(post(&server.http("/"))), TooLarge, false)
            .map_err(|seen| format!("{length}: {seen}"))?;
        check(server.wait_for_end(1), || "the connection stays open".to_owned())?;
    }
    Ok(())
}

fn endless_chunked(bench: &Bench) -> Outcome {
    endless_body(bench, "transfer-encoding: chunked\r\n", "8000\r\n", "\r\n")
}

fn endless(bench: &Bench) -> Outcome {
    endless_body(bench, "connection: close\r\n", "", "")
}

fn endless_body(bench: &Bench, header: &'static str, before: &'static str, after: &'static str) -> Outcome {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let server = Server::start(move |peer| {
        peer.request()?;
        peer.write(format!("HTTP/1.1 200 OK\r\n{header}\r\n").as_bytes())?;
        let chunk = [before.as_bytes(), &[b'x'; 0x8000], after.as_bytes()].concat();
        loop {
            peer.write(&chunk)?;
            count.fetch_add(chunk.len(), Ordering::SeqCst);
        }
    });
    fails(bench.plain().send(post(&server.http("/"))), TooLarge, false)?;
    check(server.wait_for_end(1), || "the connection stays open".to_owned())?;
    // Bytes in the buffers of the system count as written.
    let written = written.load(Ordering::SeqCst);
    check(written < 32 * MAX_BODY, || format!("{written} bytes went out"))
}

fn exact(bench: &Bench) -> Outcome {
    let transport = bench.plain();
    for sender in [send_declared as Sender, send_chunked, send_to_the_end] {
        let server = Server::start(move |peer| sender(peer, MAX_BODY));
        let response = got(transport.send(post(&server.http("/"))))?;
        check(response.body().as_bytes() == vec![b'x'; MAX_BODY], || {
            format!("{} bytes", response.body().len())
        })?;
    }
    Ok(())
}

fn one_over(bench: &Bench) -> Outcome {
    let transport = bench.with(|setup| setup.policy.max_body = 1000);
    for sender in [send_declared as Sender, send_chunked, send_to_the_end] {
        for (length, passes) in [(1000, true), (1001, false)] {
            let server = Server::start(move |peer| sender(peer, length));
            let outcome = transport.send(post(&server.http("/")));
            if passes {
                got(outcome)?;
            } else {
                fails(outcome, TooLarge, false)?;
            }
        }
    }
    Ok(())
}

fn compressed(bench: &Bench) -> Outcome {
    for encoding in ["gzip", "br", "deflate", "zstd", "GZIP", "identity, gzip"] {
        // The first bytes of a gzip file: a client that decompresses them fails with another error.
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 10\r\n\r\n");
        let server = Server::responding([head.as_bytes(), b"\x1f\x8b\x08\0\0\0\0\0\0\xff"].concat());
        let outcome = bench.plain().send(post(&server.http("/")));
        fails(outcome, Encoding, false).map_err(|seen| format!("{encoding}: {seen}"))?;
    }
    let server = Server::responding("HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\n{}");
    got(bench.plain().send(post(&server.http("/")))).map(|_| ())
}

type Sender = fn(&mut Peer, usize) -> std::io::Result<()>;

fn send_declared(peer: &mut Peer, length: usize) -> std::io::Result<()> {
    peer.request()?;
    peer.write(format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").as_bytes())?;
    peer.write(&vec![b'x'; length])
}

fn send_chunked(peer: &mut Peer, length: usize) -> std::io::Result<()> {
    peer.request()?;
    peer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")?;
    for piece in vec![b'x'; length].chunks(60_000) {
        peer.write(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
    }
    peer.write(b"0\r\n\r\n")
}

fn send_to_the_end(peer: &mut Peer, length: usize) -> std::io::Result<()> {
    peer.request()?;
    peer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
    peer.write(&vec![b'x'; length])
}
