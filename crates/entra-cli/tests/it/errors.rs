//! The output of failures: lines on a terminal, one line elsewhere, and JSON.

use std::process::Output;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

#[cfg(unix)]
use crate::common::terminal;
use crate::common::{self, GRAPH, UNREACHABLE, entra, err, file, out, private_folder, run, variables};

const WRONG: &str = "canary8Q~secret";

/// Returns the JSON of a failure, which is the last line of standard error.
#[track_caller]
fn failure(output: &Output) -> Value {
    assert_eq!(out(output), "");
    let line = err(output).lines().last().unwrap_or_default();
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", err(output)));
    assert_eq!(
        object["exit_code"].as_i64(),
        output.status.code().map(i64::from),
        "{object}"
    );
    for member in ["error", "kind"] {
        assert!(object[member].as_str().is_some_and(|text| !text.is_empty()), "{object}");
    }
    object
}

fn with_wrong_secret(emulator: &Emulator) -> [(&'static str, &str); 5] {
    variables(emulator).map(|(name, value)| match name {
        "AZURE_CLIENT_SECRET" => (name, WRONG),
        _ => (name, value),
    })
}

#[test]
fn error_response_is_json_with_codes_and_ids() {
    let emulator = Emulator::start();
    let output = run(
        &["token", "--resource", GRAPH, "-o", "json"],
        &with_wrong_secret(&emulator),
    );
    let error = failure(&output);
    assert_eq!(
        error["error"],
        "AADSTS7000215 invalid_client: Invalid client secret provided"
    );
    let hint = common::hints(&error);
    assert!(hint.contains("not its ID") && hint.contains("entra doctor"), "{hint}");
    assert_eq!(
        (&error["kind"], &error["class"], &error["exit_code"]),
        (&"rejected".into(), &"credential".into(), &5.into())
    );
    assert_eq!(error["aadsts_codes"], serde_json::json!([7_000_215]));
    assert_eq!(
        (&error["oauth_error"], &error["status"], &error["retryable"]),
        (&"invalid_client".into(), &401.into(), &false.into())
    );
    assert!(error["description"].as_str().unwrap().contains("Ensure the secret"));
    for id in ["trace_id", "correlation_id"] {
        assert_eq!(error[id].as_str().unwrap().len(), 36, "{error}");
    }
    let timestamp = error["timestamp"].as_str().unwrap();
    assert!(
        timestamp.len() == 20 && timestamp.contains('T') && timestamp.ends_with('Z'),
        "{timestamp}"
    );
    assert!(error.get("retry_after").is_none() && error.get("suberror").is_none());
    assert!(!err(&output).contains(WRONG));
}

#[test]
fn overloaded_service_is_json_with_retry_after() {
    let emulator = Emulator::start();
    emulator.fault(
        Fault::status(429)
            .retry_after(Duration::from_secs(77))
            .on("/token")
            .always(),
    );
    let output = run(
        &["token", "--resource", GRAPH, "-ojson", "--timeout", "1"],
        &variables(&emulator),
    );
    let error = failure(&output);
    assert_eq!(
        (&error["retryable"], &error["retry_after"], &error["class"]),
        (&true.into(), &77.into(), &"transient".into())
    );
    let output = run(&["token", "--resource", GRAPH, "--timeout", "1"], &variables(&emulator));
    assert!(
        err(&output).contains("(status 429, retry after 77 s"),
        "{}",
        err(&output)
    );
}

#[test]
fn claims_of_an_error_response_are_in_json() {
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["a"]}}}"#;
    let body = serde_json::json!({
        "error": "interaction_required",
        "error_description": "AADSTS50076: Use multi-factor authentication.",
        "error_codes": [50076],
        "claims": claims,
    });
    let emulator = Emulator::start();
    let fault = Fault::status(400).with_body(body.to_string());
    emulator.fault(fault.content_type("application/json").on("/token").always());
    let output = run(&["token", "--resource", GRAPH, "-o", "json"], &variables(&emulator));
    let error = failure(&output);
    assert_eq!(
        (&error["claims"], &error["class"]),
        (&claims.into(), &"interaction".into())
    );
    // Claims are data for the next request and not shown in a message.
    let output = run(&["token", "--resource", GRAPH], &variables(&emulator));
    assert!(!err(&output).contains("polids"), "{}", err(&output));
}

#[test]
fn problem_does_not_repeat_the_advice() {
    let nowhere = [
        ("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1"),
        ("AZURE_TENANT_ID", "contoso.com"),
    ];
    let output = run(&["doctor", "-o", "json", "--resource", GRAPH], &nowhere);
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let found = |name: &str| checks.iter().find(|check| check["check"] == name).unwrap();
    let connection = found("connection");
    assert!(
        connection["found"].as_str().unwrap().ends_with("(os error 111)") || !cfg!(target_os = "linux"),
        "{connection}"
    );
    assert!(common::hints(connection).contains("no firewall"), "{connection}");

    let missing = ("AZURE_FEDERATED_TOKEN_FILE", "/none/token");
    let client = ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865");
    let variables = [nowhere[0], nowhere[1], client, missing];
    let output = run(&["token", "-o", "json", "--resource", GRAPH], &variables);
    let error = failure(&output);
    assert!(common::hints(&error).contains("check the path"), "{error}");
    assert!(!error["error"].as_str().unwrap().contains("check the path"), "{error}");
}

