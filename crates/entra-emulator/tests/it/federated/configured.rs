//! The configuration of federated credentials.

use entra_emulator::{App, Config, EmulatorBuilder, FederatedCredential};
use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, SUBJECT, jwks, with};

/// Returns the problem of an application with these credentials.
fn problem(credentials: Value) -> String {
    let config = json!({"apps": [{"name": "daemon", "federated_credentials": credentials}]}).to_string();
    let built = Config::from_json(&config).and_then(|config| EmulatorBuilder::from(config).try_build());
    built.expect_err("a problem").to_string()
}

#[test]
fn both_spellings_are_read() {
    for config in [
        json!({"apps": [{"federated_credentials": [{
            "issuer": ISSUER, "claims_matching_expression": {"value": "claims['sub'] eq 'a'", "language_version": 1},
        }]}]}),
        json!({"apps": [{"federatedIdentityCredentials": [{
            "issuer": ISSUER, "claimsMatchingExpression": {"value": "claims['sub'] eq 'a'", "languageVersion": 1},
        }]}]}),
    ] {
        let config = Config::from_json(&config.to_string()).unwrap();
        let emulator = EmulatorBuilder::from(config).build();
        let credential = &emulator.apps()[0].federated_credentials[0];
        assert_eq!(credential.audiences, [AUDIENCE]);
        assert_eq!((credential.name.as_str(), credential.id.len()), ("federated0", 36));
    }
}

#[test]
fn invalid_credentials_are_rejected() {
    let expression = |value: &str| json!({"value": value});
    for (credential, member) in [
        (json!({"issuer": ISSUER}), "subject"),
        (json!({"issuer": ISSUER, "subject": ""}), "subject"),
        (json!({"issuer": ISSUER, "subject": " a"}), "subject"),
        (json!({"issuer": ISSUER, "subject": "a".repeat(601)}), "subject"),
        (
            json!({"issuer": ISSUER, "subject": "a", "claims_matching_expression": expression("claims['sub'] eq 'a'")}),
            "subject",
        ),
        (json!({"subject": "a"}), "issuer"),
        (json!({"issuer": "kubernetes/serviceaccount", "subject": "a"}), "issuer"),
        (json!({"issuer": "https://", "subject": "a"}), "issuer"),
        (json!({"issuer": "https://a.example?b", "subject": "a"}), "issuer"),
        (
            json!({"issuer": ISSUER, "subject": "a", "audiences": ["a", "b"]}),
            "audiences",
        ),
        (
            json!({"issuer": ISSUER, "subject": "a", "audiences": [""]}),
            "audiences",
        ),
        (json!({"issuer": ISSUER, "subject": "a", "name": "ab"}), "name"),
        (json!({"issuer": ISSUER, "subject": "a", "name": "a b c"}), "name"),
        (
            json!({"issuer": ISSUER, "claims_matching_expression": expression("claims['aud'] eq 'a'")}),
            "claims_matching_expression",
        ),
        (
            json!({"issuer": ISSUER, "claims_matching_expression": {"value": "claims['sub'] eq 'a'", "language_version": 2}}),
            "claims_matching_expression",
        ),
        (json!({"id": "x", "issuer": ISSUER, "subject": "a"}), "id"),
    ] {
        let problem = problem(json!([credential]));
        let place = format!("apps[0].federated_credentials[0].{member}");
        assert!(problem.contains(&place), "{credential}: {problem}");
    }
}

#[test]
fn credentials_are_distinct_and_at_most_twenty() {
    let many = |count: usize| (0..count).map(|at| json!({"issuer": ISSUER, "subject": at.to_string()}));
    let built = with((0..20).map(|at| FederatedCredential::new(ISSUER, at.to_string()))).try_build();
    assert_eq!(built.unwrap().apps()[0].federated_credentials.len(), 20);
    assert!(problem(many(21).collect()).contains("at most 20"));
    let same = json!({"issuer": ISSUER, "subject": SUBJECT});
    assert!(problem(json!([same, same])).contains("federated_credentials[1].subject"));
    let named = |subject: &str| json!({"issuer": ISSUER, "subject": subject, "name": "name"});
    assert!(problem(json!([named("a"), named("b")])).contains("federated_credentials[1].name"));
}

#[test]
fn public_client_has_no_federated_credential() {
    let app = App::new("cli").public_client();
    let app = app.federated_credential(FederatedCredential::new(ISSUER, SUBJECT));
    let problem = EmulatorBuilder::default().app(app).try_build().unwrap_err();
    assert!(problem.to_string().contains("public client"));
}

#[test]
fn key_sets_are_checked() {
    for set in [
        json!({}),
        json!({"keys": []}),
        json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}),
        json!({"keys": [{"kty": "EC", "n": "AQAB", "e": "AQAB"}]}),
        json!({"keys": vec![jwks()["keys"][1].clone(); 101]}),
    ] {
        let built = EmulatorBuilder::default().issuer_keys(ISSUER, set.clone()).try_build();
        assert!(built.unwrap_err().to_string().contains("issuer_keys[0].jwks"), "{set}");
    }
    let built = EmulatorBuilder::default().issuer_keys("issuer", jwks()).try_build();
    assert!(built.unwrap_err().to_string().contains("issuer_keys[0].issuer"));
    let twice = EmulatorBuilder::default().issuer_keys(ISSUER, jwks());
    assert!(twice.issuer_keys(ISSUER, jwks()).try_build().is_err());
}

#[test]
fn graph_lists_the_credentials_of_an_application() {
    let emulator = with([
        FederatedCredential::new(ISSUER, SUBJECT).name("main"),
        FederatedCredential::matching(ISSUER, "claims['sub'] matches 'tag:*'").name("tags"),
    ])
    .build();
    let graph = emulator.forge().api(entra_emulator::Emulator::GRAPH);
    let path = format!(
        "/v1.0/applications/{}/federatedIdentityCredentials",
        emulator.object_id()
    );
    let response = crate::support::get_as(&emulator, &path, &graph.clone().token());
    let body = crate::support::json_body(&response);
    assert_eq!(body["value"].as_array().map(Vec::len), Some(2), "{body}");
    let first = &body["value"][0];
    assert_eq!(
        (&first["name"], &first["issuer"], &first["subject"], &first["audiences"]),
        (&json!("main"), &json!(ISSUER), &json!(SUBJECT), &json!([AUDIENCE]))
    );
    assert!(body["value"][1]["subject"].is_null());
    let query = format!("{path}?$filter=name eq 'tags'&$select=name").replace(' ', "%20");
    let body = crate::support::json_body(&crate::support::get_as(&emulator, &query, &graph.clone().token()));
    assert_eq!(body["value"], json!([{"name": "tags"}]));
    let other = App::new("other").client_id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
    let emulator = with([FederatedCredential::new(ISSUER, SUBJECT)]).app(other).build();
    let forge = || {
        emulator
            .forge()
            .api(entra_emulator::Emulator::GRAPH)
            .roles(["User.Read.All"])
    };
    let path = format!(
        "/v1.0/applications/{}/federatedIdentityCredentials",
        emulator.object_id()
    );
    let status = |token: &str| crate::support::get_as(&emulator, &path, token).status();
    assert_eq!(status(&forge().token()), 200, "an application reads its own");
    assert_eq!(status(&forge().app("other").token()), 403);
}
