//! `entra emulator -- COMMAND`: an emulator for the duration of a command.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{self, Running, command, err, fails, out, run};

const ENTRA: &str = env!("CARGO_BIN_EXE_entra");
const PATH: (&str, &str) = ("PATH", "/usr/bin:/bin");

/// Returns the words of `entra emulator` with these options and this command.
fn emulator<'a>(more: &[&'a str], run: &[&'a str]) -> Vec<&'a str> {
    [&["emulator"], more, &["--"], run].concat()
}

#[test]
fn command_gets_a_token_with_the_set_variables() {
    let words = emulator(&[], &[ENTRA, "token", "--resource", common::GRAPH]);
    // The variables of the service are replaced.
    let variables = [
        PATH,
        ("AZURE_TENANT_ID", "contoso.com"),
        ("AZURE_CLIENT_SECRET", "canary"),
    ];
    let output = run(&words, &variables);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).starts_with("eyJ") && out(&output).lines().count() == 1);
    // The output of the command contains no line of the emulator.
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    let output = run(&[&["-v"], &words[..]].concat(), &variables);
    assert!(
        err(&output).contains(" POST /") && err(&output).contains("/oauth2/v2.0/token 200"),
        "{}",
        err(&output)
    );
}

#[test]
fn command_gets_the_variables_of_all_parts() {
    let script = "env; test -f \"$SSL_CERT_FILE\" && echo is-there";
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guest-ca");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let variables = [PATH, ("TMPDIR", folder.to_str().unwrap()), ("KEPT", "as it was")];
    let words = emulator(&["--tls", "--control", "0"], &["sh", "-c", script]);
    let output = run(&words, &variables);
    assert!(output.status.success(), "{}", err(&output));
    for start in [
        "AZURE_AUTHORITY_HOST=https://127.0.0.1:",
        "AZURE_TENANT_ID=",
        "AZURE_CLIENT_ID=",
        "AZURE_CLIENT_SECRET=emulator~",
        "SSL_CERT_FILE=/",
        "REQUESTS_CA_BUNDLE=/",
        "CURL_CA_BUNDLE=/",
        "NODE_EXTRA_CA_CERTS=/",
        "ENTRA_EMULATOR_CONTROL=http://127.0.0.1:",
        "ENTRA_EMULATOR_CONTROL_KEY=",
        "KEPT=as it was",
        "is-there",
    ] {
        assert!(
            out(&output).lines().any(|line| line.starts_with(start)),
            "{start}: {}",
            out(&output)
        );
    }
    // The CA file is removed with the emulator.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn command_gets_the_variables_of_a_source_and_no_secret() {
    let variables = [
        PATH,
        ("AZURE_CLIENT_SECRET", "canary"),
        ("IDENTITY_SERVER_THUMBPRINT", "canary"),
        ("MSI_ENDPOINT", "http://canary"),
    ];
    for (source, expected) in [
        ("imds", &["AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:"][..]),
        (
            "app-service",
            &["IDENTITY_ENDPOINT=http://127.0.0.1:", "IDENTITY_HEADER="],
        ),
        ("app-service-2017", &["MSI_ENDPOINT=http://127.0.0.1:", "MSI_SECRET="]),
        (
            "azure-ml",
            &[
                "MSI_ENDPOINT=http://127.0.0.1:",
                "MSI_SECRET=",
                "DEFAULT_IDENTITY_CLIENT_ID=",
            ],
        ),
        (
            "cloud-shell",
            &[
                "MSI_ENDPOINT=http://127.0.0.1:",
                "AZUREPS_HOST_ENVIRONMENT=cloud-shell/1.0",
            ],
        ),
        (
            "arc",
            &["IDENTITY_ENDPOINT=http://127.0.0.1:", "IMDS_ENDPOINT=http://127.0.0.1:"],
        ),
        (
            "service-fabric",
            &[
                "IDENTITY_ENDPOINT=https://127.0.0.1:",
                "IDENTITY_HEADER=",
                "IDENTITY_SERVER_THUMBPRINT=",
                "IDENTITY_API_VERSION=2019-07-01-preview",
            ],
        ),
    ] {
        let output = run(&emulator(&["--managed-identity", source], &["env"]), &variables);
        assert!(output.status.success(), "{}", err(&output));
        let text = out(&output);
        let mut set: Vec<&str> = text
            .lines()
            .filter(|line| {
                ["AZURE", "IDENTITY_", "IMDS_", "MSI_", "DEFAULT_"]
                    .iter()
                    .any(|start| line.starts_with(start))
            })
            .collect();
        for start in expected {
            assert!(
                set.iter().any(|line| line.starts_with(start)),
                "{source}: {start}: {text}"
            );
            set.retain(|line| !line.starts_with(start));
        }
        assert_eq!(set, [""; 0], "{source}");
        assert!(!text.contains("canary"), "{source}: {text}");
    }
}

