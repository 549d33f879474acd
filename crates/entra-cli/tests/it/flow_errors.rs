//! Errors of the flows for users and of `entra consent`: a sentence, a hint, and a listed exit
//! code.

use std::process::Output;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use super::consent::emulator;
use crate::common::waiting::Fixture;
use crate::common::{GRAPH, err, out, run};

/// Checks the JSON on the last line of standard error.
#[track_caller]
fn fails_completely(output: &Output, exit: i32, problem: &str) {
    let text = err(output);
    assert_eq!(output.status.code(), Some(exit), "{text}");
    let last = text.lines().last().unwrap();
    let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(error["exit_code"], exit, "{text}");
    let said = error["error"].as_str().unwrap();
    assert!(said.contains(problem), "{problem}: {text}");
    assert!(!said.contains('\n') && !said.ends_with('.'), "{said}");
    let hints = error["hints"].as_array().unwrap();
    assert!(!hints.is_empty(), "no hint: {text}");
    for hint in hints {
        let hint = hint.as_str().unwrap();
        assert!(!hint.is_empty() && !hint.ends_with('.'), "{hint}");
    }
    let help = run(&["--help"], &[]);
    let listed = out(&help)
        .lines()
        .any(|line| line.trim_start().starts_with(&format!("{exit}  ")));
    assert!(listed, "exit code {exit} is not listed");
}

/// A fault with an error of OAuth.
fn oauth_error(error: &str, description: &str) -> Fault {
    let body = json!({"error": error, "error_description": description}).to_string();
    Fault::status(400).with_body(body).content_type("application/json")
}

#[test]
fn device_code_errors_are_complete() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let public = &*emulator.apps()[1].client_id;
    let words = ["token", "--flow", "device-code", "--scope", "User.Read", "-o", "json"];
    let of_public = [&words[..], &["--public", "--client-id", public]].concat();
    for (path, fault, exit, problem) in [
        (
            "/token",
            oauth_error("expired_token", "AADSTS70020: The code has expired."),
            5,
            "AADSTS70020",
        ),
        ("/token", oauth_error("expired_token", ""), 5, "expired_token"),
        (
            "/token",
            oauth_error("authorization_declined", ""),
            6,
            "authorization_declined",
        ),
        (
            "/token",
            oauth_error("bad_verification_code", ""),
            5,
            "bad_verification_code",
        ),
        ("/token", Fault::status(200).with_body("<html>"), 9, ""),
        (
            "/devicecode",
            oauth_error("invalid_client", "AADSTS7000218: A secret is required."),
            5,
            "AADSTS7000218",
        ),
        (
            "/devicecode",
            Fault::status(200).with_body("{}").content_type("application/json"),
            9,
            "",
        ),
        ("/devicecode", Fault::status(503), 5, ""),
    ] {
        emulator.fault(fault.on(path).always());
        fails_completely(&fixture.run(&of_public), exit, problem);
        emulator.clear_faults();
    }
    let unknown = [
        &words[..],
        &["--public", "--client-id", "00001111-aaaa-2222-bbbb-3333cccc4444"],
    ]
    .concat();
    fails_completely(&fixture.run(&unknown), 5, "AADSTS700016");
    let nowhere = [&of_public[..], &["--authority-host", "http://127.0.0.1:1"]].concat();
    fails_completely(&fixture.run(&nowhere), 7, "no connection");
    let claims = [&of_public[..], &["--claims", "{}"]].concat();
    fails_completely(&fixture.run(&claims), 2, "--claims");
    let common = [&of_public[..], &["--scope", "a b\u{7}"]].concat();
    assert_eq!(fixture.run(&common).status.code(), Some(2));
}

#[test]
fn browser_flow_errors_are_complete() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let user = "adele@mycompany.example";
    for words in [
        &["token", "--flow", "auth-code", "--scope", "User.Read", "-o", "json"][..],
        &[
            "consent",
            "--v1",
            "--resource",
            "https://manage.office.com",
            "-o",
            "json",
        ],
        &[
            "consent",
            "--admin",
            "--resource",
            "https://manage.office.com",
            "-o",
            "json",
        ],
    ] {
        let late = [words, &["--listen", "localhost:0", "--wait", "1", "--no-browser"]].concat();
        fails_completely(&fixture.run(&late), 8, "within 1 s");
        let far = [words, &["--listen", "192.0.2.1:1"]].concat();
        fails_completely(&fixture.run(&far), 3, "not a loopback address");
        let other = [words, &["--listen", "localhost:0", "--redirect-uri", "ftp://x/"]].concat();
        fails_completely(&fixture.run(&other), 3, "redirect");

        let waiting = fixture.start(words);
        waiting.come_back(&emulator.decline(&waiting.url, user).unwrap().url);
        let output = waiting.end();
        let exit = output.status.code().unwrap();
        fails_completely(&output, exit, "");
        assert!([5, 6].contains(&exit), "{}", err(&output));
    }
    let waiting = fixture.start(&["token", "--flow", "auth-code", "--scope", "User.Read", "-o", "json"]);
    emulator.fault(Fault::status(200).with_body("<html>").on("/token").always());
    waiting.come_back(&emulator.approve(&waiting.url, user).unwrap().url);
    fails_completely(&waiting.end(), 9, "");
    emulator.clear_faults();
}

#[test]
fn token_errors_are_complete() {
    let emulator = Emulator::start();
    let fixture = Fixture::new(&emulator);
    let words = ["token", "--resource", GRAPH, "-o", "json"];
    for (fault, exit, problem) in [
        (Fault::status(503), 5, ""),
        (Fault::status(429).retry_after(Duration::from_secs(1)), 5, ""),
        (Fault::status(200).with_body("<html>"), 9, ""),
        (
            Fault::status(200).with_body("{}").content_type("application/json"),
            9,
            "",
        ),
        (Fault::status(302), 9, "redirect"),
        (oauth_error("invalid_client", ""), 5, "invalid_client"),
        (oauth_error("unheard_of", "AADSTS4711: What is this."), 5, "AADSTS4711"),
    ] {
        emulator.fault(fault.on("/token").always());
        fails_completely(&fixture.run(&words), exit, problem);
        emulator.clear_faults();
    }
    for (more, exit, problem) in [
        (&["--tenant", "common"][..], 3, "common"),
        (&["--client-id", "x"], 3, "not a GUID"),
        (&["--region", "a b"], 3, "region"),
        (&["--authority-host", "http://contoso.example"], 3, ""),
        (&["--secret-file", "/no/such/file"], 4, "/no/such/file"),
        (&["--watch", "-o", "env"], 2, "--watch"),
        (&["--refresh"], 2, "--refresh"),
        (&["--flow", "obo"], 2, "--assertion-file"),
        (&["--ca-file", "/no/such/file"], 3, "/no/such/file"),
        (&["--claims", "{"], 3, "claims"),
        (&["--account"], 3, "accounts"),
    ] {
        let words = if more.contains(&"-o") { &words[..3] } else { &words[..] };
        let more: Vec<&str> = more.to_vec();
        let output = fixture.run(&[words, &more].concat());
        if more.contains(&"-o") {
            assert_eq!(output.status.code(), Some(exit), "{}", err(&output));
            assert!(
                err(&output).contains(problem) && err(&output).contains("; "),
                "{}",
                err(&output)
            );
        } else {
            fails_completely(&output, exit, problem);
        }
    }
}
