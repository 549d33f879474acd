//! What the recorder and the control API show of requests for tokens of managed identities.

use entra_emulator::{Lint, ManagedIdentitySource};
use serde_json::json;

use crate::managed_identity::{Asked, CLIENT_ID, VAULT, emulator};
use crate::support::control::{get_ok, post_ok};
use crate::support::get;

const SOURCE: ManagedIdentitySource = ManagedIdentitySource::AppService;

#[test]
fn control_api_lists_the_identity_and_no_secret() {
    let emulator = emulator();
    let secret = emulator.managed_identity_environment(SOURCE)[1].1.clone();
    Asked::new(&emulator, SOURCE).with("client_id", CLIENT_ID).body();
    // A secret in any parameter is exposed, whatever its name.
    Asked::new(&emulator, SOURCE).with("note", &secret).body();
    Asked::new(&emulator, SOURCE).with("resource", &secret).send();
    let listed = get_ok(&emulator, "/v1/requests");
    let first = &listed["requests"][0];
    assert_eq!(first["purpose"], "managed_identity");
    assert_eq!(
        (&first["client_id"], &first["target"]),
        (&json!(CLIENT_ID), &json!(VAULT))
    );
    assert!(!listed.to_string().contains(&secret), "{listed}");
    let page = get(&emulator, "/");
    assert!(!String::from_utf8_lossy(page.body()).contains(&secret));
    for event in &emulator.requests()[1..] {
        assert!(event.lints.contains(&Lint::SecretInUrl), "{event}");
        assert!(!event.to_string().contains(&secret));
    }
}

#[test]
fn control_api_scripts_faults_of_a_source() {
    let emulator = emulator();
    let fault = json!({"status": 410, "times": 2, "path": "/metadata/identity"});
    post_ok(&emulator, "/v1/faults", fault);
    let imds = || {
        Asked::new(&emulator, ManagedIdentitySource::Imds)
            .send()
            .status()
            .as_u16()
    };
    assert_eq!(Asked::new(&emulator, SOURCE).send().status(), 200);
    assert_eq!([imds(), imds(), imds()], [410, 410, 200]);
}

#[test]
fn tokens_of_an_identity_are_revoked_by_its_name() {
    let emulator = emulator();
    let token = |client_id: &str| {
        let asked = Asked::new(&emulator, ManagedIdentitySource::Imds);
        let body = asked
            .with("client_id", client_id)
            .with("resource", "https://graph.microsoft.com")
            .body();
        body["access_token"].as_str().unwrap().to_owned()
    };
    let system = emulator.managed_identities()[0].clone();
    let (own, other) = (token(&system.client_id), token(CLIENT_ID));
    post_ok(&emulator, "/v1/revocations", json!({"app": "collector"}));
    let status = |token: &str| {
        let response = crate::support::get_as(&emulator, "/v1.0/users", token);
        response.status().as_u16()
    };
    assert_eq!((status(&own), status(&other)), (200, 401));
    emulator.revoke_tokens_of(&system.name);
    assert_eq!(status(&own), 401);
}
