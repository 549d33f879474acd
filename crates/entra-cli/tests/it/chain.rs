//! The chain of credentials that the environment names.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use entra_emulator::{Emulator, ManagedIdentitySource};
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;

use crate::common::{GRAPH, err, fails, file, out, run, variables};

const TOKEN: [&str; 4] = ["token", "--chain", "--resource", GRAPH];

/// The address of instance metadata at which nothing responds.
const NO_IMDS: (&str, &str) = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");

/// Returns the variables of a platform with managed identities.
fn platform(emulator: &Emulator) -> Vec<(&'static str, String)> {
    emulator.managed_identity_environment(ManagedIdentitySource::AppService)
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[track_caller]
fn application(words: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(words, variables);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
    claims.application_id().unwrap().to_owned()
}

#[test]
fn first_credential_of_the_environment_is_used() {
    let emulator = Emulator::start();
    let system = &emulator.managed_identities()[0].client_id;
    let (own, platform) = (variables(&emulator), platform(&emulator));
    let both = [&own[..], &borrowed(&platform)].concat();
    assert_eq!(application(&TOKEN, &both), emulator.client_id());
    let output = run(&TOKEN, &both);
    assert!(
        err(&output).contains(&format!("from {}", emulator.base_url())),
        "{}",
        err(&output)
    );

    assert_eq!(application(&TOKEN, &borrowed(&platform)), *system);
    let output = run(&[&TOKEN[..], &["-v"]].concat(), &borrowed(&platform));
    for text in [
        "from App Service",
        "environment is absent",
        "managed identity was chosen",
    ] {
        assert!(err(&output).contains(text), "{text}: {}", err(&output));
    }
    // A single credential is not a chain.
    let pinned = [&both[..], &[("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")]].concat();
    let unnamed: Vec<_> = pinned
        .into_iter()
        .filter(|(name, _)| *name != "AZURE_CLIENT_ID")
        .collect();
    assert_eq!(application(&TOKEN, &unnamed), *system);
    assert!(err(&run(&TOKEN, &unnamed)).contains("from App Service"));
}

#[test]
fn program_of_a_developer_is_used_if_it_is_selected() {
    let folder = tempfile::tempdir().unwrap();
    let az = folder.path().join("az");
    fs::write(
        &az,
        "#!/bin/sh\necho '{\"accessToken\":\"of-az\",\"expires_on\":4070908800}'\n",
    )
    .unwrap();
    fs::set_permissions(&az, fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let output = run(&TOKEN, &[("AZURE_TOKEN_CREDENTIALS", "dev"), ("PATH", &path)]);
    assert_eq!(
        (output.status.code(), out(&output).trim()),
        (Some(0), "of-az"),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains("from Azure CLI"), "{}", err(&output));
    // It is never part of the default.
    let output = run(&TOKEN, &[("PATH", &path), NO_IMDS]);
    assert_eq!(output.status.code(), Some(4), "{}", err(&output));
}

#[test]
fn commands_with_a_token_accept_a_chain() {
    let emulator = Emulator::start();
    let variables = variables(&emulator);
    let succeeds = |words: &[&str]| {
        let output = run(words, &variables);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", err(&output));
        output
    };
    let url = format!("{}/v1.0/users", emulator.base_url());
    let called = succeeds(&["call", "GET", &url, "--chain", "--resource", GRAPH]);
    assert!(out(&called).contains("\"value\""), "{}", out(&called));
    let words = ["exec", "--chain", "--resource", GRAPH, "--"];
    let shown = succeeds(&[&words[..], &["/bin/sh", "-c", "printf %s \"$ENTRA_ACCESS_TOKEN\""]].concat());
    UnverifiedClaims::decode(out(&shown)).unwrap();
    let watched = succeeds(&[&TOKEN[..], &["--watch", "--count", "2", "--interval", "0.01"]].concat());
    assert!(err(&watched).contains("1 request"), "{}", err(&watched));
    let credential = succeeds(&["kube-credential", "--chain", "--resource", GRAPH]);
    let credential: Value = serde_json::from_str(out(&credential)).unwrap();
    assert_eq!(credential["kind"], "ExecCredential");
}

#[test]
fn rejected_credential_is_not_replaced() {
    let emulator = Emulator::start();
    let mut own = variables(&emulator);
    own[3].1 = "wrong-secret-canary";
    let platform = platform(&emulator);
    let output = run(&TOKEN, &[&own[..], &borrowed(&platform)].concat());
    fails(&output, 5, &["AADSTS7000215"]);
    assert!(!err(&output).contains("canary"), "{}", err(&output));
    assert!(
        emulator
            .requests()
            .iter()
            .all(|request| !request.path.contains("/msi/"))
    );
    // An incomplete one is an error, too.
    let output = run(&TOKEN, &[&own[2..4], &borrowed(&platform)].concat());
    fails(&output, 3, &["AZURE_TENANT_ID"]);
}

#[test]
fn chain_without_a_credential_says_why() {
    let output = run(&[&TOKEN[..], &["-o", "json"]].concat(), &[NO_IMDS]);
    fails(
        &output,
        4,
        &[
            "no credential is available",
            "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set",
            "AZURE_FEDERATED_TOKEN_FILE is not set",
            "managed identity is absent",
        ],
    );
    let failure: Value = serde_json::from_str(err(&output).lines().last().unwrap()).unwrap();
    assert_eq!(failure["kind"], "credential");
}

#[test]
fn chain_reads_only_variables() {
    let emulator = Emulator::start();
    let variables = variables(&emulator);
    for (more, hint) in [
        (&["--client-id", "x"][..], "set AZURE_CLIENT_ID"),
        (&["--tenant", "x"], "set AZURE_TENANT_ID"),
        (&["--authority-host", "public"], "set AZURE_AUTHORITY_HOST"),
        (&["--certificate", "x.pem"], "set AZURE_CLIENT_CERTIFICATE_PATH"),
        (&["--secret-file", "-"], "set AZURE_CLIENT_SECRET"),
        (&["--federated-token-file", "x"], "set AZURE_FEDERATED_TOKEN_FILE"),
        (&["--federated-source", "managed-identity"], "remove"),
        (&["--identity-object-id", "x"], "remove"),
        (&["--region", "westeurope"], "remove"),
        (&["--v1"], "remove"),
        (&["--capability", "cp1"], "remove"),
        (&["--profile", "x"], "remove"),
        (&["--cache"], "cached on disk"),
        (&["--account"], "remove"),
        (&["--flow", "device-code"], "no user signs in"),
        (&["--managed-identity"], "cannot be used with"),
        (&["--secret", "x"], "AZURE_CLIENT_SECRET"),
    ] {
        fails(&run(&[&TOKEN, more].concat(), &variables), 2, &[hint]);
    }
    assert_eq!(emulator.requests().len(), 0);
}

#[test]
fn token_proxy_of_the_cluster_is_used() {
    let emulator = Emulator::builder().second_issuer().start();
    let token = file("chain-token", &emulator.assertion().token());
    let own = variables(&emulator);
    let workload = [
        own[0],
        own[1],
        own[2],
        ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap()),
        ("AZURE_KUBERNETES_TOKEN_PROXY", "https://127.0.0.1:1"),
    ];
    let output = run(&TOKEN, &workload);
    assert_eq!(output.status.code(), Some(7), "{}", err(&output));
    assert_eq!(emulator.token_requests().len(), 0);
    let output = run(
        &TOKEN,
        &[&workload[..4], &[("AZURE_KUBERNETES_TOKEN_PROXY", "http://x")]].concat(),
    );
    fails(&output, 3, &["AZURE_KUBERNETES_TOKEN_PROXY"]);
}

/// Runs `entra doctor --chain -o json`, and returns its exit code and its checks.
fn doctor(variables: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let words = ["doctor", "--chain", "--resource", GRAPH, "--timeout", "5", "-o", "json"];
    let output = run(&words, variables);
    let report: Value = serde_json::from_str(out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
    assert!(!out(&output).contains("canary"), "{}", out(&output));
    (output.status.code(), report["checks"].as_array().unwrap().clone())
}

fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let mut named = checks.iter().filter(|check| check["check"] == name);
    named.next().unwrap_or_else(|| panic!("{name}: {checks:?}"))
}

/// Returns the states of the members of a chain.
fn states(checks: &[Value]) -> Vec<&str> {
    let members = check(checks, "chain")["details"]["members"].as_array().unwrap();
    members.iter().map(|member| member["state"].as_str().unwrap()).collect()
}

#[test]
fn doctor_explains_the_choice() {
    let emulator = Emulator::start();
    let (own, platform) = (variables(&emulator), platform(&emulator));
    let (code, checks) = doctor(&own);
    assert_eq!((code, states(&checks)), (Some(0), vec!["used", "untried", "untried"]));
    assert_eq!(check(&checks, "chain")["details"]["used"], "environment");

    let (code, checks) = doctor(&borrowed(&platform));
    assert_eq!((code, states(&checks)), (Some(0), vec!["absent", "absent", "used"]));
    let first = &check(&checks, "chain")["details"]["members"][0];
    assert_eq!(
        first["reason"],
        "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set"
    );
    assert_eq!(
        first["hint"],
        "set AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH"
    );
    assert_eq!(check(&checks, "identity")["details"]["source"], "App Service");
    for name in ["target", "network", "token-request", "audience", "lifetime"] {
        check(&checks, name);
    }
    let output = run(&["doctor", "--chain", "--resource", GRAPH], &borrowed(&platform));
    for text in [
        "environment is absent (neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set)",
        "managed identity is used",
        "from App Service",
    ] {
        assert!(out(&output).contains(text), "{text}: {}", out(&output));
    }

    let pinned = ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential");
    let (code, checks) = doctor(&[&borrowed(&platform)[..], &[pinned]].concat());
    assert_eq!((code, states(&checks)), (Some(0), vec!["used"]));
    assert_eq!(check(&checks, "chain")["source"]["name"], "AZURE_TOKEN_CREDENTIALS");
}

#[test]
fn doctor_tells_a_failing_member_from_absent_ones() {
    let emulator = Emulator::start();
    let mut own = variables(&emulator);
    own[3].1 = "wrong-secret-canary";
    let platform = platform(&emulator);
    let (code, checks) = doctor(&[&own[..], &borrowed(&platform)].concat());
    assert_eq!((code, states(&checks)), (Some(5), vec!["failed", "untried", "untried"]));
    assert_eq!(check(&checks, "chain")["status"], "ok");
    assert_eq!(check(&checks, "token-request")["status"], "fail");

    let other = ("AZURE_CLIENT_ID", "aaaabbbb-0000-cccc-1111-dddd2222eeee");
    let (code, checks) = doctor(&[&borrowed(&platform)[..], &[other]].concat());
    assert_eq!((code, states(&checks)), (Some(5), vec!["absent", "absent", "failed"]));

    let (code, checks) = doctor(&[NO_IMDS]);
    assert_eq!((code, states(&checks)), (Some(4), vec!["absent", "absent", "absent"]));
    assert_eq!(check(&checks, "chain")["status"], "fail");
    assert_eq!(check(&checks, "token-request")["status"], "skipped");

    // Variables that do not fit together are not a chain, and the other checks run.
    let (code, checks) = doctor(&[own[3]]);
    assert_eq!(code, Some(3));
    assert!(
        check(&checks, "chain")["found"]
            .as_str()
            .unwrap()
            .contains("AZURE_TENANT_ID")
    );
    assert_eq!(check(&checks, "network")["status"], "ok");
    let output = run(&["doctor", "--chain", "--tenant", "x"], &own);
    fails(&output, 2, &["set AZURE_TENANT_ID"]);
}

#[test]
fn region_of_the_environment_is_obeyed() {
    let emulator = Emulator::start();
    let own = variables(&emulator);
    let imds = emulator.managed_identity_environment(ManagedIdentitySource::Imds);
    let with = |region| [&own[..], &borrowed(&imds), &[("AZURE_REGIONAL_AUTHORITY_NAME", region)]].concat();
    // An emulator has no regions: the machine's one does not matter, and a named one is an error.
    let output = run(&TOKEN, &with("TryAutoDetect"));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let asked = |emulator: &Emulator| {
        emulator
            .requests()
            .iter()
            .filter(|request| request.path.contains("/instance"))
            .count()
    };
    assert_eq!(asked(&emulator), 1);
    for name in ["westeurope", "evil.com/"] {
        fails(&run(&TOKEN, &with(name)), 3, &["AZURE_REGIONAL_AUTHORITY_NAME"]);
    }
    assert_eq!(asked(&emulator), 1);
}
