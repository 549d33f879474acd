use std::time::{Duration, Instant};

use super::super::certificate::Authority;
use super::super::server::{Peer, Server};
use super::super::{Bench, CANARY, Case, Outcome, QUERY};
use super::{check, fails, got, ok, post};
use crate::Proxies;
use crate::TransportErrorKind::{Connect, Timeout, Tls};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "https_goes_through_a_proxy_as_a_tunnel",
        run: tunnel,
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
        name: "a_proxy_that_never_answers_meets_the_connect_deadline",
        run: silent,
    },
    Case {
        name: "a_proxy_nobody_listens_at_is_a_connect_error",
        run: nobody,
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
        setup.proxies = through(&proxy).except(".invalid");
    });
    let plain = Server::answering(ok("plain"));
    got(transport.send(post(&plain.http("/"))))?;
    let secure = Server::start_tls(authority.good(), |peer| {
        peer.request()?;
        peer.write(ok("secure").as_bytes())
    });
    got(transport.send(post(&secure.https("/"))))?;
    // It is not found, or not in time: what counts is who was asked.
    check(transport.send(post("https://no-such-host.invalid/")).is_err(), || {
        "an answer from nowhere".to_owned()
    })?;
    check(proxy.connections() == 0, || {
        format!("{} connections to the proxy", proxy.connections())
    })
}

fn refusals(bench: &Bench) -> Outcome {
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        "",
    ] {
        let proxy = Server::start(move |peer| {
            peer.request()?;
            peer.write(answer.as_bytes())
        });
        let transport = bench.with(|setup| setup.proxies = through(&proxy));
        match transport.send(post("https://login.example/")) {
            Ok(_) => return Err(format!("an answer after {answer:?}")),
            Err(error) => check(error.kind() == Connect, || format!("{answer:?}: {error:?}"))?,
        }
        check(proxy.requests().iter().all(|request| request.body.is_empty()), || {
            "the proxy saw a body".to_owned()
        })?;
    }
    let proxy = Server::start(Peer::reset_later);
    let transport = bench.with(|setup| setup.proxies = through(&proxy));
    fails(transport.send(post("https://login.example/")), Connect, true).map_err(|seen| format!("reset: {seen}"))
}

fn silent(bench: &Bench) -> Outcome {
    let proxy = Server::start(Peer::until_gone);
    let transport = bench.with(|setup| {
        setup.proxies = through(&proxy);
        setup.policy.connect_timeout = Duration::from_millis(300);
    });
    let started = Instant::now();
    fails(transport.send(post("https://login.example/")), Timeout, true)?;
    check(started.elapsed() < Duration::from_secs(2), || {
        format!("fired after {:?}", started.elapsed())
    })
}

fn nobody(bench: &Bench) -> Outcome {
    let port = Server::nobody();
    let transport = bench.with(|setup| {
        setup.proxies = Proxies::through(&format!("127.0.0.1:{port}")).expect("this is a proxy");
    });
    fails(transport.send(post("https://login.example/")), Connect, true)
}

fn through(proxy: &Server) -> Proxies {
    Proxies::through(&format!("http://user:{CANARY}%40@127.0.0.1:{}", proxy.port())).expect("this is a proxy")
}
