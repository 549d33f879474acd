//! HTTP proxies: the tunnel, the exceptions, and the errors.

use entra_transport::TransportErrorKind::{self, Connect, Dns, ProxyAuthentication, Timeout, Tls};
use entra_transport::{Proxies, Response, TransportError};

use crate::bench::{Bench, CANARY, LOOK_UP, Outcome, QUERY};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, fails, got, ok, post};
use crate::server::{Peer, Server};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "https_uses_tunnel_through_proxy",
        run: tunnel,
    },
    Case {
        name: "tunnel_carries_requests_of_its_host_only",
        run: tunnels,
    },
    Case {
        name: "proxy_cannot_impersonate_host",
        run: impostor,
    },
    Case {
        name: "loopback_and_exceptions_bypass_proxy",
        run: direct,
    },
    Case {
        name: "rejecting_proxy_is_a_connect_error",
        run: rejections,
    },
    Case {
        name: "proxy_with_authentication_is_asked_once",
        run: unauthorized,
    },
    Case {
        name: "endless_response_of_proxy_is_a_connect_error",
        run: endless,
    },
    Case {
        name: "closed_port_of_proxy_is_a_connect_error",
        run: closed_port,
    },
    Case {
        name: "unknown_host_of_proxy_is_a_dns_error",
        run: no_such_name,
    },
];

fn tunnel(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let host = Server::start_tls(authority.for_another_host(), |peer| {
        while peer.request()?.is_some() {
            peer.write(ok("through").as_bytes())?;
        }
        Ok(())
    });
    let port = host.port();
    let proxy = Server::start(move |peer| {
        peer.request()?;
        peer.write(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n")?;
        peer.tunnel(port)
    });
    let transport = bench.with(|setup| {
        setup.roots = vec![authority.root()];
        setup.proxies = through(&proxy);
    });
    // Only the proxy can reach this host.
    for _ in 0..3 {
        let response = got(transport.send(post("https://login.example/token")))?;
        check(response.body().as_bytes() == b"through", || {
            format!("{} bytes", response.body().len())
        })?;
    }
    // A client may open another tunnel before the first is back in its pool. All are requested
    // alike.
    let tunnels = proxy.requests();
    check((1..=3).contains(&tunnels.len()), || {
        format!("{} tunnels", tunnels.len())
    })?;
    for connect in &tunnels {
        check(connect.line == "CONNECT login.example:443 HTTP/1.1", || {
            connect.line.clone()
        })?;
        check(connect.all("host") == ["login.example:443"], || {
            format!("{:?}", connect.all("host"))
        })?;
        // printf 'user:c4n4ry@' | base64
        check(connect.all("proxy-authorization") == ["Basic dXNlcjpjNG40cnlA"], || {
            "other credentials".to_owned()
        })?;
        check(connect.all("authorization").is_empty(), || {
            "the proxy receives the credentials of the request".to_owned()
        })?;
    }
    for request in host.requests() {
        check(request.line == format!("POST /token?code={QUERY} HTTP/1.1"), || {
            request.line.clone()
        })?;
        check(request.all("proxy-authorization").is_empty(), || {
            "the host receives the credentials of the proxy".to_owned()
        })?;
    }
    Ok(())
}

fn tunnels(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let host = |text: &'static str| {
        Server::start_tls(authority.for_another_host(), move |peer| {
            while peer.request()?.is_some() {
                peer.write(ok(text).as_bytes())?;
            }
            Ok(())
        })
    };
    let (one, other) = (host("1"), host("2"));
    let ports = [one.port(), other.port()];
    let proxy = Server::start(move |peer| {
        let Some(connect) = peer.request()? else { return Ok(()) };
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
        peer.tunnel(ports[usize::from(connect.line.contains(":2 "))])
    });
    let transport = bench.with(|setup| {
        setup.roots = vec![authority.root()];
        setup.proxies = through(&proxy);
    });
    for _ in 0..3 {
        for port in ["1", "2"] {
            let response = got(transport.send(post(&format!("https://login.example:{port}/"))))?;
            check(response.body().as_bytes() == port.as_bytes(), || {
                format!("the other host responds for port {port}")
            })?;
        }
    }
    Ok(())
}

fn impostor(bench: &Bench) -> Outcome {
    let authority = Authority::new("an intercepting proxy");
    let impostor = Server::start_tls(authority.for_another_host(), |peer| peer.request().map(|_| ()));
    let port = impostor.port();
    let proxy = Server::start(move |peer| {
        peer.request()?;
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
        peer.tunnel(port)
    });
    let transport = bench.with(|setup| setup.proxies = through(&proxy));
    fails(transport.send(post("https://login.example/token")), Tls, false)?;
    check(impostor.bytes() == 0, || {
        format!("{} bytes of the request came through", impostor.bytes())
    })
}

fn direct(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let proxy = Server::start(Peer::until_gone);
    let transport = bench.with(|setup| {
        setup.roots = vec![authority.root()];
        setup.proxies = through(&proxy);
    });
    let plain = Server::responding(ok("plain"));
    got(transport.send(post(&plain.http("/"))))?;
    let secure = Server::start_tls(authority.good(), |peer| {
        peer.request()?;
        peer.write(ok("secure").as_bytes())
    });
    got(transport.send(post(&secure.https("/"))))?;
    // The host is not found, or not in time: the case checks only that the proxy was not asked.
    let transport = bench.with(|setup| {
        setup.proxies = through(&proxy).except(".invalid");
        setup.policy.timeout = LOOK_UP;
    });
    check(transport.send(post("https://no-such-host.invalid/")).is_err(), || {
        "a response of an unknown host".to_owned()
    })?;
    check(proxy.connections() == 0, || {
        format!("{} connections to the proxy", proxy.connections())
    })
}