#[test]
fn all_commands_with_json_fail_in_json() {
    let folder = private_folder();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let home = folder.path().join("home");
    let garbage = file("errors-garbage", "no token here");
    let garbage = garbage.to_str().unwrap();
    let more = [
        ("AZURE_CLIENT_SECRET", "s3cret~value"),
        ("HOME", home.to_str().unwrap()),
    ];
    let nowhere = [&UNREACHABLE[..], &more].concat();
    for (words, kind, hint) in [
        (
            &["token", "--resource", GRAPH, "--timeout", "1"][..],
            "network",
            "check the host",
        ),
        (&["token", "--resource", ""], "configuration", ""),
        (
            &["token", "--resource", GRAPH, "--certificate", missing],
            "credential",
            "check the path",
        ),
        (
            &["consent", "--resource", GRAPH, "--listen", "192.0.2.1:1"],
            "configuration",
            "listen on 127.0.0.1",
        ),
        (
            &["tenants", "list", "--tenant-store", missing],
            "output",
            "check the path",
        ),
        (&["cert", "inspect", garbage], "credential", "give a PEM file"),
        (&["cert", "new", "--name", ""], "usage", "pass a common name"),
        (&["decode", garbage], "token", "give only the token"),
        (&["explain", "nothing"], "usage", "pass a code"),
        (
            &["explain", "1"],
            "usage",
            "https://login.microsoftonline.com/error?code=1",
        ),
        (&["scope", "explain", "0000-1"], "usage", "write the complete ID"),
        (&["assertion"], "usage", "pass --certificate"),
    ] {
        for form in [&["-o", "json"][..], &["--output=json"]] {
            let words = [words, form].concat();
            let error = failure(&run(&words, &nowhere));
            assert_eq!(error["kind"], kind, "{words:?}: {error}");
            let advice = common::hints(&error);
            assert!(advice.contains(hint), "{words:?}: {error}");
        }
    }
}

#[test]
fn command_line_error_is_json_too() {
    for (words, expected, hint) in [
        (
            &["token", "-o", "json"][..],
            "--scope <SCOPE>|--resource <AUDIENCE>",
            "--help",
        ),
        (&["token", "-o", "json", "--nope"], "--nope", "--help"),
        (&["tokn", "-o", "json"], "tokn", "token"),
        (&["-o", "json"], "-o", "--help"),
        (
            &["token", "--resource", GRAPH, "--timeout", "0", "-o", "json"],
            "--timeout <SECONDS>, 0: 0 is not in 1..=3600",
            "--help",
        ),
        (
            &["token", "-o", "json", "--scope"],
            "without a value: --scope <SCOPE>",
            "--help",
        ),
        (
            &["token", "--resource", GRAPH, "-o", "json", "-o", "json"],
            "more than once: --output <OUTPUT>",
            "--help",
        ),
        (
            &["token", "--resource", GRAPH, "--interval", "0", "-o", "JSON"],
            "--interval <SECONDS>, 0: it is not a valid interval",
            "write seconds, from 0.01",
        ),
        (
            &["exec", "--resource", GRAPH, "--env", "1", "-o=json", "--", "x"],
            "-o",
            "--help",
        ),
        (
            &["token", "--resource", GRAPH, "--flow", "obi", "-o", "json"],
            "--flow <FLOW>, obi",
            "device-code",
        ),
        (
            &["explain", "\u{1b}[2J", "-o", "json", "--\u{1b}[2J"],
            "--\\u{1b}[2J",
            "--help",
        ),
    ] {
        let output = run(words, &[]);
        let error = failure(&output);
        assert_eq!((&error["kind"], &error["exit_code"]), (&"usage".into(), &2.into()));
        assert!(error["error"].as_str().unwrap().contains(expected), "{error}");
        assert!(common::hints(&error).contains(hint), "{error}");
        assert!(!error["error"].as_str().unwrap().contains("write "), "{error}");
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    }
    // Options of another command do not select JSON.
    let output = run(&["exec", "--", "x", "-o", "json"], &[]);
    assert!(err(&output).starts_with("error: "), "{}", err(&output));
}

#[test]
fn failed_doctor_prints_its_complete_report() {
    let output = run(
        &["doctor", "-o", "json"],
        &[
            ("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1"),
            ("PATH", "/usr/bin:/bin"),
        ],
    );
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    let error: Value = serde_json::from_str(err(&output)).unwrap();
    assert_eq!(report["exit_code"], error["exit_code"]);
    assert!(error["error"].as_str().unwrap().contains("checks failed"), "{error}");
}

