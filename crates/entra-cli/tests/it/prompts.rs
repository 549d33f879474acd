//! Secrets that users type or paste on a terminal.

use entra_emulator::{App, Emulator};

use crate::common::terminal::Action::{Pause, Resize, Send, Signal, SignalChild, Wait};
use crate::common::terminal::{Recording, record, record_program};
use crate::common::{GRAPH, UNREACHABLE, entra, err, out, variables};

/// Returns a token of about 6 kB.
fn long_token() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    let roles: Vec<String> = (0..300).map(|number| format!("Canary.Role.{number}")).collect();
    let claims = serde_json::json!({ "aud": GRAPH, "roles": roles });
    let token = format!(
        "{}.{}.c2ln",
        BASE64.encode(r#"{"alg":"RS256"}"#),
        BASE64.encode(claims.to_string())
    );
    assert!(token.len() > 5000, "{}", token.len());
    token
}

#[track_caller]
fn shows_no(recording: &Recording, secrets: &[&str]) {
    let sent = recording.sent();
    for secret in secrets {
        assert!(!sent.contains(secret), "{secret} in {sent}");
    }
    assert!(recording.restored, "{sent}");
}

#[test]
fn client_secret_is_read_without_echo() {
    let emulator = Emulator::start();
    let mut settings = variables(&emulator).to_vec();
    let secret = settings.remove(3).1;
    let Some(recording) = record(
        80,
        &["token", "--resource", GRAPH, "--secret-file", "-"],
        &settings,
        &[
            Wait("Client secret (not shown; end with Enter): "),
            Send("wrong\u{15}"),
            Send(secret),
            Send("x\u{7f}\n"),
        ],
    ) else {
        return;
    };
    shows_no(&recording, &[secret]);
    assert_eq!(recording.exit, 0, "{}", recording.sent());
    assert!(recording.sent().contains("eyJ"), "{}", recording.sent());
}

#[test]
fn too_long_secret_is_not_truncated_and_sent() {
    let emulator = Emulator::start();
    let mut settings = variables(&emulator).to_vec();
    settings.remove(3);
    let typed = format!("{}\n", "canary78".repeat(1025));
    let Some(recording) = record(
        200,
        &["token", "--resource", GRAPH, "--secret-file", "-"],
        &settings,
        &[Wait("Enter): "), Send(&typed)],
    ) else {
        return;
    };
    shows_no(&recording, &["canary"]);
    assert_eq!(recording.exit, 4, "{}", recording.sent());
    assert!(
        recording.sent().contains("longer than 8192 bytes"),
        "{}",
        recording.sent()
    );
    assert!(emulator.token_requests().is_empty());
}

#[test]
fn long_pasted_token_is_decoded_without_echo() {
    let token = long_token();
    for words in [&["decode"][..], &["decode", "-"]] {
        let Some(recording) = record(
            80,
            words,
            &[],
            &[Wait("reading a token from the terminal"), Send(&token), Send("\u{4}")],
        ) else {
            return;
        };
        shows_no(&recording, &[&token[..40], &token[4096..4200]]);
        assert_eq!(recording.exit, 0, "{}", recording.sent());
        let shown = recording.sent();
        assert!(shown.contains("end with Ctrl-D") && shown.contains(&format!("read {} bytes", token.len())));
        assert!(shown.contains("Canary.Role.299"), "{shown}");
    }
}

#[test]
fn token_pasted_in_lines_is_decoded() {
    let token = long_token();
    let folded = format!("{}\n{}\n", &token[..4000], &token[4000..]);
    let actions = [Wait("Ctrl-D"), Send(&folded), Send("\u{4}")];
    let Some(recording) = record(80, &["decode", "-o", "json"], &[], &actions) else {
        return;
    };
    shows_no(&recording, &[&token[..40]]);
    assert!(recording.sent().contains("Canary.Role.299"), "{}", recording.sent());
}

#[test]
fn assertion_is_read_without_echo() {
    let emulator = Emulator::builder()
        .app(App::new("api").grant_scope(Emulator::GRAPH, "User.Read"))
        .start();
    let token = long_token();
    let words = [
        "token",
        "--flow",
        "obo",
        "--assertion-file",
        "-",
        "--scope",
        "User.Read",
    ];
    let actions = [
        Wait("reading the user's access token from the terminal"),
        Send(&token),
        Send("\n\u{4}"),
    ];
    let Some(recording) = record(80, &words, &variables(&emulator), &actions) else {
        return;
    };
    shows_no(&recording, &[&token[..40]]);
    // The emulator rejects the token, which it did not issue.
    assert_eq!(recording.exit, 5, "{}", recording.sent());
    assert_eq!(emulator.token_requests().len(), 1);
}

