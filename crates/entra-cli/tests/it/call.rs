//! `entra call`: requests to APIs with a token, against an emulator and a scripted server.

use std::fs;
use std::process::Output;

use entra_emulator::{App, Emulator, Fault};
use serde_json::Value;

use crate::common::server::{self, Server};
#[cfg(unix)]
use crate::common::terminal;
use crate::common::{self, entra, err, fails, file, out, private_folder, run, variables};

pub(super) fn call(emulator: &Emulator, words: &[&str]) -> Output {
    run(&[&["call"], words].concat(), &variables(emulator))
}

pub(super) fn users(emulator: &Emulator) -> String {
    format!("{}/users", emulator.graph_url())
}

/// Calls a scripted server as if it were Microsoft Graph.
pub(super) fn call_server(emulator: &Emulator, server: &Server, words: &[&str]) -> Output {
    let url = server.url("/x");
    call(
        emulator,
        &[words, &["--resource", "https://graph.microsoft.com", "GET", &url]].concat(),
    )
}

#[test]
fn path_at_an_emulator_determines_the_api() {
    let emulator = Emulator::start();
    let output = call(&emulator, &["get", &users(&emulator)]);
    assert!(output.status.success(), "{}", err(&output));
    let printed: Value = serde_json::from_str(out(&output)).unwrap();
    assert!(!printed["value"].as_array().unwrap().is_empty(), "{printed}");
    assert!(
        err(&output).contains("resource: https://graph.microsoft.com (from the path, at the emulator)"),
        "{}",
        err(&output)
    );
    let list = format!("{}/subscriptions/list", emulator.activity_url());
    let output = call(&emulator, &["GET", &list]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("resource: https://manage.office.com"),
        "{}",
        err(&output)
    );
    assert_eq!(out(&output).trim(), "[]");
}

#[test]
fn unknown_host_requires_an_api_option() {
    let emulator = Emulator::start();
    for url in [
        "https://api.contoso.com/orders",
        "https://graph.microsoft.com.evil.example/v1.0/me",
    ] {
        let output = call(&emulator, &["GET", url]);
        fails(
            &output,
            2,
            &[
                "is not the host of a well-known API",
                "--resource AUDIENCE",
                "`entra resources`",
            ],
        );
    }
    let output = call(&emulator, &["GET", &format!("{}/elsewhere", emulator.base_url())]);
    fails(&output, 2, &["the path does not belong to an API"]);
    assert!(emulator.token_requests().is_empty());
}

#[test]
fn token_is_not_sent_over_plain_http() {
    let emulator = Emulator::start();
    for (url, expected) in [
        ("http://graph.microsoft.com/v1.0/me", "plain http"),
        ("http://127.0.0.1.evil.example/v1.0/me", "plain http"),
        ("https://user:canary@graph.microsoft.com/", "user name or password"),
        ("graph.microsoft.com/v1.0/me", "write it"),
    ] {
        let output = call(&emulator, &["GET", url, "--resource", "https://graph.microsoft.com"]);
        fails(&output, 2, &[expected]);
        assert!(!err(&output).contains("canary"), "{}", err(&output));
    }
    assert!(emulator.token_requests().is_empty());
}

