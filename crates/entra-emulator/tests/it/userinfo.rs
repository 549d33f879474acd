//! The UserInfo endpoints that the metadata names.

use entra_emulator::{Api, App, Emulator, Tenant, User};
use serde_json::{Value, json};

use crate::support::{REDIRECT, Response, access_token_of, claims, document, get, get_as, json_body, post, sign_in};

const GRAPH: &str = "https://graph.microsoft.com";

fn emulator() -> Emulator {
    let users = Tenant::new("contoso.onmicrosoft.com").user(User::new("Adele Vance"));
    Emulator::builder()
        .tenant(users)
        .tenant(Tenant::new("other.example"))
        .api(Api::new("api://orders").scope("read"))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope(GRAPH, "User.Read")
                .grant_scope("api://orders", "read")
                .grant(GRAPH, "User.Read.All"),
        )
        .build()
}

/// Returns the token response of Adele's sign-in.
fn adele(emulator: &Emulator, version: &str, what: (&str, &str)) -> Value {
    sign_in(emulator, version, "Adele Vance", &[what])
}

fn token(emulator: &Emulator, scope: &str) -> String {
    let body = adele(emulator, "v2.0/", ("scope", scope));
    body["access_token"].as_str().unwrap().to_owned()
}

fn endpoint(emulator: &Emulator, version: &str) -> String {
    let path = format!("/{}{version}/.well-known/openid-configuration", emulator.tenant_id());
    document(emulator, &path)["userinfo_endpoint"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn challenge(response: &Response) -> &str {
    let header = response.headers().get("www-authenticate");
    header.map_or("", |header| header.to_str().unwrap())
}

#[test]
fn scopes_decide_the_claims() {
    let emulator = emulator();
    let endpoint = endpoint(&emulator, "/v2.0");
    for (scope, names) in [
        ("openid", &["sub"][..]),
        ("openid email User.Read", &["sub", "email"]),
        (
            "openid profile",
            &["sub", "name", "family_name", "given_name", "picture"],
        ),
    ] {
        let body = json_body(&get_as(&emulator, &endpoint, &token(&emulator, scope)));
        let members: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, names, "{scope}");
    }
    let signed_in = adele(&emulator, "v2.0/", ("scope", "openid profile email"));
    let body = json_body(&get_as(
        &emulator,
        &endpoint,
        signed_in["access_token"].as_str().unwrap(),
    ));
    let id_token = claims(&json!({"access_token": signed_in["id_token"]}));
    assert_eq!(
        body,
        json!({
            "sub": id_token["sub"], "name": "Adele Vance", "family_name": "Vance", "given_name": "Adele",
            "picture": "http://127.0.0.1/v1.0/me/photo/$value", "email": "adele@contoso.onmicrosoft.com",
        })
    );
}

#[test]
fn refreshed_token_keeps_its_scopes() {
    let emulator = emulator();
    let signed_in = adele(&emulator, "v2.0/", ("scope", "openid email offline_access User.Read"));
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("refresh_token", signed_in["refresh_token"].as_str().unwrap()),
    ];
    let path = format!("/{}/oauth2/v2.0/token", emulator.tenant_id());
    let refreshed = json_body(&post(&emulator, &path, &fields));
    let body = json_body(&get_as(
        &emulator,
        "/oidc/userinfo",
        refreshed["access_token"].as_str().unwrap(),
    ));
    assert_eq!(body["email"], "adele@contoso.onmicrosoft.com", "{body}");
}

#[test]
fn v1_endpoint_is_below_the_tenant() {
    let emulator = emulator();
    let endpoint = endpoint(&emulator, "");
    assert!(endpoint.ends_with(&format!("/{}/openid/userinfo", emulator.tenant_id())));
    let signed_in = adele(&emulator, "", ("resource", GRAPH));
    let token = signed_in["access_token"].as_str().unwrap();
    for address in [&endpoint, "/common/openid/userinfo"] {
        let body = json_body(&get_as(&emulator, address, token));
        assert_eq!(
            (&body["name"], body.as_object().unwrap().len()),
            (&json!("Adele Vance"), 6)
        );
    }
    assert_eq!(get_as(&emulator, "/other.example/openid/userinfo", token).status(), 401);
    let unknown = json_body(&get_as(&emulator, "/unknown.example/openid/userinfo", token));
    assert_eq!(unknown["error_codes"], json!([90002]));
}

#[test]
fn public_cloud_metadata_names_the_real_graph() {
    let emulator = emulator();
    let path = format!("/{}/v2.0/.well-known/openid-configuration", emulator.tenant_id());
    for (origin, expected) in [
        ("https://login.microsoftonline.com", GRAPH),
        ("https://login.example:8443", "https://login.example:8443"),
    ] {
        let document = document(&emulator, &format!("{origin}{path}"));
        assert_eq!(document["userinfo_endpoint"], format!("{expected}/oidc/userinfo"));
    }
}

#[test]
fn missing_or_invalid_token_is_challenged() {
    let emulator = emulator();
    let of_user = token(&emulator, "openid");
    let orders = token(&emulator, "openid api://orders/read");
    for path in ["/oidc/userinfo", "/common/openid/userinfo"] {
        let mut responses = vec![get(&emulator, path)];
        for token in ["x", &of_user[..of_user.len() - 8], &orders] {
            responses.push(get_as(&emulator, path, token));
        }
        for response in responses {
            assert_eq!(response.status(), 401, "{path}");
            assert!(challenge(&response).starts_with("Bearer "), "{path}");
        }
    }
}

#[test]
fn application_and_token_without_openid_are_denied() {
    let emulator = emulator();
    let of_app = access_token_of(&emulator, "s3cret", "https://graph.microsoft.com/.default");
    let without_openid = token(&emulator, "User.Read profile");
    for (path, token) in [
        ("/oidc/userinfo", &of_app),
        ("/common/openid/userinfo", &of_app),
        ("/oidc/userinfo", &without_openid),
    ] {
        let response = get_as(&emulator, path, token);
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(json_body(&response)["error"]["code"], "Authorization_RequestDenied");
    }
}

#[test]
fn other_methods_are_not_emulated() {
    let emulator = emulator();
    let token = token(&emulator, "openid");
    for (method, status) in [("GET", 200), ("POST", 200), ("PUT", 501), ("DELETE", 501)] {
        let request = http::Request::builder()
            .method(method)
            .uri("/OIDC/UserInfo")
            .header("authorization", format!("Bearer {token}"));
        assert_eq!(
            emulator.handle(request.body(Vec::new()).unwrap()).status(),
            status,
            "{method}"
        );
    }
}
