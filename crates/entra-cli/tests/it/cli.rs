//! The command as users and scripts run it: output streams and exit codes.

use std::process::Command;

use entra_emulator::{Api, App, Emulator, Fault};
use serde_json::Value;

use crate::common::{self, GRAPH, command, entra, err, fails, file, folder, out, variables};

#[test]
fn demo_runs_each_step() {
    let output = entra(&["demo"], &[], "");
    assert!(output.status.success(), "{}", err(&output));
    for expected in [
        "Requests to the service: 1 for the first command, 0 for the second.",
        "from the cache, a token for",
        "3 items on 2 pages",
        "v1 endpoint  resource=https://database.windows.net/\n",
        "v2 endpoint  scope=https://database.windows.net//.default\n",
        "$ entra token --certificate daemon.pem",
        "Authorization_RequestDenied:",
        "AADSTS7000215 invalid_client:",
        "[grant-type]",
        "\"status\":\"enabled\"",
        "Records: 3. The first: Set-Mailbox by adele@contoso.onmicrosoft.com.",
        "resource: https://mwaas-services-customerapi-prod.azurewebsites.net",
    ] {
        assert!(out(&output).contains(expected), "{expected}: {}", out(&output));
    }
    assert!(
        out(&output).contains("\n10. ") && err(&output).is_empty(),
        "{}",
        err(&output)
    );
    // The emulator with this seed has these secrets.
    let emulator = Emulator::builder()
        .app(App::new("reporting daemon"))
        .app(App::new("forgotten daemon"))
        .build();
    for app in emulator.apps() {
        assert!(!out(&output).contains(&app.secrets.as_ref().unwrap()[0].value));
    }
    assert!(!out(&output).contains("eyJ"));
}

#[test]
fn only_the_token_goes_to_standard_output() {
    let emulator = Emulator::start();
    for version in [&[][..], &["--v1"]] {
        for target in [
            ["--resource", GRAPH],
            ["--scope", "https://graph.microsoft.com/.default"],
        ] {
            let words = [&["token"], &target[..], version].concat();
            let output = entra(&words, &variables(&emulator), "");
            assert!(output.status.success(), "{}", err(&output));
            let token = out(&output).strip_suffix('\n').unwrap();
            assert!(
                token.starts_with("eyJ") && !token.contains(char::is_whitespace),
                "{token}"
            );
            assert!(
                err(&output).starts_with("a token for https://graph.microsoft.com from "),
                "{}",
                err(&output)
            );
            assert!(!err(&output).contains(token));
        }
    }
    assert!(
        emulator.requests().iter().all(|request| request.lints.is_empty()),
        "{:?}",
        emulator.requests()
    );
}

#[test]
fn token_is_printed_as_json_or_header() {
    let emulator = Emulator::start();
    let output = entra(&["token", "--resource", GRAPH, "-o", "json"], &variables(&emulator), "");
    let printed: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(printed["token_type"], "Bearer");
    assert!(
        (3590..=3599).contains(&printed["expires_in"].as_u64().unwrap()),
        "{printed}"
    );
    assert!(printed["expires_on"].as_u64().unwrap() > 1_700_000_000);
    assert!(printed["access_token"].as_str().unwrap().starts_with("eyJ"));
    let output = entra(
        &["token", "--resource", GRAPH, "-o", "header"],
        &variables(&emulator),
        "",
    );
    assert!(
        out(&output).starts_with("Authorization: Bearer eyJ"),
        "{}",
        out(&output)
    );
}

#[test]
fn secret_is_read_from_a_file_or_standard_input() {
    let emulator = Emulator::start();
    let variables = &variables(&emulator)[..3];
    // Line breaks as editors and `echo` write them.
    for end in ["", "\n", "\r\n"] {
        let text = format!("{}{end}", emulator.client_secret());
        let path = file("secret.txt", &text);
        let output = entra(
            &["token", "--resource", GRAPH, "--secret-file", path.to_str().unwrap()],
            variables,
            "",
        );
        assert!(output.status.success(), "{}", err(&output));
        let output = entra(&["token", "--resource", GRAPH, "--secret-file", "-"], variables, &text);
        assert!(output.status.success(), "{}", err(&output));
    }
}

