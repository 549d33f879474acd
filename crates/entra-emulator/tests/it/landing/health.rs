//! The response to probes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Emulator, Fault};
use http::Request;

use crate::support::{access_token, get, json_body};

#[test]
fn healthz_responds_to_get_and_head() {
    let emulator = Emulator::builder().build();
    for path in [
        "/healthz",
        "/healthz/",
        "/healthz?probe=1",
        "http://emulator:8080/healthz",
    ] {
        let response = get(&emulator, path);
        let body = json_body(&response);
        assert_eq!(
            (response.status().as_u16(), &body["status"]),
            (200, &"ok".into()),
            "{path}"
        );
        assert!(body["version"].is_string() && response.headers().contains_key("date"));
    }
    let head = emulator.handle(Request::head("/healthz").body(Vec::new()).unwrap());
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    let posted = emulator.handle(Request::post("/healthz").body(b"x".to_vec()).unwrap());
    assert_eq!(
        (posted.status().as_u16(), &posted.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn healthz_leaves_no_trace() {
    let (probed, other) = (Emulator::builder().build(), Emulator::builder().build());
    for emulator in [&probed, &other] {
        emulator.clock().freeze();
        emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    }
    probed.fault(Fault::status(503));
    assert_eq!(get(&probed, "/healthz").status(), 200);
    assert_eq!((probed.request_count(), probed.requests().len()), (0, 0));
    // The fault is still pending.
    assert_eq!(get(&probed, "/common/discovery/keys").status(), 503);
    get(&other, "/common/discovery/keys");
    // The probe consumes no identifier.
    let scope = "https://graph.microsoft.com/.default";
    assert_eq!(access_token(&probed, scope), access_token(&other, scope));
}

#[test]
fn healthz_works_over_the_network() {
    let emulator = Emulator::start();
    for (method, has_body) in [("GET", true), ("HEAD", false)] {
        let mut stream = TcpStream::connect(emulator.address().unwrap()).unwrap();
        write!(
            stream,
            "{method} /healthz HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 200") && response.contains("content-length: "),
            "{response}"
        );
        assert_eq!(response.ends_with('}'), has_body, "{response}");
    }
}
