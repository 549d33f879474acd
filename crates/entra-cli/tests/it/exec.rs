//! `entra exec`: a command with a token in its environment.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use entra_emulator::{App, Emulator};
use entra_proto::claims::UnverifiedClaims;

use crate::common::{GRAPH, command, err, fails, out, run, variables};

/// Returns the words of `entra exec` for Graph with these options and this command.
fn exec<'a>(more: &[&'a str], run: &[&'a str]) -> Vec<&'a str> {
    [&["exec", "--resource", GRAPH], more, &["--"], run].concat()
}

/// Returns a variable in the output of `env`.
fn value<'a>(environment: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = environment.lines().filter_map(|line| line.split_once('='));
    pairs.find(|pair| pair.0 == name).map(|pair| pair.1)
}

#[test]
fn command_gets_the_token_and_no_secret() {
    let emulator = Emulator::start();
    let more = [
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "canary-password"),
        ("KEPT", "as it was"),
    ];
    let variables = [&variables(&emulator)[..], &more].concat();
    let output = run(&exec(&[], &["env"]), &variables);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "");
    let environment = out(&output);
    let claims = UnverifiedClaims::decode(value(environment, "ENTRA_ACCESS_TOKEN").unwrap()).unwrap();
    assert_eq!(claims.audience(), Some(GRAPH));
    let expires_on: u64 = value(environment, "ENTRA_TOKEN_EXPIRES_ON").unwrap().parse().unwrap();
    let exp = claims.get("exp").and_then(|exp| exp.as_u64()).unwrap();
    assert!((exp - 10..=exp).contains(&expires_on), "{expires_on} {exp}");
    assert_eq!(value(environment, "KEPT"), Some("as it was"));
    assert_eq!(value(environment, "AZURE_TENANT_ID"), Some(emulator.tenant_id()));
    for secret in [emulator.client_secret(), "canary-password"] {
        assert!(!environment.contains(secret), "{environment}");
    }

    let output = run(&exec(&["--env", "GRAPH_TOKEN"], &["env"]), &variables);
    assert!(value(out(&output), "GRAPH_TOKEN").unwrap().starts_with("eyJ"));
    assert_eq!(value(out(&output), "ENTRA_ACCESS_TOKEN"), None);

    let output = run(&exec(&["--keep-secrets"], &["env"]), &variables);
    assert_eq!(
        value(out(&output), "AZURE_CLIENT_SECRET"),
        Some(emulator.client_secret())
    );
    assert_eq!(
        value(out(&output), "AZURE_CLIENT_CERTIFICATE_PASSWORD"),
        Some("canary-password")
    );
}

#[test]
fn arguments_are_unchanged_and_without_the_token() {
    let emulator = Emulator::start();
    let script = "printf '%s|' \"$@\"; test -n \"$ENTRA_ACCESS_TOKEN\"";
    let words = exec(&[], &["sh", "-c", script, "sh", "a b", "--help", "$HOME", ""]);
    let output = run(&words, &variables(&emulator));
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "a b|--help|$HOME||");
    #[cfg(target_os = "linux")]
    {
        let output = run(&exec(&[], &["cat", "/proc/self/cmdline"]), &variables(&emulator));
        assert_eq!(out(&output), "cat\0/proc/self/cmdline\0");
    }
}

#[test]
fn exec_ends_with_its_commands_status() {
    let emulator = Emulator::start();
    let shell = |script: &str| run(&exec(&[], &["sh", "-c", script]), &variables(&emulator));
    for code in [0, 1, 5, 200] {
        assert_eq!(shell(&format!("exit {code}")).status.code(), Some(code));
    }
    assert_eq!(shell("kill -9 $$").status.signal(), Some(9));
}

#[test]
fn command_replaces_the_process() {
    let emulator = Emulator::start();
    let child = command(&exec(&[], &["sh", "-c", "echo $$"]), &variables(&emulator))
        .spawn()
        .unwrap();
    let id = child.id();
    assert_eq!(out(&child.wait_with_output().unwrap()), format!("{id}\n"));
}

#[test]
fn unrunnable_command_has_a_shells_exit_code() {
    let emulator = Emulator::start();
    let variables = variables(&emulator);
    fails(
        &run(&exec(&[], &["no-such-command"]), &variables),
        127,
        &["error: no-such-command: ", "PATH"],
    );
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-program");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    fails(&run(&exec(&[], &[file]), &variables), 126, &[file]);
    for output in [
        run(&exec(&[], &["no-such-command"]), &variables),
        run(&exec(&[], &[file]), &variables),
    ] {
        assert!(!err(&output).contains("eyJ") && !err(&output).contains(emulator.client_secret()));
    }
}

#[test]
fn command_does_not_run_without_a_token() {
    let emulator = Emulator::builder().app(App::new("daemon")).start();
    let mut variables = variables(&emulator);
    variables[3].1 = "canary8Q~secret";
    let output = run(&exec(&[], &["echo", "ran"]), &variables);
    fails(&output, 5, &["AADSTS7000215"]);
    assert!(!err(&output).contains("canary"));
    fails(&run(&["exec", "--resource", GRAPH, "--"], &variables), 2, &["PROGRAM"]);
    fails(&run(&["exec", "--", "echo", "ran"], &variables), 2, &["--resource"]);
}

#[test]
fn invalid_variable_names_are_rejected() {
    for name in [
        "",
        "A=B",
        "1A",
        "A B",
        "ENTRA_TOKEN_EXPIRES_ON",
        "AZURE_CLIENT_SECRET",
        "TÖKEN",
    ] {
        fails(&run(&exec(&["--env", name], &["env"]), &[]), 2, &["--env"]);
    }
}
