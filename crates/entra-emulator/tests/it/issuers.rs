//! The issuer in tokens and documents: Entra's, the origin of each request, or one fixed origin.

use entra_emulator::{Config, Emulator, EmulatorBuilder, Issuers};
use serde_json::json;

use crate::support::{access_token, document, get_as, json_body};

#[test]
fn issuer_can_have_a_configured_origin() {
    let emulator = Emulator::builder()
        .issuers(Issuers::At("https://localhost:8443/".to_owned()))
        .build();
    let id = emulator.tenant_id();
    let v2 = document(&emulator, &format!("/{id}/v2.0/.well-known/openid-configuration"));
    assert_eq!(v2["issuer"], format!("https://localhost:8443/{id}/v2.0"));
    let v1 = document(&emulator, &format!("/{id}/.well-known/openid-configuration"));
    assert_eq!(v1["issuer"], format!("https://localhost:8443/{id}/"));
    assert_eq!(
        get_as(
            &emulator,
            "/v1.0/users",
            &access_token(&emulator, "https://graph.microsoft.com/.default")
        )
        .status(),
        200
    );
}

#[test]
fn issuer_can_be_the_origin_of_the_request() {
    let config =
        r#"{"issuers": "origin", "tenants": [{"domain": "a.example"}, {"domain": "b.example", "external": true}]}"#;
    let emulator = EmulatorBuilder::from(Config::from_json(config).unwrap()).build();
    for origin in [
        "http://127.0.0.1:8700",
        "http://localhost:8700",
        "https://localhost:8701",
    ] {
        for id in emulator.tenants().iter().map(|tenant| &tenant.id) {
            for (path, version) in [("v2.0/", "v2.0"), ("", "")] {
                let url = format!("{origin}/{id}/{path}.well-known/openid-configuration");
                let document = document(&emulator, &url);
                assert_eq!(document["issuer"], format!("{origin}/{id}/{version}"));
                assert!(document["token_endpoint"].as_str().unwrap().starts_with(origin));
            }
        }
        let common = document(
            &emulator,
            &format!("{origin}/common/v2.0/.well-known/openid-configuration"),
        );
        assert_eq!(common["issuer"], format!("{origin}/{{tenantid}}/v2.0"));
        let keys = document(&emulator, &format!("{origin}/common/discovery/v2.0/keys"));
        assert_eq!(keys["keys"][0]["issuer"], common["issuer"]);

        let id = emulator.tenant_id();
        let url = format!("{origin}/{id}/oauth2/v2.0/token");
        for (resource, version) in [
            ("https://graph.microsoft.com", ""),
            (&emulator.api().identifiers[0], "v2.0"),
        ] {
            let scope = format!("{resource}/.default");
            let body = crate::support::form(&emulator, &[("scope", &scope)]);
            let request = http::Request::post(&url).header("content-type", "application/x-www-form-urlencoded");
            let body = json_body(&emulator.handle(request.body(body.into_bytes()).unwrap()));
            let claims = crate::support::claims(&body);
            assert_eq!(claims["iss"], format!("{origin}/{id}/{version}"));
            if version.is_empty() {
                assert_eq!(claims["idp"], claims["iss"]);
                let token = body["access_token"].as_str().unwrap();
                let users = get_as(&emulator, "http://elsewhere:1/v1.0/users", token);
                assert_eq!(users.status(), 200);
            }
        }
    }
}

/// A browser is redirected from the page that it opened, and so is the emulated user.
#[test]
fn id_tokens_name_the_origin_of_the_page() {
    let emulator = Emulator::builder()
        .issuers(Issuers::Origin)
        .issuer_in_responses()
        .build();
    let id = emulator.tenant_id();
    for origin in ["http://localhost:8700", "https://entra.example"] {
        let url = format!(
            "{origin}/{id}/oauth2/v2.0/authorize?client_id={}&response_type=code%20id_token&nonce=n&scope=openid&redirect_uri=http://localhost",
            emulator.client_id()
        );
        let redirect = emulator.approve(&url, "Adele Vance").unwrap();
        let issuer = format!("{origin}/{id}/v2.0");
        assert_eq!(redirect.parameter("iss"), Some(issuer.clone()));
        let claims = crate::support::claims(&json!({"access_token": redirect.parameter("id_token").unwrap()}));
        assert_eq!(claims["iss"], issuer);
    }
}

#[test]
fn configured_issuers_are_validated() {
    let read = |issuers: &str| {
        Config::from_json(&format!("{{\"issuers\": {issuers}}}"))
            .and_then(|config| EmulatorBuilder::from(config).try_build())
            .map(|emulator| {
                document(
                    &emulator,
                    &format!("https://h/{}/.well-known/openid-configuration", emulator.tenant_id()),
                )["issuer"]
                    .as_str()
                    .unwrap()
                    .replace(emulator.tenant_id(), "T")
            })
    };
    for (issuers, expected) in [
        ("entra", "https://sts.windows.net/T/"),
        ("origin", "https://h/T/"),
        ("https://sts.example:8443/", "https://sts.example:8443/T/"),
        ("http://entra/base", "http://entra/base/T/"),
    ] {
        assert_eq!(read(&format!("{issuers:?}")).unwrap(), expected);
    }
    for issuers in [
        "null",
        "1",
        "\"canary\"",
        "[]",
        "{}",
        r#"{"at": "https://canary.example"}"#,
        "\"\"",
        "\"Origin\"",
        "\" origin\"",
        "\"canary.example\"",
        "\"ftp://canary.example\"",
        "\"https://\"",
        "\"https:///x\"",
        "\"https://a:canary\"",
        "\"https://[canary\"",
        "\"https://a/?canary\"",
        "\"https://canary@a\"",
        "\"https://a b\"",
        "\"https://a/11111111-2222-3333-4444-555555555555/v2.0\"",
        "\"https://a/v2.0/\"",
    ] {
        let error = read(issuers).unwrap_err().to_string();
        assert!(
            error.contains("issuers") && !error.contains("canary"),
            "{issuers}: {error}"
        );
    }
}
