//! The checks of an assertion that matches a credential: times, key and signature.

use std::time::Duration;

use entra_emulator::{App, Defect, Emulator, FederatedCredential, ManagedIdentity, SignatureAlgorithm, Tenant};
use serde_json::Value;

use super::{AUDIENCE, ISSUER, SUBJECT, emulator, sent, with};
use crate::support::assertion::{NOW, SCOPE, TYPE, accepted, builder, rejected, send};
use crate::support::{claims, form, json_body};

#[test]
fn assertion_is_accepted_within_its_times_only() {
    let emulator = emulator();
    accepted(&sent(&emulator, |draft| draft.claim("nbf", Value::Null)));
    let day = 24 * 3_600;
    accepted(&sent(&emulator, |draft| draft.claim("exp", NOW + day + 3_600)));
    rejected(&sent(&emulator, |draft| draft.claim("exp", NOW + day + 3_601)), 70023);
    rejected(&sent(&emulator, |draft| draft.claim("exp", NOW - 301)), 700024);
    rejected(&sent(&emulator, |draft| draft.claim("exp", Value::Null)), 700024);
    rejected(&sent(&emulator, |draft| draft.claim("nbf", NOW + 301)), 700024);
    rejected(&sent(&emulator, |draft| draft.claim("exp", "soon")), 50027);
    emulator.clock().advance(Duration::from_secs(601));
    rejected(&sent(&emulator, |draft| draft), 700024);
}

#[test]
fn only_rs256_of_a_published_key_is_accepted() {
    let emulator = emulator();
    rejected(&sent(&emulator, |draft| draft.header("alg", "PS256")), 5002738);
    rejected(&sent(&emulator, |draft| draft.header("alg", "ES256")), 5002738);
    rejected(&sent(&emulator, |draft| draft.header("alg", "none")), 5002738);
    rejected(&sent(&emulator, |draft| draft.header("alg", Value::Null)), 50027);
    rejected(&sent(&emulator, |draft| draft.header("crit", "x")), 50027);
    let text = rejected(&sent(&emulator, |draft| draft.header("kid", "key-2")), 7000272);
    assert!(text.contains("key-2") && text.contains(ISSUER), "{text}");
    rejected(&sent(&emulator, |draft| draft.header("kid", "other")), 7000272);
    rejected(&sent(&emulator, |draft| draft.header("kid", 1)), 50027);
    rejected(&sent(&emulator, |draft| draft.with_next_key()), 700027);
    // Without the name of a key, every key of the issuer is tried.
    accepted(&sent(&emulator, |draft| draft.header("kid", Value::Null)));
    rejected(
        &sent(&emulator, |draft| draft.header("kid", Value::Null).with_next_key()),
        700027,
    );
}

#[test]
fn unknown_keys_are_not_fetched_without_a_socket() {
    let emulator = with([FederatedCredential::new("https://issuer.example", SUBJECT)]).build();
    let text = rejected(
        &sent(&emulator, |draft| draft.claim("iss", "https://issuer.example")),
        50166,
    );
    assert!(text.contains("'https://issuer.example'"), "{text}");
}

/// Returns an emulator with the second issuer and the default applications.
fn second() -> Emulator {
    Emulator::builder().second_issuer().build()
}

#[test]
fn second_issuer_authenticates_the_default_application() {
    let emulator = second();
    let issue = || emulator.assertion();
    accepted(&send(&emulator, &issue().token()));
    accepted(&send(
        &emulator,
        &issue().subject("sc://contoso/app/connection").token(),
    ));
    for (assertion, code) in [
        (issue().subject("repo:contoso/app:pull_request").token(), 700213),
        (issue().audience("api://other").token(), 700212),
        (issue().claim("iss", "https://other.example").token(), 700211),
        (issue().lifetime(Duration::from_secs(90_001)).token(), 70023),
        (issue().unpublished_key().token(), 7000272),
        (issue().defect(Defect::BadSignature).token(), 700027),
        (issue().algorithm(SignatureAlgorithm::Ps256).token(), 5002738),
        (issue().without_claim("sub").token(), 90014),
        (issue().without_header("alg").token(), 50027),
    ] {
        rejected(&send(&emulator, &assertion), code);
    }
    // The keys of Entra do not sign for another issuer.
    let forged = emulator
        .forge()
        .claim("iss", emulator.second_issuer_url().unwrap())
        .claim("sub", "repo:contoso/app:ref:refs/heads/main")
        .claim("aud", "api://AzureADTokenExchange")
        .token();
    rejected(&send(&emulator, &forged), 7000272);
}

