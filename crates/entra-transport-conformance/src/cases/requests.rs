//! The bytes of a request as they arrive.

use entra_transport::Body;
use http::Uri;

use crate::bench::{Bench, CANARY, Outcome};
use crate::case::Case;
use crate::exchange::{check, got, ok, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "request_arrives_unchanged_and_once",
        run: intact,
    },
    Case {
        name: "empty_body_is_sent_with_length_zero_or_without",
        run: empty,
    },
    Case {
        name: "repeated_request_headers_are_all_sent",
        run: repeated,
    },
    Case {
        name: "no_other_headers_are_sent",
        run: nothing_else,
    },
    Case {
        name: "large_body_arrives_complete",
        run: large,
    },
];

fn intact(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let path = "/a%2fB/%7Etenant/oauth2/v2.0/token?scope=a%20b+c&redirect=https%3A%2F%2Fh/&empty=&slash=//";
    let body: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let request = http::Request::post(server.http(path))
        .header("authorization", format!("Basic {CANARY}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("client-request-id", "5f2b7f1c-0000-4000-8000-000000000001")
        .header("user-agent", "conformance/1")
        .header("accept", "application/json")
        .body(Body::new(body.clone()))
        .expect("this is a request");
    let response = got(bench.plain().send(request))?;
    check(response.body().as_bytes() == b"{}", || {
        format!("a response of {} bytes", response.body().len())
    })?;
    let [seen] = &server.requests()[..] else {
        return Err(format!("{} requests", server.requests().len()));
    };
    check(seen.line == format!("POST {path} HTTP/1.1"), || {
        format!("request line {:?}", seen.line)
    })?;
    check(seen.body == body, || {
        format!("{} bytes of another body", seen.body.len())
    })?;
    for (name, value) in [
        ("authorization", format!("Basic {CANARY}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("client-request-id", "5f2b7f1c-0000-4000-8000-000000000001".to_owned()),
        ("user-agent", "conformance/1".to_owned()),
        ("accept", "application/json".to_owned()),
        ("content-length", "5000".to_owned()),
        ("host", format!("127.0.0.1:{}", server.port())),
        ("accept-encoding", "identity".to_owned()),
    ] {
        check(seen.all(name) == [value.as_str()], || {
            format!("{name}: {:?}", seen.all(name))
        })?;
    }
    Ok(())
}

fn empty(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let transport = bench.plain();
    for method in ["GET", "POST"] {
        let uri: Uri = server.http("/").parse().expect("this is a URI");
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(Body::default())
            .expect("this is a request");
        got(transport.send(request))?;
        let seen = server.requests().pop().ok_or("no request")?;
        check(seen.line == format!("{method} / HTTP/1.1"), || seen.line.clone())?;
        check(seen.all("transfer-encoding").is_empty(), || {
            format!("{method} is sent in chunks")
        })?;
        check(seen.all("content-length").iter().all(|length| *length == "0"), || {
            format!("{:?}", seen.headers)
        })?;
    }
    Ok(())
}

fn repeated(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let mut request = post(&server.http("/"));
    for value in ["one", "two", "two"] {
        request
            .headers_mut()
            .append("x-repeated", value.parse().expect("this is a value"));
    }
    got(bench.plain().send(request))?;
    let seen = server.requests().pop().ok_or("no request")?;
    check(seen.all("x-repeated") == ["one", "two", "two"], || {
        format!("{:?}", seen.all("x-repeated"))
    })
}

fn nothing_else(bench: &Bench) -> Outcome {
    let server = Server::responding("HTTP/1.1 200 OK\r\nset-cookie: session=1; Path=/\r\ncontent-length: 0\r\n\r\n");
    let transport = bench.plain();
    got(transport.send(post(&server.http("/first"))))?;
    got(transport.send(post(&server.http("/second"))))?;
    for seen in server.requests() {
        for name in [
            "cookie",
            "referer",
            "origin",
            "expect",
            "transfer-encoding",
            "content-encoding",
            "range",
            "te",
        ] {
            check(seen.all(name).is_empty(), || format!("{name}: {:?}", seen.all(name)))?;
        }
    }
    check(server.requests().len() == 2, || {
        format!("{} requests", server.requests().len())
    })
}

fn large(bench: &Bench) -> Outcome {
    let server = Server::responding(ok("{}"));
    let body: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    let request = post(&server.http("/")).map(|_| Body::new(body.clone()));
    got(bench.plain().send(request))?;
    let seen = server.requests().pop().ok_or("no request")?;
    check(seen.body == body, || {
        format!("{} bytes of another body", seen.body.len())
    })
}