#[test]
fn password_is_read_without_echo() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/pyca.pfx");
    for (password, exit) in [("secret", 0), ("canary", 4)] {
        let typed = format!("{password}\n");
        let actions = [Wait("Password of"), Send(&typed)];
        let Some(recording) = record(200, &["cert", "inspect", path], &[], &actions) else {
            return;
        };
        shows_no(&recording, &[password]);
        assert_eq!(recording.exit, exit, "{}", recording.sent());
    }
}

#[test]
fn signal_ends_a_prompt_and_restores_the_terminal() {
    for words in [
        &["decode"][..],
        &["token", "--resource", GRAPH, "--secret-file", "-"],
        &[
            "token",
            "--flow",
            "obo",
            "--assertion-file",
            "-",
            "--scope",
            "User.Read",
        ],
    ] {
        let settings = if words.contains(&"obo") {
            [&UNREACHABLE[..], &[("AZURE_CLIENT_SECRET", "s3cret")]].concat()
        } else {
            UNREACHABLE.to_vec()
        };
        let killed = |signal| vec![Wait(" end with "), Send("canary"), Pause(0.3), Signal(signal)];
        for (actions, signal) in [
            (vec![Wait(" end with "), Send("canary\u{3}")], -2),
            (vec![Wait(" end with "), Send("canary\u{1c}")], -3),
            (killed("SIGTERM"), -15),
            (killed("SIGINT"), -2),
            (killed("SIGQUIT"), -3),
            (killed("SIGHUP"), -1),
        ] {
            let Some(recording) = record(200, words, &settings, &actions) else {
                return;
            };
            shows_no(&recording, &["canary"]);
            assert_eq!(recording.exit, signal, "{words:?}: {}", recording.sent());
        }
    }
}

#[test]
fn stopped_prompt_resumes_without_echo() {
    let token = long_token();
    let entra = env!("CARGO_BIN_EXE_entra");
    let run = format!("{entra} decode\n");
    // The process is stopped by a key, or by another program.
    for stop in ["half\u{1a}", "half"] {
        let mut actions = vec![Wait("READY "), Send(&run), Wait("Ctrl-D"), Send(stop), Pause(0.5)];
        if stop == "half" {
            actions.push(SignalChild("SIGSTOP"));
        }
        actions.extend([
            Wait("Stopped"),
            Send("\u{15}echo shown-by-shell\n"),
            Wait("\nshown-by-shell"),
            Resize(200),
            Send("fg\n"),
            Wait("Ctrl-D"),
            Send(&token),
            Send("\u{4}"),
            Wait("Canary.Role.299"),
            Wait("READY "),
            Send("exit 7\n"),
        ]);
        let settings = [("PATH", "/usr/bin:/bin"), ("PS1", "READY "), ("TERM", "xterm")];
        let shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"];
        let Some(recording) = record_program(200, &shell, &settings, &actions) else {
            return;
        };
        shows_no(&recording, &[&token[..40], &token[4096..4200], "half"]);
        assert_eq!(recording.exit, 7, "{}", recording.sent());
        assert!(recording.sent().contains("Canary.Role.299"), "{}", recording.sent());
    }
}

#[test]
fn input_after_a_secret_does_not_reach_the_shell() {
    // A shell that runs the command and then reads further input.
    let entra = env!("CARGO_BIN_EXE_entra");
    let script = format!(
        "{entra} token --resource {GRAPH} --secret-file - --timeout 1; sleep 0.3; read -t 1 left; echo \"left: $left.\""
    );
    let settings = [&UNREACHABLE[..], &[("PATH", "/usr/bin:/bin")]].concat();
    let actions = [Wait("Client secret"), Send("first\ncanary\n"), Wait("left: ")];
    let Some(recording) = record_program(200, &["bash", "-c", &script], &settings, &actions) else {
        return;
    };
    assert!(recording.sent().contains("left: ."), "{}", recording.sent());
}

#[test]
fn pipe_is_read_without_a_prompt() {
    let token = long_token();
    let output = entra(&["decode"], &[], &token);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("Canary.Role.299"));
    assert!(!err(&output).contains("reading"), "{}", err(&output));
}
