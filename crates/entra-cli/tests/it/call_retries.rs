//! `entra call` with an API that throttles, or rejects the token.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

use super::call::{call, call_server, users};
use crate::common::server::{self, Server};
use crate::common::{err, fails, private_folder, run, variables};

#[test]
fn throttled_requests_are_retried() {
    let emulator = Emulator::start();
    let af429 = "{'error':{'code':'AF429','message':'Too many requests.'}}";
    for fault in [
        Fault::status(429).retry_after(Duration::from_secs(1)),
        Fault::status(503).retry_after(Duration::ZERO),
        Fault::status(403).with_body(af429).retry_after(Duration::ZERO),
    ] {
        emulator.fault(fault.on("/v1.0/users").times(2));
        let output = call(&emulator, &["GET", &users(&emulator)]);
        assert!(output.status.success(), "{}", err(&output));
        assert!(err(&output).contains("(2 of 4)"), "{}", err(&output));
    }
    emulator.fault(
        Fault::status(429)
            .retry_after(Duration::ZERO)
            .on("/v1.0/users")
            .always(),
    );
    let output = call(&emulator, &["GET", &users(&emulator), "--retries", "2", "-q"]);
    fails(
        &output,
        10,
        &["429 Too Many Requests", "try again later", "retry after 0 s"],
    );
}

#[test]
fn too_long_retry_after_is_not_waited_for() {
    let emulator = Emulator::start();
    emulator.fault(
        Fault::status(429)
            .retry_after(Duration::from_secs(1000))
            .on("/v1.0/users")
            .always(),
    );
    let start = Instant::now();
    let output = call(&emulator, &["GET", &users(&emulator), "-o", "json"]);
    // Shorter than the pause, and longer than any machine needs.
    assert!(start.elapsed() < Duration::from_secs(600));
    let failure: Value = serde_json::from_str(err(&output).lines().last().unwrap()).unwrap();
    assert_eq!(
        (&failure["retry_after"], &failure["status"]),
        (&1000.into(), &429.into()),
        "{failure}"
    );
}

#[test]
fn rejected_token_is_refreshed_once() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let store = folder.path().join("state").display().to_string();
    let variables = [&variables(&emulator)[..], &[("ENTRA_STORE", &*store)]].concat();
    let url = users(&emulator);
    let words = ["call", "GET", &*url, "--cache"];
    for requests in [1, 1] {
        let output = run(&words, &variables);
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(emulator.token_requests().len(), requests);
    }
    emulator.clock().advance(Duration::from_secs(1));
    emulator.revoke_tokens();
    let output = run(&words, &variables);
    assert!(output.status.success(), "{}", err(&output));
    assert!(err(&output).contains("the API rejected the token"), "{}", err(&output));
    assert_eq!(emulator.token_requests().len(), 2);
    // The new token is cached.
    assert!(run(&words, &variables).status.success());
    assert_eq!(emulator.token_requests().len(), 2);

    emulator.fault(Fault::status(401).on("/v1.0/users").always());
    let output = run(&words, &variables);
    fails(
        &output,
        10,
        &["401 Unauthorized", "the token is for https://graph.microsoft.com"],
    );
    assert_eq!(emulator.token_requests().len(), 3);
}

#[test]
fn uncached_token_is_refreshed_too() {
    let emulator = Emulator::start();
    emulator.fault(Fault::status(401).on("/v1.0/users"));
    let output = call(&emulator, &["GET", &users(&emulator)]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(emulator.token_requests().len(), 2);
}

#[test]
fn claims_challenge_is_passed_on() {
    let emulator = Emulator::start();
    // {"access_token":{"nbf":{"essential":true,"value":"1"}}}
    let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ==";
    let challenge = format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\"");
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => server::Response::new(401).header("www-authenticate", &challenge),
        _ => server::Response::new(200).body(b"{}"),
    });
    let output = call_server(&emulator, &server, &["--capability", "cp1"]);
    assert!(output.status.success(), "{}", err(&output));
    let requests = emulator.token_requests();
    assert_eq!(requests.len(), 2);
    let sent: Value = serde_json::from_str(requests[1].form_value("claims").unwrap()).unwrap();
    assert_eq!(sent["access_token"]["nbf"]["value"], "1", "{sent}");
    let tokens: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("authorization").map(str::to_owned))
        .collect();
    assert_ne!(tokens[0], tokens[1]);
}
