//! Requests to local endpoints: where they may be sent, the pinned certificate, and connections of
//! their own.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use entra_transport::TransportErrorKind::{Connect, Dns, Encoding, Interrupted, NotAllowed, Timeout, Tls, TooLarge};
use entra_transport::{BlockingTransport, Proxies, Request, Response, TransportError};
use rustls::ServerConfig;

use crate::bench::{Bench, LOOK_UP, Outcome};
use crate::case::Case;
use crate::certificate::{Authority, self_signed, with_another_key};
use crate::exchange::{check, fails, got, ok, post};
use crate::local::{local_request, pinned, probe};
use crate::server::{Peer, Server, Unaccepting};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "local_endpoint_is_reached_over_plain_http",
        run: plain,
    },
    Case {
        name: "local_route_does_not_lead_elsewhere_over_plain_http",
        run: elsewhere,
    },
    Case {
        name: "local_endpoint_bypasses_proxy",
        run: no_proxy,
    },
    Case {
        name: "redirect_of_local_endpoint_is_not_followed",
        run: redirect,
    },
    Case {
        name: "local_endpoint_has_the_usual_limits",
        run: limits,
    },
    Case {
        name: "probe_of_unreachable_endpoint_ends_early",
        run: unreachable_probe,
    },
    Case {
        name: "pinned_certificate_needs_no_authority",
        run: right_pin,
    },
    Case {
        name: "other_certificate_than_pinned_gets_no_request",
        run: wrong_pin,
    },
    Case {
        name: "pinned_certificate_without_its_key_gets_no_request",
        run: stolen_certificate,
    },
    Case {
        name: "local_endpoint_over_tls_needs_an_authority",
        run: not_pinned,
    },
    Case {
        name: "connection_of_local_endpoint_is_not_shared",
        run: apart,
    },
];

fn plain(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let transport = bench.with(|setup| setup.policy.allow_plain_loopback = false);
    let Some(outcome) = supported(bench, &*transport, local_request(&server.http("/msi/token"))) else {
        return check(server.connections() == 0, || "a rejected request was sent".to_owned());
    };
    let response = got(outcome)?;
    check(response.body().as_bytes() == b"{}", || {
        format!("{} bytes", response.body().len())
    })?;
    // Other requests have no such permission.
    fails(transport.send(post(&server.http("/"))), NotAllowed, false)?;
    let link_local = bench.with(|setup| setup.policy.timeout = LOOK_UP);
    // No case needs such an address to respond, so it is not known how the connection fails.
    match link_local.send(probe("http://169.254.169.254:9")) {
        Err(error) if error.kind() == NotAllowed => Err(format!("a link-local address is rejected: {error}")),
        _ => Ok(()),
    }
}

fn elsewhere(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let transport = bench.plain();
    for uri in [
        "http://login.example/",
        "http://192.0.2.1/",
        "http://10.0.0.4/",
        "http://168.63.129.16/",
        "http://2130706433/",
        "http://metadata.google.internal/",
        "http://[::2]/",
        "ftp://127.0.0.1/",
        &format!("http://user:c4n4ry@127.0.0.1:{}/", server.port()),
        &format!("https://c4n4ry@127.0.0.1:{}/", server.port()),
        "/msi/token",
    ] {
        // The protocol does not create such a request.
        let mut request = local_request(&server.http("/msi/token"));
        *request.uri_mut() = uri.parse().expect("this is a URI");
        fails(transport.send(request), NotAllowed, false).map_err(|seen| format!("{uri}: {seen}"))?;
    }
    let mut request = pinned(&server.https("/msi/token"), &"ab".repeat(20));
    *request.uri_mut() = server.http("/").parse().expect("this is a URI");
    fails(transport.send(request), NotAllowed, false).map_err(|seen| format!("pinned: {seen}"))?;
    check(server.connections() == 0, || {
        format!("{} connections", server.connections())
    })
}

fn no_proxy(bench: &Bench) -> Outcome {
    let proxy = Server::start(Peer::until_gone);
    let transport = bench.with(|setup| {
        setup.policy.timeout = LOOK_UP;
        setup.proxies = Proxies::through(&format!("http://127.0.0.1:{}", proxy.port())).expect("this is a proxy");
    });
    let server = Server::responding(ok("{}"));
    let Some(outcome) = supported(bench, &*transport, local_request(&server.http("/msi/token"))) else {
        return Ok(());
    };
    got(outcome)?;
    for request in [
        local_request("https://no-such-host.invalid/msi/token"),
        pinned("https://no-such-host.invalid/token", &"ab".repeat(20)),
    ] {
        let outcome = transport.send(request);
        let is_unknown = outcome.as_ref().is_err_and(|e| matches!(e.kind(), Dns | Timeout));
        check(is_unknown, || format!("an unknown host: {outcome:?}"))?;
    }
    check(proxy.connections() == 0, || {
        format!("{} connections to the proxy", proxy.connections())
    })
}

