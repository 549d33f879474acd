//! `entra call` with hostile APIs, wrong input and signals: redaction, partial files, time limits.

use std::fs;
use std::path::Path;
use std::process::Output;

use entra_emulator::Emulator;
use serde_json::json;

use crate::common::server::{Response, Server};
use crate::common::{GRAPH, command, err, fails, out, private_folder, run, variables};

fn call(emulator: &Emulator, server: &Server, words: &[&str]) -> Output {
    let url = server.url("/x");
    run(
        &[&["call", "GET", &url, "--resource", GRAPH], words].concat(),
        &variables(emulator),
    )
}

#[test]
fn echoed_token_is_redacted() {
    let emulator = Emulator::start();
    for status in [200, 302, 400, 401, 403] {
        let server = Server::start(move |request| {
            let token = request.header("authorization").unwrap().to_owned();
            let bare = token.trim_start_matches("Bearer ").to_owned();
            // Only in errors are parts of it redacted.
            let part = if status == 200 { "" } else { &bare[20..200] };
            let body = json!({
                "error": { "code": token, "message": format!("{part} of {token}") },
                "value": [{ "token": bare }],
            });
            Response::new(status)
                .header("x-echo", &token)
                .header("content-type", &format!("application/json; t={bare}"))
                .header("request-id", &bare)
                .header("location", &format!("http://127.0.0.1/{bare}?{bare}"))
                .body(body.to_string().as_bytes())
        });
        for words in [
            &[][..],
            &["-i"],
            &["-vv"],
            &["-o", "json", "-i"],
            &["-o", "raw"],
            &["--paginate"],
        ] {
            let more = [("RUST_LOG", "trace,ureq_proto=debug")];
            let url = server.url("/x");
            let output = run(
                &[&["call", "GET", &url, "--resource", GRAPH], words].concat(),
                &[&variables(&emulator)[..], &more].concat(),
            );
            let token = server.requests().last().unwrap().header("authorization").unwrap()[7..].to_owned();
            for text in [out(&output), err(&output)] {
                assert!(!text.contains(&token), "{status} {words:?}: {text}");
            }
            assert!(
                !err(&output).contains(&token[40..60]),
                "{status} {words:?}: {}",
                err(&output)
            );
            assert_eq!(output.status.success(), status == 200, "{}", err(&output));
            if status == 200 || words.contains(&"-i") {
                assert!(
                    out(&output).contains("[not shown]"),
                    "{status} {words:?}: {}",
                    out(&output)
                );
            }
        }
    }
}

#[test]
fn link_to_a_device_is_not_replaced() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let server = Server::start(|_| Response::new(200).body(b"{}"));
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let output = call(&emulator, &server, &["--out", link.to_str().unwrap()]);
        fails(&output, 1, &["not a regular file"]);
        assert!(link.is_symlink());
    }
    let url = server.url("/x");
    let mut dash = command(
        &["call", "GET", &url, "--resource", GRAPH, "--out", "-"],
        &variables(&emulator),
    );
    let output = dash.current_dir(folder.path()).output().unwrap();
    assert_eq!(out(&output), "{}", "{}", err(&output));
    assert!(!folder.path().join("-").exists());
}

/// Returns a listener for responses that never end, and its URL.
fn stalled() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    (listener, url)
}

/// Sends the beginning of a response, and returns the connection.
fn begin(listener: &std::net::TcpListener) -> std::net::TcpStream {
    use std::io::{Read, Write};
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
        .unwrap();
    stream
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
#[cfg(unix)]
fn signal_removes_the_partial_file() {
    let emulator = Emulator::start();
    for (name, signal) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let folder = private_folder();
        let path = folder.path().join("body");
        let (listener, url) = stalled();
        let words = [
            "call",
            "GET",
            &url,
            "--resource",
            GRAPH,
            "--out",
            path.to_str().unwrap(),
        ];
        let mut child = command(&words, &variables(&emulator)).spawn().unwrap();
        let _stream = begin(&listener);
        assert_eq!(count(folder.path()), 1);
        let killed = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("kill -{name} {}", child.id())])
            .status()
            .unwrap();
        assert!(killed.success());
        let ended = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(signal));
        assert_eq!(count(folder.path()), 0, "{name}");
    }
}