#[test]
fn members_of_json_are_in_snake_case() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let new = common::entra_in(folder.path(), &["cert", "new", "--name", "a", "-o", "json"], &[]);
    let wrong = with_wrong_secret(&emulator);
    let right = variables(&emulator);
    let file = folder.path().join("a.crt");
    let file = file.to_str().unwrap();
    for output in [
        new,
        run(&["cert", "inspect", file, "-o", "json"], &[]),
        run(&["doctor", "--resource", GRAPH, "-o", "json"], &wrong),
        run(
            &["doctor", "--resource", GRAPH, "-o", "json", "--certificate", file],
            &right,
        ),
        run(&["doctor", "--resource", GRAPH, "-o", "json"], &right),
        run(&["token", "--resource", GRAPH, "-o", "json"], &right),
        run(&["explain", "7000215", "65001", "-o", "json"], &[]),
        run(&["scope", "explain", GRAPH, "-o", "json"], &[]),
    ] {
        let value: Value = serde_json::from_str(out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
        check_names(&value);
    }
}

/// Checks that names are in snake case, and that each time has a member in seconds and one in RFC
/// 3339.
fn check_names(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(check_names),
        Value::Object(members) => {
            for (name, member) in members {
                let is_snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(is_snake), "{name}");
                if let Some(name) = name.strip_suffix("_on") {
                    assert!(member.is_u64() && members[&format!("{name}_at")].is_string(), "{name}");
                }
                if let Some(name) = name.strip_suffix("_at") {
                    let text = member.as_str().unwrap();
                    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
                    assert!(members[&format!("{name}_on")].is_u64(), "{name}");
                }
                check_names(member);
            }
        }
        _ => {}
    }
}

#[test]
fn failure_without_a_terminal_is_one_line() {
    let emulator = Emulator::start();
    let output = run(&["token", "--resource", GRAPH], &with_wrong_secret(&emulator));
    let text = err(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    let start =
        "error: AADSTS7000215 invalid_client: Invalid client secret provided; send the secret's value, not its ID; ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("to check the credential (status 401, trace ID "));
    assert_eq!(text.to_lowercase().matches("not its id").count(), 1);
    assert!(
        !text.contains("not the client secret ID") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
#[cfg(unix)]
fn failure_on_a_terminal_has_problem_hint_and_ids() {
    let emulator = Emulator::start();
    let wrong = with_wrong_secret(&emulator);
    for columns in [40, 60, 120] {
        let plain = [&wrong[..], &[("NO_COLOR", "1"), ("TERM", "xterm")]].concat();
        let colored = [&wrong[..], &[("TERM", "xterm")]].concat();
        let words = ["token", "--resource", GRAPH];
        let Some(recording) = terminal::record(columns, &words, &plain, &[]) else {
            return;
        };
        assert_eq!(recording.exit, 5);
        assert!(!recording.sent().contains('\u{1b}'), "{}", recording.sent());
        let screen = recording.screen();
        let lines = screen.lines();
        let labels: Vec<&str> = lines
            .iter()
            .filter(|line| !line.is_empty() && !line.starts_with("        "))
            .filter_map(|line| line.trim_start().split_once(": ").map(|(label, _)| label))
            .collect();
        assert_eq!(labels, ["error", "hint", "hint", "ids"], "{lines:#?}");
        // A GUID is one word and may be longer than a narrow line.
        assert!(columns < 60 || screen.wrapped.is_empty(), "{lines:#?}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= columns.max(60)),
            "{lines:#?}"
        );

        let recording = terminal::record(columns, &words, &colored, &[]).unwrap();
        assert!(recording.sent().contains("\u{1b}[1;31merror:\u{1b}[0m AADSTS7000215"));
        assert_eq!(recording.screen().lines()[0], lines[0]);
    }
}

#[test]
fn missing_named_tenant_store_is_an_error() {
    let folder = private_folder();
    let missing = folder.path().join("nowhere").join("x.redb");
    let home = folder.path().to_str().unwrap();
    let id = "11111111-2222-3333-4444-555555555555";
    for words in [&["tenants", "list"][..], &["tenants", "forget", id]] {
        let option = ["--tenant-store", missing.to_str().unwrap()];
        let output = run(&[words, &option].concat(), &[("HOME", home)]);
        common::fails(&output, 1, &["nowhere/x.redb", "No such file", "--tenant-store"]);
        let output = run(
            words,
            &[("HOME", home), ("ENTRA_TENANT_STORE", missing.to_str().unwrap())],
        );
        common::fails(&output, 1, &["nowhere/x.redb"]);
    }
    // A default tenant store may not exist yet.
    let output = run(&["tenants", "list"], &[("HOME", home)]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(!missing.exists() && !missing.parent().unwrap().exists());
}

#[test]
fn json_output_of_a_token_can_be_decoded() {
    let emulator = Emulator::start();
    for form in ["json", "JSON", "header", "token"] {
        let token = run(&["token", "--resource", GRAPH, "-o", form], &variables(&emulator));
        let decoded = entra(&["decode", "-o", "json"], &[], out(&token));
        let decoded: Value = serde_json::from_str(out(&decoded)).unwrap_or_else(|_| panic!("{}", err(&decoded)));
        assert_eq!(decoded["claims"]["aud"], GRAPH);
    }
}
