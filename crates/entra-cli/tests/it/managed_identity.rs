//! Managed identities: tokens of the platforms that the emulator imitates, and their errors.

use entra_emulator::{Emulator, Machine, ManagedIdentitySource};
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;

use crate::common::{GRAPH, command, err, fails, hints, out, run, variables};

const TOKEN: [&str; 4] = ["token", "--managed-identity", "--resource", GRAPH];

/// Returns the variables of a platform.
fn of(emulator: &Emulator, source: ManagedIdentitySource) -> Vec<(&'static str, String)> {
    emulator.managed_identity_environment(source)
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[track_caller]
fn application(token: &str) -> String {
    let claims = UnverifiedClaims::decode(token.trim()).unwrap();
    claims.application_id().unwrap().to_owned()
}

#[test]
fn each_platform_issues_a_token() {
    let emulator = Emulator::builder().service_fabric().start();
    for (source, name) in [
        (ManagedIdentitySource::Imds, "the instance metadata service"),
        (ManagedIdentitySource::AppService, "App Service"),
        (ManagedIdentitySource::AzureMl, "Azure Machine Learning"),
        (ManagedIdentitySource::CloudShell, "Cloud Shell"),
        (ManagedIdentitySource::ServiceFabric, "Service Fabric"),
    ] {
        let variables = of(&emulator, source);
        let output = run(&TOKEN, &borrowed(&variables));
        assert_eq!(output.status.code(), Some(0), "{source:?}: {}", err(&output));
        assert!(err(&output).contains(&format!("from {name}")), "{}", err(&output));
        UnverifiedClaims::decode(out(&output).trim()).unwrap();
        for (variable, value) in &variables {
            let is_secret = matches!(*variable, "IDENTITY_HEADER" | "MSI_SECRET");
            assert!(!is_secret || !err(&output).contains(value), "{variable}");
        }
    }
}

#[test]
fn key_of_azure_arc_is_read_from_its_own_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::builder()
        .machine(Machine::default().arc_tokens(folder.path()))
        .start();
    let variables = of(&emulator, ManagedIdentitySource::Arc);
    let output = run(&TOKEN, &borrowed(&variables));
    fails(&output, 9, &["Azure Arc", "no key file in"]);
    // The request with the key was never sent.
    assert_eq!(emulator.requests().len(), 1);
    let output = run(
        &["doctor", "--managed-identity", "--resource", GRAPH, "-o", "json"],
        &borrowed(&variables),
    );
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(report["checks"][0]["details"]["source"], "Azure Arc");
    assert_eq!(
        report["checks"][0]["details"]["evidence"],
        serde_json::json!(["IDENTITY_ENDPOINT", "IMDS_ENDPOINT"])
    );
}

#[test]
fn identity_is_chosen_by_each_id() {
    let emulator = Emulator::start();
    let [system, user, ..] = emulator.managed_identities() else {
        panic!("the emulator has two identities")
    };
    let variables = of(&emulator, ManagedIdentitySource::AppService);
    let variables = borrowed(&variables);
    let token = |more: &[&str]| {
        let output = run(&[&TOKEN, more].concat(), &variables);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        application(out(&output))
    };
    assert_eq!(token(&[]), system.client_id);
    for (option, id) in [
        ("--identity-client-id", &user.client_id),
        ("--identity-object-id", &user.object_id),
        ("--identity-resource-id", &user.resource_id),
    ] {
        assert_eq!(token(&[option, id]), user.client_id, "{option}");
    }
    let other = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let output = run(&[&TOKEN[..], &["--identity-client-id", other]].concat(), &variables);
    fails(&output, 5, &["there is no token from App Service", "assign"]);
}

