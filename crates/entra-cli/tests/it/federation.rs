//! Federated credentials: assertions of GitHub Actions, Azure Pipelines, a managed identity, a
//! variable, a command and a URL.

use std::fs;

use entra_emulator::{App, AssertionSource, Emulator, FederatedCredential, ManagedIdentitySource};
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;

use crate::common::{GRAPH, err, fails, file, out, run};

const APP: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const GITHUB: &str = "repo:contoso/app:ref:refs/heads/main";
const PIPELINE: &str = "sc://contoso/app/connection";
const GOOGLE: &str = "107517467455664443766";

fn emulator() -> Emulator {
    let app = App::new("deploy").client_id(APP);
    let app = [GITHUB, PIPELINE, GOOGLE].into_iter().fold(app, |app, subject| {
        app.federated_credential(FederatedCredential::new("", subject))
    });
    Emulator::builder()
        .second_issuer()
        .app(app.grant(Emulator::GRAPH, "User.Read.All"))
        .start()
}

/// Returns the variables of the application, without a credential, and of a source.
fn all<'a>(emulator: &'a Emulator, source: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let own = [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", APP),
        ("PATH", "/usr/bin:/bin"),
    ];
    let source = source.iter().map(|(name, value)| (*name, value.as_str()));
    own.into_iter().chain(source).collect()
}

#[test]
fn github_actions_get_a_token() {
    let emulator = emulator();
    let source = emulator.assertion_environment(AssertionSource::GitHubActions);
    let words = ["token", "--resource", GRAPH, "--federated-source", "github-actions"];
    let output = run(&words, &all(&emulator, &source));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
    assert_eq!(claims.application_id(), Some(APP));
    assert!(!err(&output).contains(&source[1].1));
    // Outside of GitHub Actions.
    let output = run(&words, &all(&emulator, &[]));
    fails(&output, 4, &["ACTIONS_ID_TOKEN_REQUEST_URL is not set"]);
    let output = run(&[&words[..], &["--cache"]].concat(), &all(&emulator, &source));
    fails(&output, 2, &["--cache cannot be used with --federated-source"]);
}

#[test]
fn variable_and_command_hold_assertions() {
    let emulator = emulator();
    let token = emulator.assertion().token();
    let variable = [("CI_JOB_JWT", token.clone())];
    let words = ["token", "--resource", GRAPH, "--federated-token-variable"];
    let output = run(&[&words[..], &["CI_JOB_JWT"]].concat(), &all(&emulator, &variable));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = run(&[&words[..], &["OTHER"]].concat(), &all(&emulator, &variable));
    fails(&output, 4, &["OTHER is not set"]);

    let path = file("federation-command", &token);
    let command = format!("cat {}", path.display());
    let words = ["token", "--resource", GRAPH, "--federated-token-command"];
    let output = run(&[&words[..], &[&command]].concat(), &all(&emulator, &[]));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for (command, code) in [(" ", 2), ("false", 4), ("nosuchprogram", 4), ("echo no-token", 4)] {
        let output = run(&[&words[..], &[command]].concat(), &all(&emulator, &[]));
        assert_eq!(output.status.code(), Some(code), "{command}: {}", err(&output));
    }
}

#[test]
fn credentials_exclude_each_other() {
    let emulator = emulator();
    let credentials = [
        ["--secret-file", "x"],
        ["--certificate", "x"],
        ["--certificate-key", "x"],
        ["--federated-token-file", "x"],
        ["--federated-source", "github-actions"],
        ["--federated-token-variable", "x"],
        ["--federated-token-command", "x"],
        ["--federated-token-url", "https://a.example"],
    ];
    for (at, one) in credentials.iter().enumerate() {
        for other in &credentials[at + 1..] {
            if one[0] == "--certificate" && other[0] == "--certificate-key" {
                continue;
            }
            let words = [&["token", "--resource", GRAPH], &one[..], &other[..]].concat();
            fails(&run(&words, &all(&emulator, &[])), 2, &["cannot be used with", one[0]]);
        }
        for command in [&["token", "--resource", GRAPH, "--flow", "device-code"][..], &["login"]] {
            let words = [command, &["--public"], &one[..]].concat();
            fails(&run(&words, &all(&emulator, &[])), 2, &["cannot be used with", one[0]]);
        }
    }
}

#[test]
fn empty_source_does_not_choose_another_credential() {
    let emulator = emulator();
    let secret = [("AZURE_CLIENT_SECRET", "canary-8f3a".to_owned())];
    for option in [
        "--federated-token-variable",
        "--federated-token-command",
        "--federated-token-url",
    ] {
        let output = run(&["token", "--resource", GRAPH, option, ""], &all(&emulator, &secret));
        fails(&output, 2, &[&format!("{option} is empty")]);
    }
    assert_eq!(emulator.token_requests().len(), 0);
}

