//! Requests of attackers: web pages, smugglers, and those who look for a way to another host.

use http::Response;

use super::setup::{Running, Tokens, api};

#[tokio::test]
async fn hostile_requests_do_not_reach_the_api() {
    let (address, log) = api(|_, _| Response::new("secret".to_owned())).await;
    let proxy = Running::start(address).await;
    let evil = "Host: evil.example";
    let host = "Host: localhost";
    let long = format!("X-A: {}", "a".repeat(1024 * 1024));
    for (line, headers) in [
        // Other hosts.
        ("GET http://evil.example/ HTTP/1.1", &[host][..]),
        ("GET http://localhost/ HTTP/1.1", &[host]),
        (
            "GET https://graph.microsoft.com/ HTTP/1.1",
            &["Host: graph.microsoft.com"],
        ),
        ("CONNECT evil.example:443 HTTP/1.1", &["Host: evil.example:443"]),
        ("CONNECT localhost:443 HTTP/1.1", &["Host: localhost:443"]),
        ("GET /  HTTP/1.1", &[evil]),
        ("GET / HTTP/1.1", &[evil]),
        ("GET / HTTP/1.1", &["Host: localhost.evil.example"]),
        ("GET / HTTP/1.1", &["Host: localhost@evil.example"]),
        ("GET / HTTP/1.1", &["Host: 127.0.0.1.evil.example:80"]),
        ("GET / HTTP/1.1", &["Host: 169.254.169.254"]),
        ("GET / HTTP/1.1", &["Host: 0.0.0.0"]),
        ("GET / HTTP/1.1", &["Host: "]),
        ("GET / HTTP/1.1", &[]),
        ("GET / HTTP/1.1", &[host, evil]),
        ("GET / HTTP/1.1", &[host, host]),
        ("GET / HTTP/1.1", &[evil, "X-Forwarded-Host: localhost"]),
        // Other targets.
        ("OPTIONS * HTTP/1.1", &[host]),
        ("GET evil.example/ HTTP/1.1", &[host]),
        ("GET @evil.example/ HTTP/1.1", &[host]),
        ("GET  HTTP/1.1", &[host]),
        ("GET /a\0b HTTP/1.1", &[host]),
        ("GET /a\x7fb HTTP/1.1", &[host]),
        // Web pages.
        ("GET / HTTP/1.1", &[host, "Origin: https://evil.example"]),
        ("GET / HTTP/1.1", &[host, "Origin: null"]),
        (
            "POST / HTTP/1.1",
            &[host, "Origin: http://localhost:3000", "Content-Length: 0"],
        ),
        (
            "GET / HTTP/1.1",
            &[host, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ),
        (
            "GET / HTTP/1.1",
            &[host, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
        ),
        ("GET / HTTP/1.1", &[host, "Referer: https://evil.example/"]),
        (
            "GET /chat HTTP/1.1",
            &[
                host,
                "Connection: upgrade",
                "Upgrade: websocket",
                "Origin: https://evil.example",
            ],
        ),
        // Other machines behind a proxy.
        ("GET / HTTP/1.1", &[host, "X-Forwarded-For: 192.0.2.1"]),
        ("GET / HTTP/1.1", &[host, "Forwarded: for=192.0.2.1"]),
        // Bodies with two lengths.
        ("POST / HTTP/1.1", &[host, "Content-Length: 1", "Content-Length: 2"]),
        ("POST / HTTP/1.1", &[host, "Content-Length: 1, 2"]),
        ("POST / HTTP/1.1", &[host, "Content-Length: -1"]),
        ("POST / HTTP/1.1", &[host, "Content-Length: +1"]),
        ("POST / HTTP/1.1", &[host, "Content-Length: 0x1"]),
        ("POST / HTTP/1.1", &[host, "Content-Length: 99999999999999999999"]),
        ("POST / HTTP/1.1", &[host, "Transfer-Encoding: gzip, chunked"]),
        ("POST / HTTP/1.1", &[host, "Transfer-Encoding: chunked, identity"]),
        ("POST / HTTP/1.1", &[host, "Transfer-Encoding: xchunked"]),
        (
            "POST / HTTP/1.1",
            &[host, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ),
        ("POST / HTTP/1.0", &[host, "Transfer-Encoding: chunked"]),
        // Malformed heads.
        ("GET / HTTP/1.1", &[host, "X-A: a\0b"]),
        ("GET / HTTP/1.1", &[host, "X-A : a"]),
        ("GET / HTTP/1.1", &[host, "X A: a"]),
        ("GET / HTTP/1.1", &[host, ": a"]),
        ("GET / HTTP/1.1", &[host, "X-A: a", " folded: b"]),
        ("GET / HTTP/1.1", &[host, &long]),
        ("GET / HTTP/1.0", &[host]),
        ("GET / HTTP/2.0", &[host]),
        ("GET / HTTP/9.9", &[host]),
        ("GET /", &[host]),
    ] {
        let head: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!("{line}\r\n{head}Connection: close\r\n\r\n0\r\n\r\n");
        let received = proxy.send(&request).await;
        assert!(
            (400..500).contains(&received.status),
            "{line} {headers:.60?}: {received:?}"
        );
        assert!(!received.body.contains("secret"), "{line} {headers:.60?}: {received:?}");
        assert!(log.all().is_empty(), "{line} {headers:.60?}: {:?}", log.all());
    }
    assert!(proxy.tokens.requests().is_empty());
    assert_eq!(proxy.get("/").await.status, 200);
}

#[tokio::test]
async fn smuggled_request_is_at_most_a_body() {
    let inner = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    for head in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\nConnection: Content-Length"),
        format!("Content-Length: {length}\r\nContent-Length: {length}"),
    ] {
        let (address, log) = api(|_, _| Response::new(String::new())).await;
        let proxy = Running::start(address).await;
        let is_chunked = head.contains("chunked");
        let body = if is_chunked { "0\r\n\r\n" } else { inner };
        proxy
            .send(format!(
                "POST / HTTP/1.1\r\nHost: localhost\r\n{head}\r\nConnection: close\r\n\r\n{body}"
            ))
            .await;
        for got in log.all() {
            assert_eq!(got.line, "POST /", "{head}");
            let lengths = got.headers.get_all("content-length").iter().count();
            let encodings = got.headers.get_all("transfer-encoding").iter().count();
            assert_eq!(lengths + encodings, 1, "{head}: {got:?}");
            assert_eq!(
                &got.body[..],
                if is_chunked { &b""[..] } else { inner.as_bytes() },
                "{head}"
            );
        }
    }
}

#[tokio::test]
async fn connection_header_cannot_remove_the_token() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    let proxy = Running::start(address).await;
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer theirs\r\nAuthorization: Basic b\r\n\
               Connection: close, authorization, host, te\r\n\r\n";
    assert_eq!(proxy.send(get).await.status, 200);
    let got = &log.all()[0];
    assert_eq!(got.authorization(), "Bearer t1");
    assert_eq!(got.headers.get_all("authorization").iter().count(), 1);
}

#[tokio::test]
async fn listed_web_page_and_name_are_allowed() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    let proxy = Running::with(address, Tokens::default(), |proxy| {
        proxy.allow_origin("http://localhost:3000").host("proxy.internal")
    })
    .await;
    for (headers, status) in [
        (
            "Host: localhost\r\nOrigin: http://localhost:3000\r\nSec-Fetch-Site: same-site",
            200,
        ),
        ("Host: proxy.internal:80", 200),
        ("Host: localhost\r\nOrigin: http://localhost:3001", 403),
        (
            "Host: localhost\r\nOrigin: http://localhost:3000\r\nX-Forwarded-For: 192.0.2.1",
            403,
        ),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
    ] {
        let get = format!("GET / HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        assert_eq!(proxy.send(get).await.status, status, "{headers}");
    }
    assert_eq!(log.all().len(), 2);
}
