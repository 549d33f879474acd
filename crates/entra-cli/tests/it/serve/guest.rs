//! `entra serve -- COMMAND`: a server for the time of a command.

use std::os::unix::process::ExitStatusExt;

use entra_emulator::Emulator;

use super::Served;
use crate::common::{GRAPH, command, err, fails, out, run, variables};

const ENTRA: &str = env!("CARGO_BIN_EXE_entra");

/// Returns the words of `entra serve` for Graph with this command.
fn serve<'a>(run: &[&'a str]) -> Vec<&'a str> {
    [&["serve", "--resource", GRAPH, "--"], run].concat()
}

#[test]
fn command_gets_a_token_by_the_variables_alone() {
    let emulator = Emulator::start();
    // Our own client of managed identities is the program.
    let words = serve(&[ENTRA, "token", "--managed-identity", "--resource", GRAPH]);
    let output = run(&words, &variables(&emulator));
    assert!(output.status.success(), "{}", err(&output));
    let claims = entra_proto::claims::UnverifiedClaims::decode(out(&output).trim()).unwrap();
    assert_eq!(claims.audience(), Some(GRAPH));
    // The output of the command has no line of the server.
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
}

#[test]
fn command_gets_variables_and_no_secret() {
    let emulator = Emulator::start();
    let more = [
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "canary"),
        ("IMDS_ENDPOINT", "http://canary"),
        ("IDENTITY_SERVER_THUMBPRINT", "canary"),
        ("MSI_SECRET", "canary"),
        ("NOTIFY_SOCKET", "/canary"),
        ("CI_TOKEN", "canary"),
        ("KEPT", "as it was"),
    ];
    let all = [&variables(&emulator)[..], &more].concat();
    let words = ["serve", "--resource", GRAPH, "--azd", "--", "env"];
    let output = run(&words, &all);
    let text = out(&output);
    for line in [
        "IDENTITY_ENDPOINT=http://127.0.0.1:",
        "IDENTITY_HEADER=",
        "AZD_AUTH_ENDPOINT=http://127.0.0.1:",
        "AZD_AUTH_KEY=",
        "KEPT=as it was",
        "AZURE_TENANT_ID=",
        // Programs ask for the identity with this ID.
        &format!("AZURE_CLIENT_ID={}", emulator.client_id()),
        "CI_TOKEN=canary",
    ] {
        assert!(text.lines().any(|known| known.starts_with(line)), "{line}: {text}");
    }
    assert_eq!(text.matches("canary").count(), 1, "{text}");
    assert!(!text.contains(emulator.client_secret()), "{text}");
    let header = text
        .lines()
        .find_map(|line| line.strip_prefix("IDENTITY_HEADER="))
        .unwrap();
    assert!(header.len() == 43 && !err(&output).contains(header), "{}", err(&output));
}

#[test]
fn server_ends_with_its_commands_status() {
    let emulator = Emulator::start();
    let shell = |script: &str| run(&serve(&["sh", "-c", script]), &variables(&emulator)).status;
    for code in [0, 1, 5, 200] {
        assert_eq!(shell(&format!("exit {code}")).code(), Some(code));
    }
    for signal in [2, 9, 15] {
        assert_eq!(shell(&format!("kill -{signal} $$")).signal(), Some(signal));
    }
    let missing = run(&serve(&["no-such-command"]), &variables(&emulator));
    fails(&missing, 127, &["error: no-such-command: "]);
}

#[test]
fn signals_reach_the_command_before_the_end() {
    let emulator = Emulator::start();
    for (name, number) in [("TERM", 15), ("HUP", 1), ("INT", 2)] {
        // The server serves until the command has ended.
        let script = format!(
            "trap '\"$0\" token --managed-identity --resource {GRAPH} >/dev/null && exit 42' {name}; \
             echo started >&2; while :; do sleep 0.1; done"
        );
        let words = serve(&["sh", "-c", &script, ENTRA]);
        let served = Served::of(&mut command(&words, &variables(&emulator)));
        served.wait_for("started");
        served.signal(name);
        assert_eq!(served.end().status.code(), Some(42), "{name}");

        let words = serve(&["sh", "-c", "echo started >&2; exec sleep 100"]);
        let served = Served::of(&mut command(&words, &variables(&emulator)));
        served.wait_for("started");
        served.signal(name);
        assert_eq!(served.end().status.signal(), Some(number), "{name}");
    }
}

#[test]
fn token_command_prints_the_token_alone() {
    let emulator = Emulator::start();
    let start = std::time::Instant::now();
    let output = run(&["token", "--resource", GRAPH], &variables(&emulator));
    assert!(output.status.success() && start.elapsed() < std::time::Duration::from_secs(5));
    let token = out(&output).strip_suffix('\n').unwrap();
    assert!(token.starts_with("eyJ") && !token.contains(char::is_whitespace));
}
