//! Configurations of `entra emulator`: invalid ones, and the printed example.

use std::io::{BufRead, BufReader};

use crate::common::{self, Running, command, err, fails, run};

#[test]
fn invalid_configuration_error_shows_no_secrets() {
    for json in [
        r#"{"apps":[{"secrets":["canary-secret"]}]}"#,
        r#"{"apps":[{"client_id":"abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR"}]}"#,
        r#"{"apps":[{"secrets":[{"value":"x","end":"canary"}]}]}"#,
        r#"{"abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR":1}"#,
    ] {
        let config = common::file("canary-config.json", json);
        let output = run(&["emulator", "--config", config.to_str().unwrap()], &[]);
        fails(&output, 3, &["canary-config.json: "]);
        assert_eq!(err(&output).matches("canary").count(), 1, "{}", err(&output));
    }
}

#[test]
fn printed_example_is_a_valid_configuration() {
    let example = run(&["emulator", "config", "--example"], &[]);
    assert!(
        example.status.success() && err(&example).contains("daemon: a secret"),
        "{}",
        err(&example)
    );
    let json: serde_json::Value = serde_json::from_str(common::out(&example)).unwrap();
    assert_eq!(json["apps"][0]["name"], "daemon");
    let schema = run(&["emulator", "config", "--schema"], &[]);
    let schema: serde_json::Value = serde_json::from_str(common::out(&schema)).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");

    // From a file, and from standard input.
    let file = common::file("example-config.json", common::out(&example));
    for words in [["--config", file.to_str().unwrap()], ["--config", "-"]] {
        let mut command = command(&[&["emulator"], &words[..]].concat(), &[]);
        command.stdin(std::fs::File::open(&file).unwrap());
        let mut child = Running::start(&mut command);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let secret = lines
            .into_iter()
            .find(|line| line.starts_with("export AZURE_CLIENT_SECRET="));
        assert_eq!(secret.as_deref(), Some("export AZURE_CLIENT_SECRET=s3cret"));
    }
}

#[test]
fn configuration_from_standard_input_is_named() {
    let mut command = command(&["emulator", "--config", "-"], &[]);
    command.stdin(std::fs::File::open(common::file("bad-config.json", r#"{"app": []}"#)).unwrap());
    let output = command.output().unwrap();
    fails(&output, 3, &["standard input: ", "unknown field `app`"]);
    for (words, expected) in [
        (&["config"][..], "--example"),
        (&["config", "--example", "--schema"], "--schema"),
        (&["--port", "1", "config", "--example"], "config"),
    ] {
        fails(&run(&[&["emulator"], words].concat(), &[]), 2, &[expected]);
    }
}

#[test]
fn invalid_certificate_is_not_a_configuration_error() {
    let certificate = common::file("no-certificate.pem", "nonsense");
    let config = common::file("empty-config.json", "{}");
    let words = ["emulator", "--certificate", certificate.to_str().unwrap()];
    for more in [&[][..], &["--config", config.to_str().unwrap()]] {
        let output = run(&[&words[..], more].concat(), &[]);
        fails(
            &output,
            3,
            &[
                "no-certificate.pem: the entry is not a certificate in PEM",
                "entra cert new",
            ],
        );
        assert!(!err(&output).contains("empty-config"), "{}", err(&output));
    }
}