#[test]
fn commands_with_a_token_accept_a_managed_identity() {
    let emulator = Emulator::start();
    let variables = of(&emulator, ManagedIdentitySource::AppService);
    let variables = borrowed(&variables);
    let succeeds = |words: &[&str]| {
        let output = run(words, &variables);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", err(&output));
        output
    };
    let url = format!("{}/v1.0/users", emulator.base_url());
    let called = succeeds(&["call", "GET", &url, "--managed-identity", "--resource", GRAPH]);
    assert!(out(&called).contains("\"value\""), "{}", out(&called));
    let words = ["exec", "--managed-identity", "--resource", GRAPH, "--"];
    let shown = succeeds(&[&words[..], &["/bin/sh", "-c", "printf %s \"$ENTRA_ACCESS_TOKEN\""]].concat());
    assert_eq!(application(out(&shown)), emulator.managed_identities()[0].client_id);
    let watched = succeeds(&[&TOKEN[..], &["--watch", "--count", "2", "--interval", "0.01"]].concat());
    assert!(err(&watched).contains("1 request"), "{}", err(&watched));
    let az = succeeds(&[&TOKEN[..], &["-o", "az"]].concat());
    let az: Value = serde_json::from_str(out(&az)).unwrap();
    assert_eq!(az["tenant"], emulator.tenant_id());
    let words = ["kube-credential", "--managed-identity", "--resource", GRAPH];
    let credential: Value = serde_json::from_str(out(&succeeds(&words))).unwrap();
    assert_eq!(credential["kind"], "ExecCredential");
}

#[test]
fn empty_id_does_not_choose_another_identity() {
    let emulator = Emulator::start();
    let variables = of(&emulator, ManagedIdentitySource::AppService);
    for option in ["--identity-client-id", "--identity-object-id", "--identity-resource-id"] {
        for empty in ["", " "] {
            let output = run(&[&TOKEN[..], &[option, empty]].concat(), &borrowed(&variables));
            fails(&output, 2, &[&format!("{option} is empty"), "system-assigned"]);
        }
    }
    assert_eq!(emulator.requests().len(), 0);
}

#[test]
fn options_of_applications_are_rejected() {
    let emulator = Emulator::start();
    let variables = of(&emulator, ManagedIdentitySource::AppService);
    let variables = borrowed(&variables);
    for (more, hint) in [
        (&["--client-id", "x"][..], "--identity-client-id"),
        (&["--tenant", "x"], "remove"),
        (&["--certificate", "x.pem"], "remove"),
        (&["--secret-file", "-"], "remove"),
        (&["--federated-source", "managed-identity"], "for an application"),
        (&["--region", "westeurope"], "remove"),
        (&["--v1"], "remove"),
        (&["--profile", "x"], "remove"),
        (&["--cache"], "cached on disk"),
        (&["--account"], "remove"),
        (&["--flow", "device-code"], "no user signs in"),
        (
            &["--agent", "aaaabbbb-0000-cccc-1111-dddd2222eeee"],
            "cannot be used with",
        ),
        (&["--secret", "x"], "AZURE_CLIENT_SECRET"),
        (
            &["--identity-client-id", "a", "--identity-object-id", "b"],
            "cannot be used with",
        ),
    ] {
        let output = run(&[&TOKEN, more].concat(), &variables);
        fails(&output, 2, &[hint]);
    }
    let output = run(&[&TOKEN[..], &["--identity-client-id", "no-guid"]].concat(), &variables);
    fails(
        &output,
        3,
        &["--identity-client-id is not a GUID", "of the managed identity"],
    );
    let words = ["token", "--resource", GRAPH, "--identity-client-id", "x"];
    fails(
        &run(&words, &variables),
        2,
        &["requires a managed identity", "--managed-identity"],
    );
    assert_eq!(emulator.requests().len(), 0);
    // Variables of an application have no effect.
    let all = [&variables[..], &[("AZURE_TENANT_ID", "x"), ("AZURE_CLIENT_ID", "y")]].concat();
    assert!(run(&TOKEN, &all).status.success());
}

