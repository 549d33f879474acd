use entra_transport::TransportErrorKind::{self, Connect, Dns, ProxyAuthentication, Timeout, Tls};
use entra_transport::{Proxies, Response, TransportError};

use crate::bench::{Bench, CANARY, LOOK_UP, Outcome, QUERY};
use crate::case::Case;
use crate::certificate::Authority;
use crate::exchange::{check, fails, got, ok, post};
use crate::server::{Peer, Server};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "https_goes_through_a_proxy_as_a_tunnel",
        run: tunnel,
    },
    Case {
        name: "a_tunnel_carries_requests_to_its_own_host_alone",
        run: tunnels,
    },
    Case {
        name: "a_proxy_cannot_stand_in_for_the_host",
        run: impostor,
    },
    Case {
        name: "loopback_and_exceptions_never_go_through_a_proxy",
        run: direct,
    },
    Case {
        name: "a_proxy_that_refuses_is_a_connect_error",
        run: refusals,
    },
    Case {
        name: "a_proxy_that_wants_to_know_who_asks_is_asked_once",
        run: unauthorized,
    },
    Case {
        name: "a_proxy_response_without_end_is_a_connect_error",
        run: endless,
    },
    Case {
        name: "a_proxy_nobody_listens_at_is_a_connect_error",
        run: nobody,
    },
    Case {
        name: "a_proxy_whose_name_does_not_exist_is_a_dns_error",
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
    // Nobody but the proxy knows where this host is.
    for _ in 0..3 {
        let answer = got(transport.send(post("https://login.example/token")))?;
        check(answer.body().as_bytes() == b"through", || {
            format!("{} bytes", answer.body().len())
        })?;
    }
    // A client may open another tunnel while the first is not quite back in its pool; each must be asked for in the same way.
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
            "the proxy is told the credentials of the request".to_owned()
        })?;
    }
    for request in host.requests() {
        check(request.line == format!("POST /token?code={QUERY} HTTP/1.1"), || {
            request.line.clone()
        })?;
        check(request.all("proxy-authorization").is_empty(), || {
            "the host is told the proxy's credentials".to_owned()
        })?;
    }
    Ok(())
}

fn tunnels(bench: &Bench) -> Outcome {
    let authority = Authority::new("a root");
    let host = |says: &'static str| {
        Server::start_tls(authority.for_another_host(), move |peer| {
            while peer.request()?.is_some() {
                peer.write(ok(says).as_bytes())?;
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
            let answer = got(transport.send(post(&format!("https://login.example:{port}/"))))?;
            check(answer.body().as_bytes() == port.as_bytes(), || {
                format!("the other host answers for port {port}")
            })?;
        }
    }
    Ok(())
}

fn impostor(bench: &Bench) -> Outcome {
    let authority = Authority::new("a proxy that reads along");
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
    let plain = Server::answering(ok("plain"));
    got(transport.send(post(&plain.http("/"))))?;
    let secure = Server::start_tls(authority.good(), |peer| {
        peer.request()?;
        peer.write(ok("secure").as_bytes())
    });
    got(transport.send(post(&secure.https("/"))))?;
    // It is not found, or not in time: what counts is who was asked.
    let transport = bench.with(|setup| {
        setup.proxies = through(&proxy).except(".invalid");
        setup.policy.timeout = LOOK_UP;
    });
    check(transport.send(post("https://no-such-host.invalid/")).is_err(), || {
        "an answer from nowhere".to_owned()
    })?;
    check(proxy.connections() == 0, || {
        format!("{} connections to the proxy", proxy.connections())
    })
}

fn refusals(bench: &Bench) -> Outcome {
    for answer in [
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
            peer.write(answer.as_bytes())
        });
        let transport = bench.with(|setup| setup.proxies = through(&proxy));
        at_proxy(transport.send(post("https://login.example/")), Connect, true, &proxy)
            .map_err(|seen| format!("{answer:?}: {seen}"))?;
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
                // In two pieces, as from a slow proxy.
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
            let answer = transport.send(post("https://login.example/"));
            let says = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
            at_proxy(answer, ProxyAuthentication, false, &proxy).map_err(|seen| format!("{fields:?}: {seen}"))?;
            check(says.contains("407"), || format!("{says:?} does not say 407"))?;
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

fn nobody(bench: &Bench) -> Outcome {
    let port = Server::nobody();
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
    let answer = transport.send(post("https://login.example/"));
    if answer.as_ref().is_err_and(|error| error.kind() == Timeout) {
        return Ok(());
    }
    named(answer, Dns, true, "the proxy no-such-proxy.invalid:3128: ")
}

/// The answer has to be an error that says that `proxy` failed, and that nothing was sent.
fn at_proxy(
    answer: Result<Response, TransportError>,
    kind: TransportErrorKind,
    retryable: bool,
    proxy: &Server,
) -> Outcome {
    named(
        answer,
        kind,
        retryable,
        &format!("the proxy 127.0.0.1:{}: ", proxy.port()),
    )
}

fn named(answer: Result<Response, TransportError>, kind: TransportErrorKind, retryable: bool, start: &str) -> Outcome {
    if let Err(error) = &answer {
        check(error.to_string().starts_with(start), || {
            format!("{error} does not name {start}")
        })?;
        check(error.is_unsent(), || {
            format!("it does not say that nothing was sent: {error:?}")
        })?;
    }
    fails(answer, kind, retryable)
}

fn through(proxy: &Server) -> Proxies {
    Proxies::through(&format!("http://user:{CANARY}%40@127.0.0.1:{}", proxy.port())).expect("this is a proxy")
}