fn rejections(bench: &Bench) -> Outcome {
    for response in [
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nbody",
        "HTTP/1.1 302 Found\r\nlocation: http://portal.example/\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 2",
        "",
    ] {
        let proxy = Server::start(move |peer| {
            peer.request()?;
            peer.write(response.as_bytes())
        });
        let transport = bench.with(|setup| setup.proxies = through(&proxy));
        at_proxy(transport.send(post("https://login.example/")), Connect, true, &proxy)
            .map_err(|seen| format!("{response:?}: {seen}"))?;
        check(proxy.requests().iter().all(|request| request.body.is_empty()), || {
            "the proxy saw a body".to_owned()
        })?;
    }
    let proxy = Server::start(Peer::reset_later);
    let transport = bench.with(|setup| setup.proxies = through(&proxy));
    at_proxy(transport.send(post("https://login.example/")), Connect, true, &proxy)
        .map_err(|seen| format!("reset: {seen}"))
}

fn unauthorized(bench: &Bench) -> Outcome {
    for fields in [
        "",
        "Proxy-Authenticate: Basic realm=\"x\"\r\n",
        "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n",
        "Proxy-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n",
        "Proxy-Authenticate: Negotiate, Basic realm=\"x, y\"\r\nproxy-authenticate: NTLM\r\nconnection: close\r\n",
    ] {
        for (with_password, head, body) in [
            (true, "HTTP/1.1 407 Proxy Authentication Required\r\n", ""),
            (false, "HTTP/1.1 407 Proxy Authentication Required\r\n", ""),
            (true, "HTTP/1.0 407 \r\n", "{\"error\":\"temporarily_unavailable\"}"),
        ] {
            let proxy = Server::start(move |peer| {
                peer.request()?;
                let length = body.len();
                let head = format!("{head}{fields}content-length: {length}\r\n\r\n");
                // In two parts, as from a slow proxy.
                peer.write(&head.as_bytes()[..10])?;
                std::thread::sleep(std::time::Duration::from_millis(20));
                peer.write(format!("{}{body}", &head[10..]).as_bytes())
            });
            let transport = bench.with(|setup| {
                setup.proxies = if with_password {
                    through(&proxy)
                } else {
                    Proxies::through(&format!("127.0.0.1:{}", proxy.port())).expect("this is a proxy")
                }
            });
            let outcome = transport.send(post("https://login.example/"));
            let shown = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
            at_proxy(outcome, ProxyAuthentication, false, &proxy).map_err(|seen| format!("{fields:?}: {seen}"))?;
            check(shown.contains("407"), || format!("{shown:?} does not contain 407"))?;
            check(proxy.requests().len() == 1, || {
                format!("asked {} times", proxy.requests().len())
            })?;
        }
    }
    Ok(())
}

fn endless(bench: &Bench) -> Outcome {
    for (head, rest) in [
        ("HTTP/1.1 200 OK\r\nx-long: ", "x"),
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n"),
    ] {
        let proxy = Server::start(move |peer| {
            peer.request()?;
            peer.write(head.as_bytes())?;
            let rest = rest.repeat(1000);
            loop {
                peer.write(rest.as_bytes())?;
            }
        });
        let transport = bench.with(|setup| setup.proxies = through(&proxy));
        at_proxy(transport.send(post("https://login.example/")), Connect, true, &proxy)
            .map_err(|seen| format!("{head:?}: {seen}"))?;
        check(proxy.wait_for_end(1), || "the connection stays open".to_owned())?;
    }
    Ok(())
}

fn closed_port(bench: &Bench) -> Outcome {
    let port = Server::closed_port();
    let transport = bench.with(|setup| {
        setup.proxies = Proxies::through(&format!("http://user:{CANARY}@127.0.0.1:{port}")).expect("this is a proxy");
    });
    named(
        transport.send(post("https://login.example/")),
        Connect,
        true,
        &format!("the proxy 127.0.0.1:{port}: "),
    )
}

fn no_such_name(bench: &Bench) -> Outcome {
    let transport = bench.with(|setup| {
        setup.proxies = Proxies::through(&format!("http://user:{CANARY}@no-such-proxy.invalid:3128")).expect("a proxy");
        setup.policy.timeout = LOOK_UP;
    });
    let outcome = transport.send(post("https://login.example/"));
    if outcome.as_ref().is_err_and(|error| error.kind() == Timeout) {
        return Ok(());
    }
    named(outcome, Dns, true, "the proxy no-such-proxy.invalid:3128: ")
}

/// Checks that the outcome is an error that names `proxy` and reports that nothing was sent.
fn at_proxy(
    outcome: Result<Response, TransportError>,
    kind: TransportErrorKind,
    retryable: bool,
    proxy: &Server,
) -> Outcome {
    named(
        outcome,
        kind,
        retryable,
        &format!("the proxy 127.0.0.1:{}: ", proxy.port()),
    )
}

fn named(outcome: Result<Response, TransportError>, kind: TransportErrorKind, retryable: bool, start: &str) -> Outcome {
    if let Err(error) = &outcome {
        check(error.to_string().starts_with(start), || {
            format!("{error} does not name {start}")
        })?;
        check(error.is_unsent(), || {
            format!("it does not report that nothing was sent: {error:?}")
        })?;
    }
    fails(outcome, kind, retryable)
}

fn through(proxy: &Server) -> Proxies {
    Proxies::through(&format!("http://user:{CANARY}%40@127.0.0.1:{}", proxy.port())).expect("this is a proxy")
}