#[test]
fn folder_for_key_files_must_exist() {
    for (folder, problem) in [("tokens", "absolute"), ("/nonexistent/tokens", "existing")] {
        let output = run(&emulator(&["--arc-tokens", folder], &["true"]), &[PATH]);
        fails(&output, 2, &[problem, "/var/opt/azcmagent/tokens"]);
    }
    let output = run(&emulator(&["--arc-tokens", "/tmp"], &["true"]), &[PATH]);
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn rejected_key_files_cause_a_warning() {
    let arc = ["--managed-identity", "arc"];
    let shown = |more: &[&str]| err(&run(&emulator(more, &["true"]), &[PATH])).to_owned();
    assert!(shown(&arc).contains("pass it to --arc-tokens"), "{}", shown(&arc));
    assert_eq!(shown(&[&arc[..], &["--arc-tokens", "/tmp"]].concat()), "");
    assert_eq!(shown(&["--managed-identity", "imds"]), "");
}

#[test]
fn emulator_ends_with_its_commands_status() {
    let shell = |script: &str| run(&emulator(&[], &["sh", "-c", script]), &[PATH]).status;
    for code in [0, 1, 5, 200] {
        assert_eq!(shell(&format!("exit {code}")).code(), Some(code));
    }
    for signal in [2, 9, 15] {
        assert_eq!(shell(&format!("kill -{signal} $$")).signal(), Some(signal));
    }
}

#[test]
fn arguments_and_input_are_passed_to_the_command() {
    let script = "printf '%s|' \"$@\"; cat";
    let words = emulator(&[], &["sh", "-c", script, "sh", "a b", "--help", "--", "$HOME", ""]);
    let output = common::entra(&words, &[PATH], "from standard input");
    assert_eq!(out(&output), "a b|--help|--|$HOME||from standard input");
    // Not a subcommand of `entra emulator`.
    let output = run(&emulator(&[], &["config"]), &[PATH]);
    fails(&output, 127, &["error: config: "]);
}

#[test]
fn signal_reaches_the_command_before_the_end() {
    for (name, number) in [("TERM", 15), ("HUP", 1), ("INT", 2)] {
        // A command that handles the signal and calls the emulator before it ends.
        let script = format!(
            "trap 'echo caught; \"$0\" token --resource https://graph.microsoft.com >/dev/null && exit 42' {name}; \
             echo ready; while :; do sleep 0.1; done"
        );
        let words = emulator(&[], &["sh", "-c", &script, ENTRA]);
        let mut child = Running::start(&mut command(&words, &[PATH]));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        send(name, child.id());
        assert_eq!(lines.next().as_deref(), Some("caught"), "{name}");
        assert_eq!(child.output().status.code(), Some(42), "{name}");

        // A command without a handler ends by the signal, and so does the emulator.
        let words = emulator(&[], &["sh", "-c", "echo ready; exec sleep 100"]);
        let mut child = Running::start(&mut command(&words, &[PATH]));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        send(name, child.id());
        assert_eq!(child.output().status.signal(), Some(number), "{name}");
    }
}

fn send(signal: &str, process: u32) {
    let done = Command::new("kill")
        .args([&format!("-{signal}"), &process.to_string()])
        .stdin(Stdio::null())
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn unrunnable_emulator_command_has_a_shells_exit_code() {
    let output = run(&emulator(&[], &["no-such-command"]), &[PATH]);
    fails(&output, 127, &["error: no-such-command: ", "PATH"]);
    fails(&run(&emulator(&[], &[""]), &[PATH]), 127, &["PATH"]);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-guest");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    fails(&run(&emulator(&[], &[file]), &[PATH]), 126, &[file]);
    for output in [
        run(&emulator(&[], &[]), &[PATH]),
        run(&emulator(&["--port", "0"], &[]), &[PATH]),
        run(&["emulator", "config", "--", "true"], &[PATH]),
        run(&["emulator", "true"], &[PATH]),
    ] {
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    }
    fails(
        &run(&emulator(&[], &[]), &[PATH]),
        2,
        &["there is no command after --", "omit --"],
    );
}

#[test]
fn failed_emulator_runs_no_command() {
    let output = run(&emulator(&["--config", "missing.json"], &["echo", "ran"]), &[PATH]);
    fails(&output, 3, &["missing.json"]);
    assert_eq!(out(&output), "");
}

/// The token file of a cluster takes the place of the secret.
#[test]
fn command_gets_a_token_with_a_federated_token_file() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("federated-token");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token.jwt");
    let file = file.to_str().unwrap();
    // Other credentials of the environment are removed.
    let variables = [
        PATH,
        ("AZURE_CLIENT_SECRET", "canary"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "missing.pem"),
    ];
    let token = [ENTRA, "token", "--resource", common::GRAPH];
    let output = run(&emulator(&["--federated-token-file", file], &token), &variables);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output).trim().split('.').count(), 3);
    let output = run(&emulator(&["--federated-token-file", file], &["env"]), &variables);
    let printed = out(&output);
    for name in [
        "AZURE_FEDERATED_TOKEN_FILE=/",
        "ACTIONS_ID_TOKEN_REQUEST_URL=http://127.0.0.1:",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN=",
        "SYSTEM_OIDCREQUESTURI=http://127.0.0.1:",
        "SYSTEM_ACCESSTOKEN=",
        "GCE_METADATA_HOST=127.0.0.1:",
    ] {
        assert!(printed.contains(name), "{name}: {printed}");
    }
    for name in ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"] {
        assert!(!printed.contains(name), "{name}: {printed}");
    }
}

#[test]
fn second_issuer_is_described_and_exported() {
    let plain = run(&emulator(&[], &["env"]), &[PATH]);
    assert!(!out(&plain).contains("ACTIONS_ID_TOKEN"));
    let output = run(&emulator(&["--second-issuer"], &["env"]), &[PATH]);
    let printed = out(&output);
    assert!(printed.contains("ACTIONS_ID_TOKEN_REQUEST_URL=") && printed.contains("AZURE_CLIENT_SECRET="));
    let (_child, printed) = crate::emulator::started(&["--second-issuer"], &[], "export GCE_METADATA_HOST=");
    assert!(
        printed
            .iter()
            .any(|line| line.starts_with("# second issuer, for federated credentials: http://"))
    );
}