#[test]
fn azure_pipelines_get_a_token() {
    let emulator = emulator();
    let source = emulator.assertion_environment(AssertionSource::AzurePipelines);
    let words = ["token", "--resource", GRAPH, "--federated-source", "azure-pipelines"];
    let output = run(&words, &all(&emulator, &source));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
    assert_eq!(claims.application_id(), Some(APP));
    let token = &source[1].1;
    let output = run(&[&words[..], &["-vv"]].concat(), &all(&emulator, &source));
    assert!(!err(&output).contains(token), "{}", err(&output));
    for missing in 0..source.len() {
        let name = source[missing].0;
        let others: Vec<_> = source.iter().filter(|variable| variable.0 != name).cloned().collect();
        fails(&run(&words, &all(&emulator, &others)), 4, &[name]);
    }
}

/// The options for the metadata server of a Google machine.
fn google(emulator: &Emulator) -> Vec<String> {
    let path = "computeMetadata/v1/instance/service-accounts/default/identity";
    let url = format!("{}/{path}", emulator.base_url());
    let options = [
        "--federated-token-url",
        &url,
        "--federated-token-audience-parameter",
        "audience",
    ];
    options.map(str::to_owned).to_vec()
}

#[test]
fn url_issues_an_assertion() {
    let emulator = emulator();
    let options = google(&emulator);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let header = file("federation-header", "Metadata-Flavor: Google\n");
    let with_header = ["--federated-token-header-file", header.to_str().unwrap()];
    let words = [&["token", "--resource", GRAPH], &options[..], &with_header].concat();
    let output = run(&words, &all(&emulator, &[]));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
    assert_eq!(claims.application_id(), Some(APP));
    let show = [&["assertion", "--show"], &options[..], &with_header].concat();
    let output = run(&show, &all(&emulator, &[]));
    assert!(out(&output).contains(GOOGLE), "{}{}", out(&output), err(&output));
    let output = run(&[&words[..], &["--cache"]].concat(), &all(&emulator, &[]));
    fails(&output, 2, &["--cache cannot be used with --federated-token-url"]);
    // Without its header.
    fails(
        &run(&words[..words.len() - 2], &all(&emulator, &[])),
        4,
        &["its header"],
    );
}

#[test]
fn header_of_a_url_is_a_secret() {
    let emulator = emulator();
    let options = google(&emulator);
    let words = ["token", "--resource", GRAPH, "-vv"];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let words = [&words[..], &options].concat();
    for (text, code) in [
        ("Authorization: Bearer header-canary", 4),
        ("header-canary", 4),
        ("two words: header-canary", 4),
        ("Host: header-canary", 4),
        ("Authorization: header-canary\nX: y", 4),
        ("", 4),
    ] {
        let header = file("federation-secret-header", text);
        let with_header = ["--federated-token-header-file", header.to_str().unwrap()];
        let output = run(&[&words[..], &with_header].concat(), &all(&emulator, &[]));
        assert_eq!(output.status.code(), Some(code), "{text}: {}", err(&output));
        assert!(!err(&output).contains("header-canary"), "{}", err(&output));
        fs::remove_file(header).unwrap();
    }
    let stdin = ["--federated-token-header-file", "-"];
    let output = run(&[&words[..], &stdin].concat(), &all(&emulator, &[]));
    fails(&output, 2, &["cannot be standard input"]);
    for (more, text) in [
        (["--federated-token-header-file", "x"], "--federated-token-url"),
        (["--federated-token-pointer", "/value"], "--federated-token-url"),
    ] {
        let words = [&["token", "--resource", GRAPH][..], &more].concat();
        fails(&run(&words, &all(&emulator, &[])), 2, &[text]);
    }
    for url in ["http://a.example/token", "ftp://a.example", "x"] {
        let words = ["token", "--resource", GRAPH, "--federated-token-url", url];
        assert_eq!(run(&words, &all(&emulator, &[])).status.code(), Some(4), "{url}");
    }
}

#[test]
fn managed_identity_is_a_credential() {
    let imds = ManagedIdentitySource::Imds;
    // The same identities exist in each emulator. The first one tells what to register.
    let (issuer, identity) = {
        let emulator = Emulator::start();
        let identity = emulator.managed_identities()[1].clone();
        let words = ["token", "--managed-identity", "--resource", Emulator::TOKEN_EXCHANGE];
        let words = [&words[..], &["--identity-client-id", &identity.client_id]].concat();
        let output = run(&words, &all(&emulator, &emulator.managed_identity_environment(imds)));
        let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
        (claims.issuer().unwrap().to_owned(), identity)
    };
    let trusted = FederatedCredential::new(issuer, &identity.object_id);
    let app = App::new("deploy").client_id(APP).federated_credential(trusted);
    let emulator = Emulator::builder().app(app).start();
    let source = emulator.managed_identity_environment(imds);
    let words = ["token", "--resource", GRAPH, "--federated-source", "managed-identity"];
    let by_client_id = ["--identity-client-id", &identity.client_id];
    let output = run(&[&words[..], &by_client_id].concat(), &all(&emulator, &source));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
    assert_eq!(claims.application_id(), Some(APP));
    // The system-assigned identity is not the one that the application trusts.
    let output = run(&words, &all(&emulator, &source));
    fails(&output, 5, &["AADSTS"]);
    // An identity that the machine does not have fails before the application.
    let other = ["--identity-client-id", APP];
    let output = run(&[&words[..], &other].concat(), &all(&emulator, &source));
    fails(&output, 5, &["there is no token from the instance metadata service"]);
}

