//! The credential that an assertion matches.

use entra_emulator::FederatedCredential;
use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, SUBJECT, draft, emulator, sent, with};
use crate::support::assertion::{accepted, rejected, send};
use crate::support::{claims, json_body};

#[test]
fn matching_assertion_gets_a_token() {
    let emulator = emulator();
    let response = sent(&emulator, |draft| draft);
    accepted(&response);
    let claims = claims(&json_body(&response));
    assert_eq!(claims["appid"], emulator.client_id());
    assert_eq!(claims["appidacr"], "2");
    let event = emulator.requests().pop().unwrap();
    assert!(!format!("{event:?}").contains(&draft(&emulator).sign()));
}

/// Each member alone decides the code.
#[test]
fn each_mismatch_has_its_own_code() {
    for (claim, value, code) in [
        ("iss", "https://token.actions.githubusercontent.com/", 700211),
        ("iss", "https://TOKEN.actions.githubusercontent.com", 700211),
        ("iss", "https://other.example", 700211),
        ("sub", "repo:contoso/app:ref:refs/heads/dev", 700213),
        ("sub", "repo:contoso/app:ref:refs/heads/main ", 700213),
        ("sub", "repo:Contoso/app:ref:refs/heads/main", 7002138),
        ("aud", "api://azureadtokenexchange", 700212),
        ("aud", "https://github.com/contoso", 700212),
        ("aud", "fb60f99c-7a34-4190-8149-302f77469936", 700212),
    ] {
        let text = rejected(&sent(&emulator(), |draft| draft.claim(claim, value)), code);
        assert!(text.contains(&format!("'{value}'")), "{text}");
    }
}

#[test]
fn missing_and_malformed_claims_are_rejected() {
    let emulator = emulator();
    for (claim, value, code) in [
        ("sub", Value::Null, 90014),
        ("sub", json!(1), 50027),
        ("aud", Value::Null, 90014),
        ("aud", json!({}), 50027),
        ("aud", json!([]), 90014),
        ("iss", Value::Null, 90014),
    ] {
        rejected(&sent(&emulator, |draft| draft.claim(claim, value.clone())), code);
    }
}

/// Tokens of a cluster have a list of audiences.
#[test]
fn audience_may_be_a_list() {
    let emulator = emulator();
    accepted(&sent(&emulator, |draft| draft.claim("aud", json!([AUDIENCE]))));
    accepted(&sent(&emulator, |draft| {
        draft.claim("aud", json!(["https://cluster.example", AUDIENCE]))
    }));
    rejected(&sent(&emulator, |draft| draft.claim("aud", json!(["a", "b"]))), 700212);
}

#[test]
fn members_of_different_credentials_do_not_add_up() {
    let emulator = with([
        FederatedCredential::new(ISSUER, SUBJECT),
        FederatedCredential::new(ISSUER, "other").audience("api://other"),
    ])
    .build();
    accepted(&sent(&emulator, |draft| draft));
    accepted(&sent(&emulator, |draft| {
        draft.claim("sub", "other").claim("aud", "api://other")
    }));
    let text = rejected(&sent(&emulator, |draft| draft.claim("sub", "other")), 70021);
    assert!(text.contains("'other'") && text.contains(AUDIENCE), "{text}");
}

#[test]
fn flexible_credential_matches_claims() {
    let emulator = with([FederatedCredential::matching(
        ISSUER,
        "claims['sub'] matches 'repo:contoso/*:ref:refs/heads/?ain' and \
         claims['job_workflow_ref'] eq 'contoso/ci/.github/workflows/build.yml@refs/heads/main'",
    )])
    .build();
    let workflow = "contoso/ci/.github/workflows/build.yml@refs/heads/main";
    let of = |subject: &str, workflow: Value| {
        sent(&emulator, |draft| {
            draft.claim("sub", subject).claim("job_workflow_ref", workflow)
        })
    };
    accepted(&of(SUBJECT, json!(workflow)));
    accepted(&of("repo:contoso/a/b:ref:refs/heads/gain", json!(workflow)));
    for (subject, workflow) in [
        (SUBJECT, Value::Null),
        (SUBJECT, json!(workflow.to_uppercase())),
        ("repo:contoso/app:ref:refs/heads/ain", json!(workflow)),
        ("repo:fabrikam/app:ref:refs/heads/main", json!(workflow)),
        ("xrepo:contoso/app:ref:refs/heads/main", json!(workflow)),
    ] {
        rejected(&of(subject, workflow), 7002131);
    }
}

#[test]
fn exact_and_flexible_credentials_stand_side_by_side() {
    let emulator = with([
        FederatedCredential::new(ISSUER, SUBJECT),
        FederatedCredential::matching(ISSUER, "claims['sub'] matches 'tag:*'"),
    ])
    .build();
    accepted(&sent(&emulator, |draft| draft));
    accepted(&sent(&emulator, |draft| draft.claim("sub", "tag:1")));
    rejected(&sent(&emulator, |draft| draft.claim("sub", "no")), 7002131);
    rejected(
        &sent(&emulator, |draft| draft.claim("sub", SUBJECT.to_uppercase())),
        7002138,
    );
}

#[test]
fn credential_counts_for_its_own_application_only() {
    let other = entra_emulator::App::new("other").without_secrets();
    let emulator = with([FederatedCredential::new(ISSUER, SUBJECT)]).app(other).build();
    let assertion = draft(&emulator).sign();
    accepted(&send(&emulator, &assertion));
    let other = emulator.app("other").unwrap().client_id.clone();
    let body = crate::support::form(
        &emulator,
        &[
            ("client_id", &other),
            ("client_secret", "-"),
            ("client_assertion", &assertion),
            ("client_assertion_type", crate::support::assertion::TYPE),
            ("scope", crate::support::assertion::SCOPE),
        ],
    );
    rejected(&crate::support::token(&emulator, "v2.0/token", &body), 700211);
}
