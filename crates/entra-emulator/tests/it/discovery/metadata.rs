//! Metadata and instance discovery.

use entra_emulator::{Emulator, Tenant};
use serde_json::json;

use crate::discovery::tenant;
use crate::support::{document, get, json_body};

const GRAPH: &str = "https://graph.microsoft.com/.default";

#[test]
fn v2_metadata_names_the_tenant() {
    let emulator = tenant(Emulator::builder());
    let id = "11111111-2222-3333-4444-555555555555";
    for name in [id, "contoso.onmicrosoft.com", "Contoso.onmicrosoft.com"] {
        let document = document(
            &emulator,
            &format!("https://login.example:8443/{name}/v2.0/.well-known/openid-configuration"),
        );
        assert_eq!(
            document["issuer"],
            format!("https://login.microsoftonline.com/{id}/v2.0")
        );
        assert_eq!(
            document["token_endpoint"],
            format!("https://login.example:8443/{id}/oauth2/v2.0/token")
        );
        assert_eq!(
            document["jwks_uri"],
            format!("https://login.example:8443/{id}/discovery/v2.0/keys")
        );
        assert_eq!(
            document["authorization_endpoint"],
            format!("https://login.example:8443/{id}/oauth2/v2.0/authorize")
        );
        for member in [
            "device_authorization_endpoint",
            "end_session_endpoint",
            "userinfo_endpoint",
            "cloud_instance_name",
        ] {
            assert!(document[member].is_string(), "{member}");
        }
    }
}

#[test]
fn v1_metadata_names_the_tenant() {
    let emulator = tenant(Emulator::builder());
    let id = emulator.tenant_id();
    let document = document(&emulator, &format!("/{id}/.well-known/openid-configuration"));
    assert_eq!(document["issuer"], format!("https://sts.windows.net/{id}/"));
    assert_eq!(
        document["token_endpoint"],
        format!("http://127.0.0.1/{id}/oauth2/token")
    );
    assert_eq!(document["jwks_uri"], "http://127.0.0.1/common/discovery/keys");
}