#[test]
fn assertion_is_shown_with_its_registration() {
    let emulator = emulator();
    let source = emulator.assertion_environment(AssertionSource::GitHubActions);
    // Neither a tenant nor a client ID is required.
    let variables: Vec<(&str, &str)> = source.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let words = ["assertion", "--show", "--federated-source", "github-actions"];
    let output = run(&words, &variables);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for text in [
        emulator.second_issuer_url().unwrap(),
        GITHUB,
        "api://AzureADTokenExchange",
        "registration",
        "\"audiences\"",
    ] {
        assert!(out(&output).contains(text), "{text}: {}", out(&output));
    }
    assert!(
        !out(&output).contains("eyJ") && !err(&output).contains("eyJ"),
        "{}",
        out(&output)
    );
    assert!(!out(&output).contains(&source[1].1) && !err(&output).contains(&source[1].1));

    let output = run(&[&words[..], &["-o", "json"]].concat(), &variables);
    let shown: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(shown["registration"]["issuer"], emulator.second_issuer_url().unwrap());
    assert_eq!(shown["registration"]["subject"], GITHUB);
    assert_eq!(
        shown["registration"]["audiences"],
        serde_json::json!(["api://AzureADTokenExchange"])
    );
    assert_eq!(
        (&shown["issuer"], &shown["subject"]),
        (&shown["registration"]["issuer"], &shown["registration"]["subject"])
    );
    assert!(shown["expires_on"].is_u64() && shown["problems"].is_array(), "{shown}");
    assert!(!out(&output).contains("eyJ"));
    fails(&run(&words[..1], &variables), 3, &["tenant"]);
    fails(
        &run(&["assertion", "--federated-source", "github-actions"], &variables),
        2,
        &["--show"],
    );
}

#[test]
fn problems_of_a_shown_assertion_are_warnings() {
    use base64::Engine as _;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let show = |claims: &str| {
        let token = format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256"}"#), part(claims));
        let path = file("federation-shown", &token);
        run(
            &["assertion", "--show", "--federated-token-file", path.to_str().unwrap()],
            &[],
        )
    };
    let claims = r#"{"iss":"https://token.actions.githubusercontent.com","sub":"repo:contoso/app:ref:refs/heads/main",
        "repository_owner_id":"7","repository_id":"8","aud":"sts.amazonaws.com","iat":1,"exp":2}"#;
    let output = show(claims);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for text in [
        "is not api://AzureADTokenExchange",
        "expired",
        "repo:contoso@7/app@8:ref:refs/heads/main",
    ] {
        assert!(err(&output).contains(text), "{text}: {}", err(&output));
    }
    assert!(
        out(&output).contains("GitHub Actions, repository contoso/app"),
        "{}",
        out(&output)
    );
    let output = show(r#"{"iss":"https://a.example","aud":"x"}"#);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert!(err(&output).contains("has no claim sub"), "{}", err(&output));
    let output = show("{\"iss\":\"a\\u001b[2J\",\"sub\":\"b\\nregistration\",\"aud\":\"x\"}");
    assert!(
        !out(&output).contains('\u{1b}') && !err(&output).contains('\u{1b}'),
        "{}",
        out(&output)
    );
    assert!(!out(&output).contains("c2lnbmF0dXJl"));
}

#[test]
fn doctor_checks_each_source() {
    let emulator = emulator();
    let source = emulator.assertion_environment(AssertionSource::GitHubActions);
    let words = [
        "doctor",
        "--resource",
        GRAPH,
        "-o",
        "json",
        "--federated-source",
        "github-actions",
    ];
    let output = run(&words, &all(&emulator, &source));
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    let check = |name: &str| {
        let checks = report["checks"].as_array().unwrap().iter();
        checks
            .clone()
            .find(|check| check["check"] == name)
            .unwrap_or_else(|| panic!("{report}"))
            .clone()
    };
    assert_eq!(check("credential")["found"], "the assertion of GitHub Actions");
    assert!(check("federated-token")["found"].as_str().unwrap().contains(GITHUB));
    assert_eq!(check("token-request")["status"], "ok", "{report}");
    assert!(!out(&output).contains("eyJ") && !out(&output).contains(&source[1].1));

    // A copy of a short-lived assertion.
    let variable = [("JWT", emulator.assertion().token())];
    let words = ["doctor", "--resource", GRAPH, "--federated-token-variable", "JWT"];
    let output = run(&words, &all(&emulator, &variable));
    assert!(
        out(&output).contains("issued for a few minutes only"),
        "{}",
        out(&output)
    );
}