fn redirect(bench: &Bench) -> Outcome {
    let target = Server::responding(ok("followed"));
    let transport = bench.plain();
    for status in [301, 302, 303, 307, 308] {
        let location = target.http("/elsewhere");
        let server = Server::responding(format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ));
        let Some(outcome) = supported(bench, &*transport, local_request(&server.http("/msi/token"))) else {
            return Ok(());
        };
        let response = got(outcome)?;
        check(response.status() == status, || response.status().to_string())?;
        check(server.requests().len() == 1, || {
            format!("{} requests", server.requests().len())
        })?;
    }
    check(target.connections() == 0, || "the redirect was followed".to_owned())
}

fn limits(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        let Some(request) = peer.request()? else { return Ok(()) };
        match request.line.split([' ', '?']).nth(1) {
            Some("/long") => peer.write(ok(&"x".repeat(100)).as_bytes()),
            Some("/packed") => peer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx"),
            Some("/cut") => peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhalf"),
            _ => peer.until_gone(),
        }
    });
    let transport = bench.with(|setup| setup.policy.max_body = 99);
    let Some(outcome) = supported(bench, &*transport, local_request(&server.http("/long"))) else {
        return Ok(());
    };
    fails(outcome, TooLarge, false)?;
    fails(transport.send(local_request(&server.http("/packed"))), Encoding, false)?;
    fails(transport.send(local_request(&server.http("/cut"))), Interrupted, true)?;
    let hurried = bench.with(|setup| setup.policy.timeout = Duration::from_millis(300));
    fails(hurried.send(local_request(&server.http("/silent"))), Timeout, true)?;
    let closed = format!("http://127.0.0.1:{}", Server::closed_port());
    fails(transport.send(local_request(&closed)), Connect, true)
}

fn unreachable_probe(bench: &Bench) -> Outcome {
    let transport = bench.plain();
    let responding = Server::responding(ok("{}"));
    let Some(outcome) = supported(bench, &*transport, probe(&responding.http(""))) else {
        return Ok(());
    };
    got(outcome)?;
    // The transport's own timeouts are two minutes.
    let early = |request| {
        let started = Instant::now();
        let outcome = transport.send(request);
        let took = started.elapsed();
        check(took < Duration::from_secs(30), || format!("it took {took:?}")).map(|()| outcome)
    };
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"] {
        let silent = Server::start(move |peer| {
            peer.request()?;
            peer.write(head.as_bytes())?;
            peer.until_gone()
        });
        fails(early(probe(&silent.http("")))?, Timeout, true)?;
    }
    let Some(server) = Unaccepting::start() else {
        return bench.skip("backlog", "the queue of connections never fills on this system");
    };
    fails(early(probe(&server.http("")))?, Timeout, true)
}

fn right_pin(bench: &Bench) -> Outcome {
    let transport = bench.plain();
    let authority = Authority::new("a root");
    let certificates = [
        self_signed(),
        authority.good(),
        authority.expired(),
        authority.for_another_host(),
    ];
    for certificate in certificates {
        let sha1 = certificate.sha1();
        for (config, spelling) in [
            (certificate.config(), sha1.to_uppercase()),
            (certificate.old_config(), sha1),
        ] {
            let server = secure(config);
            let request = pinned(&server.https("/token"), &spelling);
            let Some(outcome) = supported(bench, &*transport, request) else {
                return Ok(());
            };
            let response = got(outcome)?;
            check(response.body().as_bytes() == b"{}", || {
                format!("{} bytes", response.body().len())
            })?;
        }
    }
    Ok(())
}

fn wrong_pin(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let transport = bench.with(|setup| setup.roots = vec![authority.root()]);
    // The chain of the first is valid.
    for certificate in [authority.good(), self_signed()] {
        let server = secure(certificate.config());
        let mut nearly = certificate.sha1();
        let last = if nearly.ends_with('0') { "1" } else { "0" };
        nearly.replace_range(39.., last);
        for pin in [nearly, self_signed().sha1(), "00".repeat(20)] {
            gets_nothing(
                bench,
                &*transport,
                &server,
                pinned(&server.https("/token"), &pin),
                "hash",
            )?;
        }
    }
    Ok(())
}