#[test]
fn stalled_body_times_out() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let path = folder.path().join("body");
    let (listener, url) = stalled();
    let mut words = vec!["call", "GET", &url, "--resource", GRAPH, "--timeout", "2"];
    words.extend(["--out", path.to_str().unwrap()]);
    let child = command(&words, &variables(&emulator)).spawn().unwrap();
    let _stream = begin(&listener);
    let output = child.wait_with_output().unwrap();
    fails(&output, 8, &["no complete response in time", "--timeout"]);
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn truncated_chunked_body_is_a_failure() {
    let emulator = Emulator::start();
    for body in [&b"5\r\nhello\r\n"[..], b"50\r\nhello"] {
        let server = Server::start(move |_| Response::new(200).header("transfer-encoding", "chunked").body(body));
        let output = call(&emulator, &server, &[]);
        assert_eq!(output.status.code(), Some(7), "{}", err(&output));
        let output = call(&emulator, &server, &["-o", "json"]);
        fails(&output, 7, &["ended before"]);
    }
}

#[test]
fn switching_protocols_is_a_failure() {
    let emulator = Emulator::start();
    let server = Server::start(|_| Response::new(101).header("upgrade", "x").body(b"abc"));
    fails(&call(&emulator, &server, &[]), 10, &["101 Switching Protocols"]);
}

#[test]
fn compressed_error_is_not_shown_as_text() {
    let emulator = Emulator::start();
    let server = Server::start(|_| {
        Response::new(400)
            .header("content-encoding", "gzip")
            .header("x-ms-error-code", "TheCode")
            .body(b"\x1f\x8b\x08\x80garbage")
    });
    let output = call(&emulator, &server, &[]);
    fails(&output, 10, &["400 Bad Request: TheCode (status 400)"]);
    let server = Server::start(|_| Response::new(200).header("content-encoding", "gzip").body(b"\x1f\x8b"));
    fails(&call(&emulator, &server, &["-o", "json"]), 10, &["compressed as gzip"]);
}

#[test]
fn relative_next_links_are_followed() {
    let emulator = Emulator::start();
    let server = Server::start(|request| {
        let body = match request.path.as_str() {
            "/x" => json!({ "value": [1], "@odata.nextlink": "x?skip=1" }),
            "/x?skip=1" => json!({ "value": [2], "@nextLink": "?skip=2" }),
            _ => json!({ "value": [3] }),
        };
        Response::new(200).body(body.to_string().as_bytes())
    });
    let output = call(&emulator, &server, &["--paginate"]);
    assert_eq!(out(&output), "1\n2\n3\n", "{}", err(&output));

    let server = Server::start(|_| Response::new(200).body(br#"{"value":[1],"@odata.nextLink":7}"#));
    let output = call(&emulator, &server, &["--paginate"]);
    fails(&output, 10, &["page 1: @odata.nextLink is not a URL"]);
    let output = call(&emulator, &server, &["--paginate", "-i"]);
    fails(&output, 2, &["--include cannot be combined with --paginate"]);
}

#[test]
fn secret_in_a_body_argument_warns() {
    let emulator = Emulator::start();
    let server = Server::start(|_| Response::new(204));
    let url = server.url("/x");
    for (data, is_warned) in [
        (r#"{"passwordProfile":{"password":"Canary22!abc"}}"#, true),
        ("client_secret=Zq8Q~canaryabcdefghijklmnopqrstuvwxyz12", true),
        (r#"{"displayName":"A group","mailEnabled":false}"#, false),
        (
            r#"{"id":"6dae42f8-4368-4678-94ff-3960e28e3630","userPrincipalName":"Adele2@contoso.com"}"#,
            false,
        ),
    ] {
        let words = ["call", "POST", &url, "--resource", GRAPH, "-d", data];
        let output = run(&words, &variables(&emulator));
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(
            err(&output).contains("may contain a secret"),
            is_warned,
            "{data}: {}",
            err(&output)
        );
        assert!(!err(&output).to_lowercase().contains("canary"), "{}", err(&output));
        assert_eq!(server.requests().last().unwrap().body, data.as_bytes());
    }
    let words = ["call", "POST", &url, "--resource", GRAPH, "-d", "@"];
    fails(&run(&words, &variables(&emulator)), 2, &["no file name follows the @"]);
}