#[test]
fn secret_on_the_command_line_is_rejected_unseen() {
    let emulator = Emulator::start();
    for word in ["--secret", "--client-secret"] {
        for words in [
            vec!["token", "--resource", GRAPH, word, "canary"],
            vec!["token", "--resource", GRAPH, &format!("{word}=canary")],
        ] {
            let output = entra(&words, &variables(&emulator), "");
            fails(&output, 2, &["AZURE_CLIENT_SECRET", "--secret-file"]);
            assert!(!err(&output).contains("canary"), "{}", err(&output));
        }
    }
    assert_eq!(emulator.request_count(), 0);
}

#[test]
fn tls_uses_the_ca_file() {
    let emulator = Emulator::builder().tls().start();
    let mut variables = variables(&emulator);
    variables[0].1 = emulator.tls_url().unwrap();
    let ca = file("ca.pem", emulator.ca_pem().unwrap());
    let output = entra(
        &["token", "--resource", GRAPH, "--ca-file", ca.to_str().unwrap()],
        &variables,
        "",
    );
    assert!(output.status.success(), "{}", err(&output));

    let other = Emulator::builder().tls().start();
    let wrong = file("wrong-ca.pem", other.ca_pem().unwrap());
    let output = entra(
        &["token", "--resource", GRAPH, "--ca-file", wrong.to_str().unwrap()],
        &variables,
        "",
    );
    fails(&output, 7, &["certificate"]);
    let output = entra(
        &["token", "--resource", GRAPH, "--ca-file", "nowhere.pem"],
        &variables,
        "",
    );
    fails(&output, 3, &["nowhere.pem"]);
}

#[test]
fn each_failure_has_its_exit_code() {
    let emulator = Emulator::builder()
        .app(App::new("daemon"))
        .api(Api::new("api://guarded").role("Guarded.Read").assignment_required())
        .start();
    let all = variables(&emulator);
    let with =
        |name: &'static str, value: &'static str| all.map(|pair| if pair.0 == name { (name, value) } else { pair });
    let token = ["token", "--resource", GRAPH];

    fails(&entra(&[], &[], ""), 2, &["Usage"]);
    fails(&entra(&["token"], &all, ""), 2, &["--scope", "--resource"]);
    fails(
        &entra(&["token", "--resource", GRAPH, "--scope", "x"], &all, ""),
        2,
        &["cannot be used with"],
    );
    fails(&entra(&token, &all[..1], ""), 3, &["AZURE_TENANT_ID"]);
    fails(
        &entra(&token, &with("AZURE_TENANT_ID", "../evil"), ""),
        3,
        &["contoso.onmicrosoft.com"],
    );
    fails(
        &entra(&token, &with("AZURE_TENANT_ID", "common"), ""),
        3,
        &["common", "contoso.onmicrosoft.com"],
    );
    fails(
        &entra(&token, &with("AZURE_AUTHORITY_HOST", "http://login.example"), ""),
        3,
        &["https"],
    );
    fails(
        &entra(&["token", "--scope", "https://graph.microsoft.com/User.Read"], &all, ""),
        3,
        &["write https://graph.microsoft.com/.default"],
    );
    fails(
        &entra(&token, &all[..3], ""),
        4,
        &["AZURE_CLIENT_SECRET", "--secret-file"],
    );
    fails(
        &entra(&[&token[..], &["--secret-file", "nowhere"]].concat(), &all, ""),
        4,
        &["nowhere"],
    );
    fails(
        &entra(&[&token[..], &["--secret-file", "-"]].concat(), &all, ""),
        4,
        &["empty"],
    );
    fails(
        &entra(&token, &with("AZURE_CLIENT_SECRET", "canary"), ""),
        5,
        &["AADSTS7000215", "value, not its ID"],
    );
    fails(
        &entra(&["token", "--resource", "https://unknown.example"], &all, ""),
        5,
        &["AADSTS500011"],
    );
    fails(
        &entra(&["token", "--resource", "api://guarded"], &all, ""),
        6,
        &["AADSTS501051", "administrator"],
    );
    fails(
        &entra(&token, &with("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1"), ""),
        7,
        &["127.0.0.1:1"],
    );
    emulator.fault(Fault::body("{}"));
    fails(&entra(&token, &all, ""), 9, &["has no access token"]);
    emulator.fault(Fault::delayed(std::time::Duration::from_secs(5)).always());
    fails(
        &entra(&[&token[..], &["--timeout", "1"]].concat(), &all, ""),
        8,
        &["127.0.0.1"],
    );
    assert!(!err(&entra(&token, &with("AZURE_CLIENT_SECRET", "canary"), "")).contains("canary"));
}