#[test]
fn second_issuer_is_off_by_default() {
    let result = builder(App::new("a").federated_credential(FederatedCredential::new("", "subject"))).try_build();
    assert!(result.unwrap_err().to_string().contains("issuer"));
}

/// The token of a user-assigned managed identity, which a credential names by its principal ID.
#[test]
fn managed_identity_authenticates_an_application() {
    let identity = ManagedIdentity::user_assigned("collector").object_id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
    let tenant = "11111111-2222-3333-4444-555555555555";
    let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let credential = FederatedCredential::new(&issuer, "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
    let app = App::new("daemon")
        .without_secrets()
        .federated_credential(credential.clone());
    let by_id = App::new("by-id").federated_credential(credential.audience("fb60f99c-7a34-4190-8149-302f77469936"));
    let plain = App::new("plain").secret("s3cret");
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.example").id(tenant))
        .managed_identity(ManagedIdentity::system_assigned())
        .managed_identity(identity)
        .app(app)
        .app(by_id)
        .app(plain)
        .build();
    let token_of = |more: &str| {
        let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={AUDIENCE}{more}");
        let request = http::Request::get(path).header("metadata", "true");
        let body = json_body(&emulator.handle(request.body(Vec::new()).unwrap()));
        body["access_token"].as_str().unwrap().to_owned()
    };
    let token = token_of("&object_id=aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
    assert_eq!(
        claims(&serde_json::json!({"access_token": token}))["aud"],
        "fb60f99c-7a34-4190-8149-302f77469936"
    );
    let response = send(&emulator, &token);
    accepted(&response);
    let send_as = |app: &str, assertion: &str| {
        let body = form(
            &emulator,
            &[
                ("client_id", &emulator.app(app).unwrap().client_id),
                ("client_secret", "-"),
                ("client_assertion", assertion),
                ("client_assertion_type", TYPE),
                ("scope", SCOPE),
            ],
        );
        crate::support::token(&emulator, "v2.0/token", &body)
    };
    // The audience is registered as its URI.
    rejected(&send_as("by-id", &token), 700214);
    rejected(&send(&emulator, &token_of("")), 700213);
}

/// Tokens of this service that are not those of a user-assigned managed identity.
#[test]
fn other_tokens_of_entra_are_rejected() {
    let tenant = "11111111-2222-3333-4444-555555555555";
    let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let app = App::new("daemon").federated_credential(FederatedCredential::new(issuer, "subject"));
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.example").id(tenant))
        .app(app)
        .build();
    let forge = || emulator.forge().api(Emulator::TOKEN_EXCHANGE).claim("sub", "subject");
    let identity = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    accepted(&send(&emulator, &forge().claim("xms_mirid", identity).token()));
    let machine = "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/m";
    for (token, code) in [
        (forge().token(), 700222),
        (forge().claim("xms_mirid", machine).token(), 700222),
        (forge().claim("scp", "a").claim("xms_mirid", identity).token(), 700229),
        (
            forge().claim("idtyp", "user").claim("xms_mirid", identity).token(),
            700229,
        ),
        (
            forge().claim("xms_ficinfo", "a").claim("xms_mirid", identity).token(),
            700231,
        ),
        (
            forge()
                .claim("xms_mirid", identity)
                .defect(Defect::BadSignature)
                .token(),
            700027,
        ),
        (forge().claim("xms_mirid", identity).unpublished_key().token(), 7000272),
        (
            forge().claim("xms_mirid", identity).defect(Defect::Expired).token(),
            700024,
        ),
    ] {
        rejected(&send(&emulator, &token), code);
    }
}
