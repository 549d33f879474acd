//! The certificates that are accepted, and the errors of TLS.

use entra_transport::TransportErrorKind::Tls;

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::certificate::{Authority, Certified, self_signed};
use crate::exchange::{check, fails, got, ok, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "tls_with_trusted_authority_works",
        run: trusted,
    },
    Case {
        name: "unknown_authority_is_rejected",
        run: unknown,
    },
    Case {
        name: "certificate_for_another_host_is_rejected",
        run: another_host,
    },
    Case {
        name: "expired_certificate_is_rejected",
        run: expired,
    },
    Case {
        name: "certificate_that_is_not_valid_yet_is_rejected",
        run: not_yet,
    },
    Case {
        name: "self_signed_certificate_is_rejected",
        run: self_signed_certificate,
    },
    Case {
        name: "server_without_tls_is_rejected",
        run: no_tls,
    },
    Case {
        name: "server_with_old_tls_is_rejected",
        run: too_old,
    },
    Case {
        name: "connection_closed_in_handshake_is_retryable",
        run: closes,
    },
];

fn trusted(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let server = secure(authority.good());
    let transport = bench.with(|setup| {
        setup.roots = vec![authority.root()];
        setup.policy.allow_plain_loopback = false;
    });
    let response = got(transport.send(post(&server.https("/"))))?;
    check(response.body().as_bytes() == b"{}", || {
        format!("{} bytes", response.body().len())
    })
}

fn unknown(bench: &Bench) -> Outcome {
    rejects(
        bench,
        &Authority::new("a root"),
        Authority::new("a root").good(),
        "trusted",
    )
}

fn another_host(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    rejects(bench, &authority, authority.for_another_host(), "another name")
}

fn expired(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    rejects(bench, &authority, authority.expired(), "expired")
}

fn not_yet(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    rejects(bench, &authority, authority.not_yet(), "not valid yet")
}

fn self_signed_certificate(bench: &Bench) -> Outcome {
    rejects(bench, &Authority::new("a root"), self_signed(), "certificate")
}

fn rejects(bench: &Bench, authority: &Authority, certified: Certified, shown: &str) -> Outcome {
    let server = secure(certified);
    let transport = bench.with(|setup| setup.roots = vec![authority.root()]);
    let outcome = transport.send(post(&server.https("/")));
    if let Err(error) = &outcome {
        check(error.to_string().contains(shown), || {
            format!("{error} does not contain {shown:?}")
        })?;
    }
    fails(outcome, Tls, false)?;
    check(server.bytes() == 0, || {
        format!("{} bytes of the request came through", server.bytes())
    })?;
    check(server.connections() == 1, || {
        format!("tried {} times", server.connections())
    })
}

fn no_tls(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
        peer.until_gone()
    });
    fails(bench.plain().send(post(&server.https("/"))), Tls, false)
}

fn too_old(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.reset_later()?;
        // The response of a server that supports at most TLS 1.1 to an offer of 1.2 and 1.3: a
        // fatal alert, protocol_version.
        peer.write(b"\x15\x03\x02\x00\x02\x02\x46")?;
        peer.until_gone()
    });
    fails(bench.plain().send(post(&server.https("/"))), Tls, false)
}

fn closes(bench: &Bench) -> Outcome {
    let at_once = Server::start(|peer| peer.close());
    fails(bench.plain().send(post(&at_once.https("/"))), Tls, true)
        .map_err(|seen| format!("closed at once: {seen}"))?;
    let reset = Server::start(super::super::server::Peer::reset_later);
    fails(bench.plain().send(post(&reset.https("/"))), Tls, true).map_err(|seen| format!("reset: {seen}"))
}

fn secure(certified: Certified) -> Server {
    Server::start_tls(certified, |peer| {
        while peer.request()?.is_some() {
            peer.write(ok("{}").as_bytes())?;
        }
        Ok(())
    })
}