#[test]
fn piped_bodies_are_unchanged() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let bytes: Vec<u8> = (0..300_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let server = Server::start(move |_| {
        server::Response::new(200)
            .header("content-type", "application/octet-stream")
            .body(&bytes)
    });
    let output = call_server(&emulator, &server, &[]);
    assert!(output.status.success(), "{}", err(&output));
    let piped = output.stdout;
    assert_eq!(piped.len(), 300_000);

    let path = folder.path().join("body");
    fs::write(&path, "old").unwrap();
    let output = call_server(&emulator, &server, &["--out", path.to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", err(&output));
    assert_eq!(fs::read(&path).unwrap(), piped);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn failed_call_leaves_the_file_unchanged() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let path = folder.path().join("body");
    fs::write(&path, "old").unwrap();
    let cut = server::Response::new(200).header("content-length", "9999").body(b"cut");
    for (printed, code) in [(server::Response::new(404), 10), (cut, 7)] {
        let server = Server::start(move |_| printed.clone());
        let output = call_server(&emulator, &server, &["--out", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let output = call(&emulator, &["GET", &users(&emulator), "--out", "/nowhere/body"]);
    fails(&output, 1, &["/nowhere/body"]);
}

#[test]
fn bodies_come_from_text_files_and_standard_input() {
    let emulator = Emulator::start();
    let data = file("call-data.json", "{\"from\": \"a file\"}\n");
    let data = format!("@{}", data.display());
    for (method, data, input, body) in [
        ("POST", "{\"a\": 1}", "", "{\"a\": 1}"),
        ("patch", &*data, "", "{\"from\": \"a file\"}\n"),
        ("PUT", "-", "from a pipe", "from a pipe"),
        ("DELETE", "@-", "x", "x"),
        ("MERGE", "-1", "", "-1"),
    ] {
        let server = Server::start(|_| server::Response::new(204));
        let words = [
            "call",
            method,
            &server.url("/x"),
            "-d",
            data,
            "--resource",
            "https://graph.microsoft.com",
        ];
        let output = entra(&words, &variables(&emulator), input);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{method}: {}",
            err(&output)
        );
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        let request = &requests[0];
        assert_eq!(request.method, method.to_uppercase());
        assert_eq!(request.body, body.as_bytes(), "{method}");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert!(request.header("authorization").unwrap().starts_with("Bearer eyJ"));
    }
    let output = call(&emulator, &["GET", &users(&emulator), "-d", "{}"]);
    fails(&output, 2, &["GET cannot have a body"]);
    let output = call(&emulator, &["POST", &users(&emulator), "-d", "@/nowhere"]);
    fails(&output, 2, &["/nowhere", "check the path"]);
    let output = call(&emulator, &["POST", &users(&emulator), "-d", "-", "--secret-file", "-"]);
    fails(&output, 2, &["two options read standard input"]);
}

#[test]
fn headers_are_sent_except_authorization() {
    let emulator = Emulator::start();
    let secret = file("call-headers", "X-Api-Key: canary-7f3k2m9x4q\n\n X-Two: 2\n");
    let secret = format!("@{}", secret.display());
    let server = Server::start(|_| server::Response::new(200).body(b"{}"));
    let output = call_server(
        &emulator,
        &server,
        &[
            "-H",
            "ConsistencyLevel: eventual",
            "-H",
            "accept:text/plain",
            "-H",
            &secret,
            "-vv",
        ],
    );
    assert!(output.status.success(), "{}", err(&output));
    let request = &server.requests()[0];
    for (name, value) in [
        ("consistencylevel", "eventual"),
        ("accept", "text/plain"),
        ("x-api-key", "canary-7f3k2m9x4q"),
        ("x-two", "2"),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
    assert!(!err(&output).contains("canary"), "{}", err(&output));

    for (header, expected) in [
        ("Authorization: Bearer canary", "sets the header with the token"),
        ("authorization:Basic canary", "sets the header with the token"),
        ("Proxy-Authorization: Basic canary", "set by the connection"),
        ("Host: canary.example", "set by the connection"),
        ("Cookie: canary=1", "-H @FILE"),
        ("x-functions-key: canary", "-H @FILE"),
        ("no colon canary", "has no colon"),
        ("X: canary\r\nY: z", "invalid in headers"),
    ] {
        let output = call(&emulator, &["GET", &users(&emulator), "-H", header]);
        fails(&output, 2, &[expected]);
        assert!(!err(&output).contains("canary"), "{}", err(&output));
    }
}

#[test]
fn neither_token_nor_query_is_logged() {
    let emulator = Emulator::start();
    for (query, shown) in [("$top=1", "/v1.0/users?$top=…: 200"), ("sig=canary-7f3k2m9x4q", "501")] {
        let url = format!("{}?{query}", users(&emulator));
        let output = call(&emulator, &["GET", &url, "-vv", "--include"]);
        assert!(
            err(&output).contains(shown) && err(&output).contains(" ms; content-type: application/json"),
            "{}",
            err(&output)
        );
        assert!(
            !err(&output).contains("canary") && !err(&output).contains("eyJ"),
            "{}",
            err(&output)
        );
        assert!(!out(&output).contains("eyJ"), "{}", out(&output));
    }
}

#[test]
fn include_shows_status_and_headers() {
    let emulator = Emulator::start();
    let output = call(&emulator, &["GET", &users(&emulator), "-i"]);
    let (head, body) = out(&output).split_once("\n\n").unwrap();
    assert!(
        head.starts_with("200 OK\n") && head.contains("\ncontent-type: application/json"),
        "{head}"
    );
    serde_json::from_str::<Value>(body).unwrap();

    // A response to HEAD has no body.
    let server = Server::start(|_| server::Response::new(200).header("x-size", "5"));
    let words = ["HEAD", &server.url("/x"), "--resource", "https://graph.microsoft.com"];
    let output = call(&emulator, &words);
    assert!(
        output.status.success() && out(&output).contains("x-size: 5\n"),
        "{}",
        err(&output)
    );

    let output = call(&emulator, &["GET", &format!("{}/unknown", users(&emulator)), "-i"]);
    assert_eq!(output.status.code(), Some(10), "{}", err(&output));
    assert!(out(&output).starts_with("404 Not Found\n") && out(&output).contains("Request_ResourceNotFound"));
}

#[test]
fn account_can_call_an_emulator() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let store = folder.path().join("state").display().to_string();
    let variables = [&variables(&emulator)[..], &[("ENTRA_STORE", &*store)]].concat();
    let output = run(&["call", "GET", &users(&emulator), "--account"], &variables);
    fails(&output, 4, &["resource: https://graph.microsoft.com", "entra login"]);
    let url = "https://graph.microsoft.us/v1.0/me";
    let output = run(&["call", "GET", url, "--account"], &variables);
    fails(&output, 4, &["resource: https://graph.microsoft.us"]);
    assert!(!err(&output).contains("warning"), "{}", err(&output));
}

#[test]
fn not_modified_is_not_a_failure() {
    let emulator = Emulator::start();
    let server = Server::start(|_| server::Response::new(304).header("etag", "7"));
    let output = call_server(&emulator, &server, &["-H", "If-None-Match: 7", "-i"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).starts_with("304 Not Modified\n"), "{}", out(&output));
}

#[test]
fn redirects_are_shown_and_not_followed() {
    let emulator = Emulator::start();
    let elsewhere = Server::start(|_| server::Response::new(200).body(b"{}"));
    let location = elsewhere.url("/file?tempauth=canary");
    emulator.fault(Fault::redirect(302, &location).on("/v1.0/users").times(2));
    let output = call(&emulator, &["GET", &users(&emulator)]);
    fails(&output, 10, &["302 Found", "/file?tempauth=… is not followed"]);
    assert!(!err(&output).contains("canary"), "{}", err(&output));
    let output = call(&emulator, &["GET", &users(&emulator), "-i"]);
    assert!(
        out(&output).contains(&format!("location: {location}")),
        "{}",
        out(&output)
    );
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn api_errors_are_shown_with_a_hint() {
    // This application has no permissions.
    let emulator = Emulator::builder().app(App::new("poor")).start();
    let variables = variables(&emulator);
    let output = run(&["call", "GET", &users(&emulator)], &variables);
    fails(
        &output,
        6,
        &[
            "403 Forbidden: Authorization_RequestDenied: Insufficient privileges",
            "entra consent --resource",
        ],
    );
    let output = run(&["call", "GET", &users(&emulator), "-o", "json"], &variables);
    let failure: Value = serde_json::from_str(err(&output).lines().last().unwrap()).unwrap();
    assert_eq!(failure["code"], "Authorization_RequestDenied", "{failure}");
    assert_eq!(
        (&failure["status"], &failure["kind"]),
        (&403.into(), &"permission".into())
    );
    assert!(failure["request_id"].is_string(), "{failure}");

    let emulator = Emulator::start();
    let list = format!(
        "{}/subscriptions/content?contentType=Audit.General",
        emulator.activity_url()
    );
    let output = call(&emulator, &["GET", &list]);
    fails(&output, 10, &["AF20022", "start the subscription first"]);
    let output = call(
        &emulator,
        &["GET", &users(&emulator), "--resource", "https://manage.office.com"],
    );
    fails(
        &output,
        10,
        &["401 Unauthorized: InvalidAuthenticationToken", "entra resources"],
    );
}

#[test]
fn json_is_indented_on_request() {
    let emulator = Emulator::start();
    let body = "\u{feff}{\"b\":1.10, \"a\":[\"\u{e9}\u{9b}\"]}";
    emulator.fault(Fault::body(body).on("/v1.0/x").times(2));
    let url = format!("{}/x", emulator.graph_url());
    let output = call(&emulator, &["GET", &url, "-o", "json"]);
    assert_eq!(
        out(&output),
        "{\n  \"b\": 1.10,\n  \"a\": [\n    \"\u{e9}\\u009b\"\n  ]\n}\n",
        "{}",
        err(&output)
    );
    let output = call(&emulator, &["GET", &url]);
    assert_eq!(out(&output), body);

    emulator.fault(Fault::body("<p>").content_type("text/html").on("/v1.0/x"));
    let output = call(&emulator, &["GET", &url, "-o", "json"]);
    fails(&output, 10, &["the response is not JSON: it is text/html"]);
}

#[test]
#[cfg(unix)]
fn terminal_gets_indented_json_and_no_binary() {
    let emulator = Emulator::start();
    let url = format!("{}/x", emulator.graph_url());
    let record = |fault: Fault| {
        emulator.fault(fault.on("/v1.0/x"));
        terminal::record(
            100,
            &["call", "GET", &url],
            &[&variables(&emulator)[..], &[("TERM", "xterm")]].concat(),
            &[],
        )
    };
    let Some(recording) = record(Fault::body("{\"a\":[1,2]}")) else {
        return;
    };
    let lines = recording.screen().lines();
    assert!(lines.iter().any(|line| line == "  \"a\": ["), "{lines:?}");
    let binary = record(Fault::body(vec![0_u8, 159, 146, 150])).unwrap();
    assert_eq!(binary.exit, 1);
    assert!(binary.sent().contains("--out"), "{}", binary.sent());
    let text = record(Fault::body("plain \u{1b}[2J text").content_type("text/plain")).unwrap();
    assert!(text.sent().contains("plain \\u{1b}[2J text"), "{}", text.sent());
}

#[test]
fn closed_pipe_of_a_call_is_not_a_failure() {
    let emulator = Emulator::start();
    let server = Server::start(|_| server::Response::new(200).body(&vec![b'x'; 4_000_000]));
    let mut child = common::command(
        &[
            "call",
            "GET",
            &server.url("/x"),
            "--resource",
            "https://graph.microsoft.com",
        ],
        &variables(&emulator),
    )
    .spawn()
    .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn blanks_in_urls_are_encoded() {
    let emulator = Emulator::start();
    let url = format!("{}?$filter=userType eq 'Member'", users(&emulator));
    let output = call(&emulator, &["GET", &url]);
    let request = emulator
        .requests()
        .into_iter()
        .rfind(|request| request.path == "/v1.0/users")
        .unwrap();
    assert_eq!(request.query[0].value, "userType eq 'Member'", "{}", err(&output));
    let output = call(&emulator, &["GET", &format!("{}/a_b#EXT#@c", users(&emulator))]);
    fails(&output, 2, &["write %23"]);
}

#[test]
fn call_to_another_cloud_warns() {
    let emulator = Emulator::start();
    let output = run(
        &[
            "call",
            "GET",
            "https://graph.microsoft.us/v1.0/me",
            "--timeout",
            "1",
            "--authority-host",
            "public",
        ],
        &[
            ("AZURE_TENANT_ID", emulator.tenant_id()),
            ("AZURE_CLIENT_ID", emulator.client_id()),
            ("AZURE_CLIENT_SECRET", emulator.client_secret()),
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ],
    );
    assert_eq!(output.status.code(), Some(7), "{}", err(&output));
    assert!(
        err(&output).contains("accepts tokens of https://login.microsoftonline.us"),
        "{}",
        err(&output)
    );
}