#[test]
fn token_is_decoded_from_a_pipe() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(GRAPH, "User.Read.All"))
        .start();
    let token = entra(
        &["token", "--resource", GRAPH, "-o", "header"],
        &variables(&emulator),
        "",
    );
    let output = entra(&["decode"], &[], out(&token));
    assert!(output.status.success(), "{}", err(&output));
    assert!(err(&output).contains("not verified"));
    assert!(
        out(&output).contains("  aud       https://graph.microsoft.com  (the API that the token is for)\n"),
        "{}",
        out(&output)
    );
    assert!(out(&output).contains("User.Read.All"), "{}", out(&output));
    let output = entra(&["decode", "-", "-o", "json"], &[], out(&token));
    let decoded: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(
        (&decoded["header"]["alg"], &decoded["claims"]["tid"]),
        (&"RS256".into(), &emulator.tenant_id().into())
    );

    fails(&entra(&["decode"], &[], "opaque"), 9, &["opaque"]);
    fails(
        &entra(&["decode", "eyJjYW5hcnkiOjF9.e30.x"], &[], ""),
        2,
        &["read it from standard input"],
    );
    assert!(!err(&entra(&["decode", "eyJjYW5hcnkiOjF9.e30.x"], &[], "")).contains("eyJ"));
    fails(&entra(&["decode", "nowhere.txt"], &[], ""), 4, &["nowhere.txt"]);
    fails(&entra(&["decode"], &[], "\n"), 9, &["the input is empty"]);
}

#[test]
fn control_characters_in_claims_are_escaped() {
    // {"alg":"none"} and {"name":"\u001b[2Jgone","n\u001b[31m":{"a":["\u202e","\u009b"]}}
    let claims = "eyJuYW1lIjoiXHUwMDFiWzJKZ29uZSIsIm5cdTAwMWJbMzFtIjp7ImEiOlsiXHUyMDJlIiwiXHUwMDliIl19fQ";
    let token = format!("eyJhbGciOiJub25lIn0.{claims}.");
    for words in [&["decode"][..], &["decode", "-", "-o", "json"]] {
        let output = entra(words, &[], &token);
        assert!(
            output.status.success() && out(&output).contains("gone"),
            "{}",
            err(&output)
        );
        let obeyed = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(!out(&output).contains(obeyed), "{:?}", out(&output));
    }
}

#[test]
fn closed_standard_error_is_not_a_failure() {
    let mut child = command(&["explain", "12345 70011"], &[]).spawn().unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && out(&output).contains("AADSTS70011"));
}

#[test]
fn settings_are_trimmed_and_normalized() {
    let emulator = Emulator::start();
    let mut variables = variables(&emulator).to_vec();
    // An empty variable counts as unset, and the scheme of a host is optional.
    variables[1].1 = "";
    fails(
        &entra(&["token", "--resource", GRAPH], &variables, ""),
        3,
        &["no tenant"],
    );
    variables[1].1 = "contoso.com";
    variables[0].1 = "unknown.invalid";
    fails(
        &entra(&["token", "--resource", GRAPH, "--timeout", "5"], &variables, ""),
        7,
        &["unknown.invalid:443"],
    );
    variables[0].1 = "private";
    fails(
        &entra(&["token", "--resource", GRAPH], &variables, ""),
        3,
        &["usgovernment"],
    );
    fails(
        &entra(
            &["token", "--resource", GRAPH, "--timeout", "18446744073709551615"],
            &variables,
            "",
        ),
        2,
        &["3600"],
    );
    // A secret in another variable is not shown.
    variables[1].1 = "canary8Q~secret";
    let output = entra(&["token", "--resource", GRAPH], &variables, "");
    assert!(!err(&output).contains("canary"), "{}", err(&output));
}