#[test]
fn invalid_variable_of_a_platform_is_a_setting() {
    for (endpoint, expected) in [
        ("ftp://127.0.0.1/", "IDENTITY_ENDPOINT"),
        ("http://203.0.113.1/", "IDENTITY_ENDPOINT"),
    ] {
        let variables = [("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", "canary-8f3a")];
        let output = run(&[&TOKEN[..], &["-o", "json"]].concat(), &variables);
        fails(&output, 3, &[expected]);
        assert!(!err(&output).contains("canary"), "{}", err(&output));
        let failure: Value = serde_json::from_str(err(&output).lines().last().unwrap()).unwrap();
        assert_eq!(
            (&failure["kind"], &failure["exit_code"]),
            (&"configuration".into(), &3.into())
        );
        assert!(!hints(&failure).is_empty());
    }
}

#[test]
fn refusal_of_a_platform_is_data() {
    let emulator = Emulator::start();
    let variables = of(&emulator, ManagedIdentitySource::Imds);
    let words = [
        &TOKEN[..],
        &[
            "-o",
            "json",
            "--identity-client-id",
            "aaaabbbb-0000-cccc-1111-dddd2222eeee",
        ],
    ]
    .concat();
    let output = run(&words, &borrowed(&variables));
    fails(&output, 5, &["Identity not found"]);
    let failure: Value = serde_json::from_str(err(&output).lines().last().unwrap()).unwrap();
    assert_eq!(failure["kind"], "rejected");
    assert_eq!(failure["oauth_error"], "invalid_request");
    assert_eq!(failure["status"], 400);
    assert_eq!(failure["retryable"], false);
}

#[test]
fn doctor_explains_the_source() {
    let emulator = Emulator::start();
    let words = ["doctor", "--managed-identity", "--resource", GRAPH];
    let variables = of(&emulator, ManagedIdentitySource::AppService);
    let output = run(&words, &borrowed(&variables));
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert!(
        out(&output)
            .contains("the system-assigned identity from App Service: IDENTITY_ENDPOINT and IDENTITY_HEADER are set"),
        "{}",
        out(&output)
    );
    let output = run(&[&words[..], &["-o", "json"]].concat(), &borrowed(&variables));
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    let check = &report["checks"][0];
    assert_eq!(check["check"], "identity");
    assert_eq!(check["details"]["source"], "App Service");
    assert_eq!(
        check["details"]["evidence"],
        serde_json::json!(["IDENTITY_ENDPOINT", "IDENTITY_HEADER"])
    );
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    for name in ["target", "network", "token-request", "audience", "roles", "lifetime"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for (_, value) in &variables {
        assert!(!out(&output).contains(value), "{}", out(&output));
    }

    let other = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let output = run(
        &[&words[..], &["--identity-client-id", other]].concat(),
        &borrowed(&variables),
    );
    assert_eq!(output.status.code(), Some(5), "{}", out(&output));
    assert!(out(&output).contains("assign the identity"), "{}", out(&output));
}

#[test]
fn doctor_names_a_managed_identity_that_is_not_used() {
    let emulator = Emulator::start();
    let platform = of(&emulator, ManagedIdentitySource::AppService);
    let all = variables(&emulator);
    let without_credential = [&all[..3], &borrowed(&platform)].concat();
    let output = run(&["doctor", "--resource", GRAPH], &without_credential);
    assert_eq!(output.status.code(), Some(4), "{}", out(&output));
    assert!(
        out(&output).contains("--managed-identity (App Service: IDENTITY_ENDPOINT and IDENTITY_HEADER are set)"),
        "{}",
        out(&output)
    );
    let output = run(&["doctor", "--resource", GRAPH], &all[..3]);
    assert!(!out(&output).contains("--managed-identity"), "{}", out(&output));
}

#[test]
fn doctor_rejects_an_identity_that_is_not_used() {
    let output = command(&["doctor", "--identity-object-id", "x"], &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", out(&output));
    assert!(out(&output).contains("requires a managed identity"), "{}", out(&output));
}

#[test]
fn doctor_explains_a_machine_without_managed_identities() {
    let words = ["doctor", "--managed-identity", "--resource", GRAPH, "--timeout", "2"];
    let output = run(&words, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(7), "{}", out(&output));
    for text in [
        "the environment names no other source",
        "on a machine or service of Azure",
    ] {
        assert!(out(&output).contains(text), "{text}: {}", out(&output));
    }
}
