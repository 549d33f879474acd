//! `entra call --all`: the pages of a list.

use std::time::Duration;

use entra_emulator::{App, Emulator};
use serde_json::Value;

use super::call::{call, call_server, users};
use crate::common::server::{self, Server};
use crate::common::{err, fails, out};

#[test]
fn items_of_all_pages_are_printed_as_lines() {
    let emulator = Emulator::start();
    let all = call(&emulator, &["GET", &users(&emulator)]);
    let all: Value = serde_json::from_str(out(&all)).unwrap();
    let all = all["value"].as_array().unwrap();
    assert!(all.len() > 1);
    let output = call(
        &emulator,
        &["GET", &format!("{}?$top=1", users(&emulator)), "--paginate"],
    );
    assert!(output.status.success(), "{}", err(&output));
    let lines: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(&lines, all);
    assert!(
        err(&output).contains(&format!("{} items on", all.len())),
        "{}",
        err(&output)
    );
    assert_eq!(emulator.token_requests().len(), 2);
}

#[test]
fn token_near_its_end_is_renewed_between_pages() {
    // The second token's lifetime is shorter than the remaining time that a reused token needs.
    for (seconds, tokens) in [(3600, 1), (4, 3)] {
        let emulator = Emulator::builder()
            .token_lifetime(Duration::from_secs(seconds))
            .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
            .start();
        let output = call(
            &emulator,
            &["GET", &format!("{}?$top=1", users(&emulator)), "--paginate"],
        );
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(out(&output).lines().count(), 3);
        // One for each page: a new token is used once, even with a short lifetime.
        assert_eq!(emulator.token_requests().len(), tokens, "{seconds} s");
        assert!(!err(&output).contains("rejected"), "{}", err(&output));
    }
}

#[test]
fn next_links_in_header_and_body_are_followed() {
    let emulator = Emulator::start();
    for header in ["NextPageUri", "NextPageUrl"] {
        let server = Server::start(move |request| {
            let at = request.path.trim_start_matches("/x").len();
            let response = server::Response::new(200).body(format!("[{{\"z\":{at}, \"a\":1}},\n {{}}]").as_bytes());
            if at < 2 {
                let next = format!("http://{}/x{}", request.header("host").unwrap(), "y".repeat(at + 1));
                response.header(header, &next)
            } else {
                response
            }
        });
        let output = call_server(&emulator, &server, &["--paginate"]);
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(
            out(&output),
            "{\"z\":0,\"a\":1}\n{}\n{\"z\":1,\"a\":1}\n{}\n{\"z\":2,\"a\":1}\n{}\n"
        );
    }
}

#[test]
fn next_links_to_other_hosts_and_cycles_are_errors() {
    let emulator = Emulator::start();
    let elsewhere = Server::start(|_| server::Response::new(200).body(b"[]"));
    let other = elsewhere.url("/x");
    for (next, expected) in [
        (other.as_str(), "the next page is at another host"),
        ("https://evil.example/x", "the next page is at another host"),
        ("//evil.example/x", "next page"),
        ("/x", "was already read"),
    ] {
        let body = serde_json::json!({ "value": [1], "@odata.nextLink": next }).to_string();
        let server = Server::start(move |_| server::Response::new(200).body(body.as_bytes()));
        let output = call_server(&emulator, &server, &["--paginate"]);
        assert_eq!(output.status.code(), Some(10), "{}", err(&output));
        assert!(err(&output).contains(expected), "{next}: {}", err(&output));
        assert!(server.requests().len() <= 2);
    }
    assert!(elsewhere.requests().is_empty());

    let server = Server::start(|request| {
        let body = serde_json::json!({ "value": [1], "nextLink": format!("{}x", request.path) });
        server::Response::new(200).body(body.to_string().as_bytes())
    });
    let output = call_server(&emulator, &server, &["--paginate", "--max-pages", "3"]);
    assert_eq!((output.status.code(), out(&output)), (Some(10), "1\n1\n1\n"));
    assert!(err(&output).contains("more than 3 pages"), "{}", err(&output));
    assert_eq!(server.requests().len(), 3);

    let output = call(&emulator, &["POST", &users(&emulator), "--paginate"]);
    fails(&output, 2, &["--paginate requires GET"]);
}