#[test]
fn log_in_another_encoding_is_explained() {
    let utf16: Vec<u8> = "AADSTS70011: x\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (number, log) in [&b"verweigert f\xfcr: AADSTS70011"[..], &utf16].into_iter().enumerate() {
        let path = folder(&format!("explained-{number}")).join("log");
        std::fs::write(&path, log).unwrap();
        let mut command = command(&["explain"], &[]);
        let output = command.stdin(std::fs::File::open(path).unwrap()).output().unwrap();
        assert!(out(&output).starts_with("AADSTS70011 "), "{}", err(&output));
    }
}

#[test]
fn scopes_and_errors_are_explained() {
    let output = entra(&["scope", "explain", "https://database.windows.net//.default"], &[], "");
    assert!(output.status.success());
    for line in [
        "  audience     https://database.windows.net/\n",
        "  v1 endpoint  resource=https://database.windows.net/\n",
        "  v2 endpoint  scope=https://database.windows.net//.default\n",
    ] {
        assert!(out(&output).contains(line), "{}", out(&output));
    }
    fails(
        &entra(
            &["scope", "explain", "https%3A%2F%2Fgraph.microsoft.com%2F.default"],
            &[],
            "",
        ),
        2,
        &["plain"],
    );

    for words in [
        &["explain", "AADSTS7000215"][..],
        &["explain", "7000215"],
        &["explain", "AADSTS7000215:", "Invalid", "secret"],
    ] {
        let output = entra(words, &[], "");
        assert!(out(&output).contains("value, not its ID"), "{}", out(&output));
    }
    for (words, input) in [
        (
            &["explain", "https://login.microsoftonline.com/error?code=7000215"][..],
            "",
        ),
        (&["explain", r#"{"error_codes":[7000215]}"#], ""),
        (&["explain", "code: 7000215."], ""),
        (&["explain", "-"], "error: AADSTS7000215 invalid_client\nmore"),
        (&["explain"], "[7000215]"),
    ] {
        let output = entra(words, &[], input);
        assert!(out(&output).contains("AADSTS7000215  "), "{words:?} {}", err(&output));
    }
    fails(&entra(&["explain"], &[], ""), 2, &["no AADSTS code"]);
    fails(&entra(&["explain", "nothing"], &[], ""), 2, &["no AADSTS code"]);
    fails(&entra(&["explain", "AADSTS123"], &[], ""), 2, &["error?code=123"]);
    assert!(out(&entra(&["explain", "all"], &[], "")).lines().count() > 80);
}

#[test]
fn closed_standard_output_is_not_a_failure() {
    let mut child = command(&["explain", "all"], &[]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && err(&output).is_empty(), "{}", err(&output));
}

#[cfg(unix)]
#[test]
fn emulator_prints_variables_for_other_programs() {
    use std::io::{BufRead, BufReader};

    use common::Running;

    // A path with blanks and quotation marks.
    let ca = folder("printed blanks é ğ").join("it's ca.pem");
    let config = file("config.json", r##"{"apps":[{"name":"a\nexport EVIL=1\n#"}]}"##);
    let mut child = Running::serve(&[
        "emulator",
        "--config",
        config.to_str().unwrap(),
        "--seed",
        "7",
        "--tls",
        "--ca-out",
        ca.to_str().unwrap(),
    ]);
    let mut script = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
        if line.starts_with("export ") {
            assert!(!line.contains("EVIL"), "a name broke out of its comment");
            script += &format!("{line}\n");
            if line.starts_with("export NODE_EXTRA_CA_CERTS=") {
                break;
            }
        }
    }
    // Another terminal evaluates the lines in a shell, which must read the path unchanged.
    script += "exec \"$@\"";
    let words = [
        "-c",
        &script,
        "sh",
        env!("CARGO_BIN_EXE_entra"),
        "token",
        "--resource",
        GRAPH,
    ];
    let output = Command::new("/bin/sh").args(words).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = log.next().unwrap().unwrap();
    assert!(line.contains("/oauth2/v2.0/token") && line.contains("200"), "{line}");
}