fn stolen_certificate(bench: &Bench) -> Outcome {
    let stolen = with_another_key();
    for config in [stolen.config(), stolen.old_config()] {
        let server = secure(config);
        let request = pinned(&server.https("/token"), &stolen.sha1());
        gets_nothing(bench, &*bench.plain(), &server, request, "")?;
    }
    Ok(())
}

fn not_pinned(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let transport = bench.with(|setup| setup.roots = vec![authority.root()]);
    let server = secure(authority.good().config());
    let Some(outcome) = supported(bench, &*transport, local_request(&server.https("/msi/token"))) else {
        return Ok(());
    };
    got(outcome)?;
    for certificate in [self_signed(), authority.expired(), authority.for_another_host()] {
        let server = secure(certificate.config());
        gets_nothing(
            bench,
            &*transport,
            &server,
            local_request(&server.https("/msi/token")),
            "certificate",
        )?;
    }
    Ok(())
}

fn apart(bench: &Bench) -> Outcome {
    let plain = Server::responding(ok("{}"));
    let transport = bench.plain();
    for _ in 0..3 {
        pooled(&*transport, post(&plain.http("/")))?;
        let before = plain.connections();
        let Some(outcome) = supported(bench, &*transport, local_request(&plain.http("/"))) else {
            return Ok(());
        };
        got(outcome)?;
        check(plain.connections() == before + 1, || {
            "it uses the connection of an ordinary request".to_owned()
        })?;
    }
    let authority = Authority::new("a root");
    let certificate = authority.good();
    let server = secure(certificate.config());
    let (right, wrong) = (certificate.sha1(), "00".repeat(20));
    let is_trusted = bench.with(|setup| setup.roots = vec![authority.root()]);
    // An open connection of another kind to the same host may exist each time.
    for _ in 0..3 {
        pooled(&*is_trusted, post(&server.https("/")))?;
        fails(is_trusted.send(pinned(&server.https("/"), &wrong)), Tls, false)
            .map_err(|seen| format!("after an ordinary request: {seen}"))?;
        pooled(&*is_trusted, pinned(&server.https("/"), &right))?;
        fails(is_trusted.send(pinned(&server.https("/"), &wrong)), Tls, false)
            .map_err(|seen| format!("after the right pin: {seen}"))?;
    }
    let is_untrusted = bench.plain();
    for _ in 0..3 {
        pooled(&*is_untrusted, pinned(&server.https("/"), &right))?;
        fails(is_untrusted.send(post(&server.https("/"))), Tls, false)
            .map_err(|seen| format!("an ordinary request after the right pin: {seen}"))?;
        fails(is_untrusted.send(local_request(&server.https("/"))), Tls, false)
            .map_err(|seen| format!("a request without a pin after the right pin: {seen}"))?;
    }
    Ok(())
}

/// Sends a request, and waits until a client with background tasks may have put the connection into
/// its pool.
fn pooled(transport: &dyn BlockingTransport, request: Request) -> Outcome {
    got(transport.send(request))?;
    thread::sleep(TAKE_BACK);
    Ok(())
}

/// Checks that the server gets no byte of the request, and that the error contains this text.
fn gets_nothing(
    bench: &Bench,
    transport: &dyn BlockingTransport,
    server: &Server,
    request: Request,
    shown: &str,
) -> Outcome {
    let Some(outcome) = supported(bench, transport, request) else {
        return Ok(());
    };
    let text = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    check(text.contains(shown), || format!("{text:?} does not contain {shown:?}"))?;
    check(outcome.as_ref().is_err_and(TransportError::is_unsent), || {
        format!("it does not report that nothing was sent: {outcome:?}")
    })?;
    fails(outcome, Tls, false)?;
    check(server.wait_for_ends(), || "the connection stays open".to_owned())?;
    check(server.bytes() == 0, || {
        format!("{} bytes of the request were sent", server.bytes())
    })
}

/// Sends a request on a local route. Returns `None` and skips the case if the transport rejects the
/// route, as one may that does not support it.
fn supported(
    bench: &Bench,
    transport: &dyn BlockingTransport,
    request: Request,
) -> Option<Result<Response, TransportError>> {
    let outcome = transport.send(request);
    if outcome.as_ref().is_err_and(|error| error.kind() == NotAllowed) {
        let _ = bench.skip("local-route", "the transport rejects requests to local endpoints");
        return None;
    }
    Some(outcome)
}

fn secure(config: Arc<ServerConfig>) -> Server {
    Server::start_tls(config, |peer| {
        while peer.request()?.is_some() {
            peer.write(ok("{}").as_bytes())?;
        }
        Ok(())
    })
}

/// The time in which a client with background tasks takes a connection back after a response.
const TAKE_BACK: Duration = Duration::from_millis(20);
