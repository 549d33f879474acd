//! The logs of `-v`, `-q` and RUST_LOG: requests and decisions, but no secret, token or code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use entra_emulator::{App, Emulator, Fault};

use crate::common::waiting::Fixture;
use crate::common::{GRAPH, Running, command, entra, err, fails, file, out, run, variables};

/// The most verbose logging of this command and of its libraries.
const LOUDEST: [(&str, &str); 3] = [
    ("-vv", ""),
    ("--", "trace"),
    (
        "--",
        "trace,entra=trace,hyper=trace,hyper_util=trace,ureq=trace,ureq_proto=trace,rustls=trace,h2=trace,log=trace",
    ),
];

const SECRET: &str = "canary/se+cret~1";

fn emulator() -> Emulator {
    Emulator::builder()
        .app(
            App::new("daemon")
                .secret(SECRET)
                .redirect_uri("http://127.0.0.1")
                .grant_scope(Emulator::GRAPH, "User.Read")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .tls()
        .start()
}

/// Asserts that a log contains no secret (plain, form-encoded or hexadecimal) and no beginning of a
/// token.
#[track_caller]
fn holds_no_secret(log: &str) {
    let traces = [
        "canary",
        "se+cret",
        "se%2Bcret",
        "63616e617279",
        "63 61 6e 61 72 79",
        "eyJ",
        "Bearer ",
        "Basic ",
        "client_secret=",
        "client_assertion=",
        "code_verifier=",
        "access_token",
        "refresh_token\":",
    ];
    for trace in traces {
        assert!(!log.contains(trace), "{trace} in {log}");
    }
}

#[test]
fn highest_log_level_shows_no_secret_or_token() {
    let emulator = emulator();
    let ca = file("logs-ca.pem", emulator.ca_pem().unwrap());
    let ca = ca.to_str().unwrap();
    for (flag, filter) in LOUDEST {
        let flags: &[&str] = if flag == "--" { &[] } else { &[flag] };
        let mut settings = variables(&emulator).to_vec();
        settings[0].1 = emulator.tls_url().unwrap();
        if !filter.is_empty() {
            settings.push(("RUST_LOG", filter));
        }
        let with_ca = [flags, &["--ca-file", ca]].concat();
        let token = run(&[&["token", "--resource", GRAPH][..], &with_ca].concat(), &settings);
        assert!(token.status.success(), "{}", err(&token));
        assert!(
            err(&token).contains("DEBUG") && err(&token).contains("/token: 200 in "),
            "{}",
            err(&token)
        );
        holds_no_secret(err(&token));

        let token = out(&token).trim_end().to_owned();
        let words = [
            &[
                "token",
                "--flow",
                "obo",
                "--assertion-file",
                "-",
                "--scope",
                "User.Read",
            ][..],
            &with_ca,
        ]
        .concat();
        holds_no_secret(err(&entra(&words, &settings, &token)));
        holds_no_secret(err(&entra(&[&["decode"], flags].concat(), &settings, &token)));
        holds_no_secret(err(&run(
            &[&["doctor", "--resource", GRAPH][..], &with_ca].concat(),
            &settings,
        )));
        let words = [&["exec", "--resource", GRAPH][..], &with_ca, &["--", "true"]].concat();
        let exec = run(&words, &settings);
        assert!(exec.status.success(), "{}", err(&exec));
        holds_no_secret(err(&exec));

        settings[3].1 = "canary-wrong-secret";
        let refused = run(&[&["token", "--resource", GRAPH][..], &with_ca].concat(), &settings);
        assert_eq!(refused.status.code(), Some(5), "{}", err(&refused));
        assert!(err(&refused).contains("/token: 401 in "), "{}", err(&refused));
        holds_no_secret(err(&refused));
    }
}

#[test]
fn authorization_code_is_not_logged() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", GRAPH, "-vv"]);
    let redirect = emulator.approve(&waiting.url, "Adele Vance").unwrap().url;
    let state = waiting.parameter("state");
    waiting.come_back(&redirect);
    let output = waiting.end();
    assert!(output.status.success(), "{}", err(&output));
    let code = redirect.split_once("code=").unwrap().1;
    let code = code.split('&').next().unwrap();
    let log = err(&output);
    holds_no_secret(log);
    for secret in [code, &*state] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn verbose_shows_requests_retries_and_decisions() {
    let emulator = emulator();
    emulator.fault(Fault::status(503));
    let output = run(&["token", "--resource", GRAPH, "-v"], &variables(&emulator));
    assert!(output.status.success(), "{}", err(&output));
    let url = format!("POST {}/", emulator.base_url());
    for expected in [
        &*url,
        "/token: 503 in ",
        "waiting ",
        "/token: 200 in ",
        "not in the cache, requested",
        "issued, cached",
    ] {
        assert!(err(&output).contains(expected), "{expected}: {}", err(&output));
    }
    assert!(!err(&output).contains("TRACE"), "{}", err(&output));
    let output = run(&["-v", "token", "--resource", GRAPH], &variables(&emulator));
    let details = run(&["token", "--resource", GRAPH, "-vv"], &variables(&emulator));
    assert!(
        err(&details).contains("content-type: application/json"),
        "{}",
        err(&details)
    );
    assert!(err(&details).contains("correlation_id: "), "{}", err(&details));
    assert!(err(&output).contains("/token: 200 in "), "{}", err(&output));
}

#[test]
fn rust_log_filters_the_log() {
    let emulator = emulator();
    let run_with = |words: &[&str], filter: &str| {
        let settings = [&variables(&emulator)[..], &[("RUST_LOG", filter)]].concat();
        let output = run(&[&["token", "--resource", GRAPH], words].concat(), &settings);
        assert!(output.status.success(), "{}", err(&output));
        err(&output).to_owned()
    };
    let usual = run_with(&[], "");
    assert!(!usual.contains("DEBUG"), "{usual}");
    assert!(run_with(&[], "entra=debug").contains("entra::requests: POST"));
    let client = run_with(&[], "entra=off,entra_client=trace");
    assert!(!client.contains("entra::requests"), "{client}");
    for other in ["off", "hyper=trace", "my_app"] {
        assert!(!run_with(&[], other).contains("POST"), "{other}");
    }
    // The option overrides the variable.
    assert!(run_with(&["-v"], "off").contains("POST"));
    assert_eq!(run_with(&["-q"], "trace"), "");
}

#[test]
fn invalid_filter_is_a_warning() {
    let explain = |filter: &str| {
        let output = run(&["scope", "explain", GRAPH], &[("RUST_LOG", filter)]);
        assert!(output.status.success(), "{}", err(&output));
        assert!(out(&output).contains(GRAPH), "{}", out(&output));
        err(&output).to_owned()
    };
    for filter in ["entra=loud", "debgu", "a=b=c"] {
        let warning = explain(filter);
        for part in ["warning: nothing is logged: RUST_LOG: ", filter, "entra=debug"] {
            assert!(warning.contains(part), "{warning}");
        }
    }
    let warning = explain("entra=abc8Q~kD93jfKEl20sPq81LmZx7vQwT4uYbNhGcR");
    assert!(warning.contains("RUST_LOG") && !warning.contains("kD93jf"), "{warning}");
}

#[test]
fn quiet_keeps_the_result_and_errors() {
    let emulator = emulator();
    let settings = variables(&emulator);
    for words in [
        &["token", "--resource", GRAPH, "-q"][..],
        &["-q", "token", "--resource", GRAPH],
        &["token", "-qq", "--resource", GRAPH],
        &[
            "token",
            "--resource",
            GRAPH,
            "--watch",
            "--count",
            "2",
            "--interval",
            "0.01",
            "-o",
            "token",
            "-q",
        ],
    ] {
        let output = run(words, &settings);
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(err(&output), "", "{words:?}");
        assert!(out(&output).starts_with("eyJ"), "{words:?}");
    }
    let token = run(&["token", "--resource", GRAPH], &settings);
    let output = entra(&["decode", "-q"], &[], out(&token));
    assert_eq!(err(&output), "");
    let output = run(&["token", "--resource", GRAPH, "-q"], &[]);
    fails(&output, 3, &["AZURE_TENANT_ID"]);
}

#[test]
fn quiet_keeps_required_actions() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", GRAPH, "-q"]);
    let redirect = emulator.approve(&waiting.url, "Adele Vance").unwrap().url;
    waiting.come_back(&redirect);
    let output = waiting.end();
    assert!(output.status.success(), "{}", err(&output));
    assert!(!err(&output).contains("stored in"), "{}", err(&output));
}

#[test]
fn quiet_emulator_logs_no_requests() {
    for (flag, logs) in [(None, true), (Some("-q"), false)] {
        let words: Vec<&str> = ["emulator", "--port", "0"].into_iter().chain(flag).collect();
        let mut child = Running::start(&mut command(&words, &[]));
        let mut first = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut first).unwrap();
        let url = first.trim_end().rsplit(' ').next().unwrap().to_owned();
        let host = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET /nonsense HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.contains("404"), "{response}");
        std::thread::sleep(Duration::from_millis(300));
        let _ = child.kill();
        let output = child.output();
        assert_eq!(err(&output).contains("/nonsense"), logs, "{}", err(&output));
    }
}

#[test]
fn quiet_and_verbose_exclude_each_other() {
    for words in [
        &["scope", "explain", GRAPH, "-v", "-q"][..],
        &["-v", "scope", "explain", GRAPH, "-q"],
        &["-q", "scope", "-vv", "explain", GRAPH],
    ] {
        fails(&run(words, &[]), 2, &["--quiet", "--verbose"]);
    }
}