#[test]
fn shared_endpoints_leave_the_tenant_open() {
    let emulator = tenant(Emulator::builder());
    for name in ["common", "organizations"] {
        let v2 = document(&emulator, &format!("/{name}/v2.0/.well-known/openid-configuration"));
        assert_eq!(v2["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");
        let v1 = document(&emulator, &format!("/{name}/.well-known/openid-configuration"));
        assert_eq!(v1["issuer"], "https://sts.windows.net/{tenantid}/");
    }
}

#[test]
fn unknown_tenants_have_no_metadata() {
    let emulator = tenant(Emulator::builder());
    for path in [
        "v2.0/.well-known/openid-configuration",
        ".well-known/openid-configuration",
        "discovery/v2.0/keys",
        "discovery/keys",
    ] {
        // The metadata endpoint responds with 90002 even to names that cannot be a tenant's.
        for name in [
            "unknown.example",
            "00000000-1111-2222-3333-444444444444",
            "unknown.ciamlogin.com",
            "tenant_id",
            "secrets",
            "%7Btenant%7D",
        ] {
            let response = get(&emulator, &format!("/{name}/{path}"));
            let body = json_body(&response);
            assert_eq!(response.status(), 400);
            assert_eq!(
                (&body["error"], &body["error_codes"]),
                (&json!("invalid_tenant"), &json!([90002])),
                "{name}/{path}"
            );
            let uri = "https://login.microsoftonline.com/error?code=90002";
            assert_eq!(body["error_uri"], uri);
        }
    }
}

/// Endpoints that process a request, not only return a document, use another error code.
#[test]
fn unknown_tenants_are_invalid_requests_elsewhere() {
    let emulator = tenant(Emulator::builder());
    let fields = [("client_id", emulator.client_id()), ("scope", GRAPH)];
    for path in [
        "oauth2/token",
        "oauth2/v2.0/token",
        "oauth2/devicecode",
        "oauth2/v2.0/devicecode",
    ] {
        for (name, code) in [("unknown.example", 90002), ("tenant_id", 900023)] {
            let body = json_body(&crate::support::post(&emulator, &format!("/{name}/{path}"), &fields));
            assert_eq!(
                (&body["error"], &body["error_codes"]),
                (&json!("invalid_request"), &json!([code])),
                "{name}/{path}"
            );
        }
    }
    // A browser gets a page.
    for path in [
        "oauth2/authorize",
        "oauth2/v2.0/authorize",
        "adminconsent",
        "v2.0/adminconsent",
    ] {
        let response = get(
            &emulator,
            &format!("/unknown.example/{path}?client_id={}", emulator.client_id()),
        );
        let page = String::from_utf8(response.body().clone()).unwrap();
        assert!(page.contains("AADSTS90002"), "{path}: {page}");
    }
    // Instance discovery depends on the authority's host alone.
    let url = "https://h/unknown.example/discovery/instance?api-version=1.1&authorization_endpoint=https://h/unknown.example/oauth2/authorize";
    let body = document(&emulator, url);
    assert_eq!(
        body["tenant_discovery_endpoint"],
        "https://h/unknown.example/.well-known/openid-configuration"
    );
}

#[test]
fn external_tenants_are_found_by_host_and_path() {
    let emulator = tenant(Emulator::builder().tenant(Tenant::new("fabrikam.onmicrosoft.com").external()));
    let id = emulator.tenant_id();
    let issuer = format!("https://{id}.ciamlogin.com/{id}/v2.0");
    for url in [
        "https://fabrikam.ciamlogin.com/v2.0/.well-known/openid-configuration".to_owned(),
        "https://fabrikam.ciamlogin.com/fabrikam.onmicrosoft.com/v2.0/.well-known/openid-configuration".to_owned(),
        format!("https://{id}.ciamlogin.com/{id}/v2.0/.well-known/openid-configuration"),
        "/fabrikam.ciamlogin.com/v2.0/.well-known/openid-configuration".to_owned(),
        format!("/fabrikam.ciamlogin.com/{id}/v2.0/.well-known/openid-configuration"),
        "/fabrikam.ciamlogin.com/fabrikam.onmicrosoft.com/v2.0/.well-known/openid-configuration".to_owned(),
    ] {
        assert_eq!(document(&emulator, &url)["issuer"], issuer, "{url}");
    }
    let other = "/fabrikam.ciamlogin.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration";
    assert_eq!(get(&emulator, other).status(), 501);
}

#[test]
fn instance_discovery_knows_clouds_and_itself() {
    let emulator = tenant(Emulator::builder());
    let send = |authority: &str| {
        get(
            &emulator,
            &format!(
                "https://login.example:8443/common/discovery/instance?api-version=1.1&authorization_endpoint=https://{authority}/common/oauth2/v2.0/authorize"
            ),
        )
    };
    let own = json_body(&send("login.example:8443"));
    assert_eq!(
        own["tenant_discovery_endpoint"],
        "https://login.example:8443/common/v2.0/.well-known/openid-configuration"
    );
    assert_eq!(own["api-version"], "1.1");
    let public = json_body(&send("login.windows.net"));
    assert_eq!(public["metadata"][0]["preferred_network"], "login.microsoftonline.com");
    assert!(
        public["metadata"][0]["aliases"]
            .as_array()
            .unwrap()
            .contains(&json!("sts.windows.net"))
    );
    let odd = json_body(&send("login.windows.net/%22%0Ab%3F%C3%BC"));
    assert_eq!(
        odd["tenant_discovery_endpoint"],
        "https://login.windows.net/%22%0Ab%3F%C3%BC/v2.0/.well-known/openid-configuration"
    );
    let unknown = send("login.evil.example");
    assert_eq!(
        (unknown.status().as_u16(), &json_body(&unknown)["error"]),
        (400, &json!("invalid_instance"))
    );
}
