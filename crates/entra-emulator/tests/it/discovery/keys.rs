//! The published signing keys.

use entra_emulator::Emulator;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::discovery::tenant;
use crate::support::{access_token, document, get};

#[test]
fn tokens_verify_against_the_published_keys() {
    let emulator = tenant(Emulator::builder().seed(3));
    let audience = emulator.api().app_id.clone();
    let verify = |token: &str| {
        let id = emulator.tenant_id();
        let metadata = document(&emulator, &format!("/{id}/v2.0/.well-known/openid-configuration"));
        let keys: JwkSet = serde_json::from_value(document(&emulator, metadata["jwks_uri"].as_str().unwrap())).unwrap();
        let kid = decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid)?).unwrap();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[&audience]);
        rules.set_issuer(&[metadata["issuer"].as_str().unwrap()]);
        Some(decode::<Value>(token, &key, &rules).unwrap().claims)
    };
    let send = || access_token(&emulator, &format!("{audience}/.default"));
    let first = send();
    assert_eq!(verify(&first).unwrap()["ver"], "2.0");
    emulator.rotate_signing_key();
    let second = send();
    assert!(verify(&first).is_some() && verify(&second).is_some());
    emulator.replace_signing_key();
    assert!(verify(&first).is_none() && verify(&second).is_none());
    assert!(verify(&send()).is_some());
}

#[test]
fn all_key_documents_list_the_same_keys() {
    let emulator = tenant(Emulator::builder());
    emulator.rotate_signing_key();
    let kids = |path: &str| {
        let keys = document(&emulator, path)["keys"].as_array().unwrap().clone();
        for key in &keys {
            assert_eq!(
                (&key["kty"], &key["use"], &key["e"]),
                (&json!("RSA"), &json!("sig"), &json!("AQAB"))
            );
            assert_eq!(
                (&key["kid"], &key["x5c"][0].as_str().unwrap()[..2]),
                (&key["x5t"], "MI")
            );
        }
        keys.iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let id = emulator.tenant_id();
    let expected = kids("/common/discovery/keys");
    assert_eq!(expected.len(), 2);
    for path in [
        format!("/{id}/discovery/keys?appid=a"),
        "/common/discovery/v2.0/keys".to_owned(),
        format!("/{id}/discovery/v2.0/keys"),
    ] {
        assert_eq!(kids(&path), expected, "{path}");
    }
    let v2 = document(&emulator, "/common/discovery/v2.0/keys");
    assert_eq!(
        v2["keys"][0]["issuer"],
        "https://login.microsoftonline.com/{tenantid}/v2.0"
    );
    assert_eq!(v2["keys"][0]["cloud_instance_name"], "microsoftonline.com");
}

#[test]
fn metadata_of_an_application_links_its_keys() {
    let emulator = tenant(Emulator::builder());
    let keys = |query: &str| {
        let url = format!("https://login.example/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration{query}");
        document(&emulator, &url)["jwks_uri"].as_str().unwrap().to_owned()
    };
    let app = format!("?appid={}", emulator.client_id());
    let own = keys(&app);
    assert_eq!(own, keys("") + &app);
    assert_eq!(get(&emulator, &own).body(), get(&emulator, &keys("")).body());
    assert_eq!(keys("?appid=%22%3E%0d%0ax"), keys(""));
}
