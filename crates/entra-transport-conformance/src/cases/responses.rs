//! Responses that are returned unchanged, with any status.

use crate::bench::{Bench, Outcome};
use crate::case::Case;
use crate::exchange::{check, got, ok, post};
use crate::server::Server;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "every_status_is_a_response",
        run: statuses,
    },
    Case {
        name: "redirect_is_returned_and_not_followed",
        run: redirects,
    },
    Case {
        name: "headers_are_returned_unchanged_and_in_order",
        run: headers,
    },
    Case {
        name: "chunked_body_is_returned_complete",
        run: chunked,
    },
    Case {
        name: "http_1_0_response_without_length_is_read_to_its_end",
        run: http10,
    },
    Case {
        name: "interim_responses_are_skipped",
        run: interim,
    },
    Case {
        name: "responses_without_body_are_empty",
        run: empty,
    },
    Case {
        name: "body_bytes_are_not_interpreted",
        run: bytes,
    },
];

fn statuses(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request()? {
            let status = request.line.split(['/', '?']).nth(1).unwrap_or("500").to_owned();
            peer.write(format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 4\r\n\r\nbody").as_bytes())?;
        }
        Ok(())
    });
    let transport = bench.plain();
    for status in [
        200, 201, 202, 300, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 421, 425, 429, 500, 501, 502, 503, 504,
        599,
    ] {
        let response = got(transport.send(post(&server.http(&format!("/{status}")))))?;
        check(
            response.status() == status && response.body().as_bytes() == b"body",
            || {
                format!(
                    "{status} came back as {} with {} bytes",
                    response.status(),
                    response.body().len()
                )
            },
        )?;
    }
    let sent = server.requests().len();
    check(sent == 23, || format!("23 requests went out {sent} times"))
}

fn redirects(bench: &Bench) -> Outcome {
    let other = Server::responding(ok("stolen"));
    let target = other.http("/stolen");
    for status in [301, 302, 303, 307, 308] {
        for target in [target.as_str(), "/same-host", "//127.0.0.1/elsewhere"] {
            let moved = format!("HTTP/1.1 {status} Moved\r\nlocation: {target}\r\ncontent-length: 5\r\n\r\nmoved");
            let server = Server::responding(moved);
            let response = got(bench.plain().send(post(&server.http("/"))))?;
            check(response.status() == status, || {
                format!("{status} came back as {}", response.status())
            })?;
            check(response.headers().get("location").is_some_and(|l| l == target), || {
                format!("{:?}", response.headers())
            })?;
            check(response.body().as_bytes() == b"moved", || {
                "the body of the redirect is lost".to_owned()
            })?;
            check(server.requests().len() == 1, || {
                format!("sent {} times", server.requests().len())
            })?;
        }
    }
    check(other.connections() == 0, || {
        format!("{} connections to the target", other.connections())
    })
}

fn headers(bench: &Bench) -> Outcome {
    let server = Server::responding(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nDate: Fri, 20 Nov 2026 20:00:00 GMT\r\n\
         WWW-Authenticate: Bearer realm=\"one\"\r\nwww-authenticate: Bearer realm=\"two\"\r\nX-Empty:\r\n\
         x-ms-request-id:   padded \t\r\nx-high: caf\u{e9}\r\ncontent-type: application/json; charset=utf-8\r\n\
         content-length: 2\r\n\r\n{}",
    );
    let response = got(bench.plain().send(post(&server.http("/"))))?;
    let all = |name: &str| {
        response
            .headers()
            .get_all(name)
            .iter()
            .map(|v| v.as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    for (name, values) in [
        ("retry-after", vec!["17"]),
        ("date", vec!["Fri, 20 Nov 2026 20:00:00 GMT"]),
        ("www-authenticate", vec!["Bearer realm=\"one\"", "Bearer realm=\"two\""]),
        ("x-empty", vec![""]),
        ("x-ms-request-id", vec!["padded"]),
        ("x-high", vec!["caf\u{e9}"]),
        ("content-type", vec!["application/json; charset=utf-8"]),
    ] {
        check(
            all(name) == values.iter().map(|v| v.as_bytes().to_vec()).collect::<Vec<_>>(),
            || format!("{name}: {:?}", all(name)),
        )?;
    }
    Ok(())
}

fn chunked(bench: &Bench) -> Outcome {
    let server = Server::responding(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n1;name=value\r\n,\r\n0B\r\n world and \r\n3\r\nall\r\n0\r\nx-trailer: 1\r\n\r\n",
    );
    let transport = bench.plain();
    // Twice, so that unread bytes of the first response would be noticed.
    for _ in 0..2 {
        let response = got(transport.send(post(&server.http("/"))))?;
        let body = response.body().as_bytes();
        check(body == b"hello, world and all", || {
            format!("{} bytes of another body", body.len())
        })?;
    }
    Ok(())
}

fn http10(bench: &Bench) -> Outcome {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.write(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"to the\":")?;
        peer.write(b" \"end\"}")?;
        peer.close()
    });
    let response = got(bench.plain().send(post(&server.http("/"))))?;
    check(response.body().as_bytes() == br#"{"to the": "end"}"#, || {
        format!("{} bytes", response.body().len())
    })
}

fn interim(bench: &Bench) -> Outcome {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
    ] {
        let server = Server::responding(format!("{interim}{}", ok("final")));
        let response = got(bench.plain().send(post(&server.http("/"))))
            .map_err(|error| format!("after {:?}: {error}", interim.lines().next()))?;
        check(
            response.status() == 200 && response.body().as_bytes() == b"final",
            || {
                format!(
                    "{} with {} bytes after {interim:?}",
                    response.status(),
                    response.body().len()
                )
            },
        )?;
    }
    Ok(())
}

fn empty(bench: &Bench) -> Outcome {
    for head in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let server = Server::responding(head);
        let response =
            got(bench.plain().send(post(&server.http("/")))).map_err(|error| format!("{head:?}: {error}"))?;
        check(response.body().is_empty(), || {
            format!("{} bytes after {head:?}", response.body().len())
        })?;
    }
    Ok(())
}

fn bytes(bench: &Bench) -> Outcome {
    let body: Vec<u8> = (0..=255).collect();
    let mut whole =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-16\r\ncontent-length: 256\r\n\r\n".to_vec();
    whole.extend_from_slice(&body);
    let server = Server::responding(whole);
    let response = got(bench.plain().send(post(&server.http("/"))))?;
    check(response.body().as_bytes() == body, || {
        format!("{} bytes of another body", response.body().len())
    })
}
