//! The on-behalf-of grant: an API exchanges the token that it was called with.

use std::time::Duration;

use entra_emulator::{Api, App, Emulator, TokenVersion};
use serde_json::{Value, json};

use crate::support::{REDIRECT, Response, authorize_url, claims, error_code, get_as, json_body, merge, post, sign_in};

const GRAPH: &str = "https://graph.microsoft.com";
const MIDDLE: &str = "bbbbbbbb-1111-2222-3333-cccccccccccc";

/// Returns an emulator with a web application that calls an API, which calls Graph.
fn emulator(version: TokenVersion) -> Emulator {
    let emulator = Emulator::builder()
        .api(
            Api::new("api://middle")
                .app_id(MIDDLE)
                .scope("access")
                .role("Everything")
                .token_version(version),
        )
        .api(Api::new("api://strange").scope("access"))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope("api://middle", "access")
                .grant_scope("api://strange", "access")
                .grant("api://middle", "Everything"),
        )
        .app(
            App::new("middle")
                .client_id(MIDDLE)
                .secret("middle-secret")
                .grant_scope(GRAPH, "User.Read")
                .request_scope(GRAPH, "Mail.Read"),
        )
        .build();
    emulator.clock().freeze();
    emulator
}

fn user_token(emulator: &Emulator, scope: &str) -> String {
    text(&sign_in(emulator, "v2.0/", "Alex Wilber", &[("scope", scope)]))
}

fn text(body: &Value) -> String {
    body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

fn exchange(emulator: &Emulator, path: &str, assertion: &str, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("requested_token_use", "on_behalf_of"),
        ("client_id", MIDDLE),
        ("client_secret", "middle-secret"),
        ("assertion", assertion),
    ];
    merge(&mut fields, more);
    post(emulator, path, &fields)
}

const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default offline_access openid");

#[test]
fn user_is_kept_in_the_new_token() {
    for version in [TokenVersion::V1, TokenVersion::V2] {
        let emulator = emulator(version);
        let token = user_token(&emulator, "api://middle/access");
        let before = claims(&json!({"access_token": token}));
        let body = json_body(&exchange(&emulator, &emulator.token_url_v2(), &token, &[SCOPE]));
        assert!(body["refresh_token"].is_string() && body["id_token"].is_string());
        let v1 = json_body(&exchange(
            &emulator,
            &emulator.token_url_v1(),
            &token,
            &[("resource", GRAPH), ("scope", "openid")],
        ));
        assert_eq!(v1["resource"], GRAPH);
        for (body, scp) in [(body, "User.Read openid"), (v1, "User.Read")] {
            let after = claims(&body);
            assert_eq!(
                (&after["oid"], &after["appid"], &after["aud"]),
                (&before["oid"], &json!(MIDDLE), &json!(GRAPH))
            );
            assert_eq!(after["scp"], scp);
            let me = json_body(&get_as(&emulator, "/v1.0/me", &text(&body)));
            assert_eq!(me["displayName"], "Alex Wilber");
        }
        assert_eq!(
            error_code(&exchange(
                &emulator,
                "/organizations/oauth2/v2.0/token",
                &token,
                &[SCOPE]
            )),
            0
        );
    }
}

#[test]
fn only_valid_user_tokens_for_the_api_are_accepted() {
    let emulator = emulator(TokenVersion::V1);
    let send = |assertion: &str| error_code(&exchange(&emulator, &emulator.token_url_v2(), assertion, &[SCOPE]));
    let token = user_token(&emulator, "api://middle/access");
    let strange = user_token(&emulator, "api://strange/access");
    assert_eq!(send(&strange), 500131);
    let app_only = crate::support::access_token_of(&emulator, "s3cret", "api://middle/.default");
    assert_eq!(send(&app_only), 7000114);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    for bad in [
        format!("{head}.{flipped}{}", &signature[1..]),
        "user-assertion-jwt".to_owned(),
        format!("{head}."),
    ] {
        assert_eq!(send(&bad), 50013, "{bad}");
    }
    // Another emulator has another key, like another service.
    let other = Emulator::builder().seed(1).build();
    assert_eq!(
        send(&crate::support::access_token(
            &other,
            "https://graph.microsoft.com/.default"
        )),
        50013
    );
    emulator.clock().advance(Duration::from_secs(3_599));
    assert_eq!(send(&token), 0);
    emulator.clock().advance(Duration::from_secs(1));
    assert_eq!(send(&token), 500133);
}

#[test]
fn incomplete_and_unconsented_requests_are_rejected() {
    let emulator = emulator(TokenVersion::V1);
    let token = user_token(&emulator, "api://middle/access");
    for (more, code) in [
        (&[SCOPE, ("requested_token_use", "-")][..], 900144),
        (&[SCOPE, ("requested_token_use", "something")], 90023),
        (&[SCOPE, ("assertion", "-")], 900144),
        (&[SCOPE, ("client_secret", "-")], 7000218),
        (&[SCOPE, ("client_secret", "wrong")], 7000215),
        (&[], 900144),
        (&[("scope", "https://graph.microsoft.com/Mail.Read")], 65001),
        (&[("scope", "https://manage.office.com/.default")], 65001),
        (&[("scope", "https://nowhere.example/.default")], 500011),
        (&[SCOPE, ("resource", GRAPH)], 901002),
    ] {
        let response = exchange(&emulator, &emulator.token_url_v2(), &token, more);
        assert_eq!(error_code(&response), code, "{more:?}");
        if code == 65001 {
            assert_eq!(
                (&json_body(&response)["error"], &json_body(&response)["suberror"]),
                (&json!("invalid_grant"), &json!("consent_required"))
            );
        }
    }
    emulator.revoke_tokens();
    assert_eq!(
        error_code(&exchange(&emulator, &emulator.token_url_v2(), &token, &[SCOPE])),
        50173
    );
}

#[test]
fn exchange_requires_the_tenant_of_the_token() {
    let emulator = Emulator::builder()
        .tenant(entra_emulator::Tenant::new("home.example"))
        .tenant(entra_emulator::Tenant::new("other.example"))
        .api(Api::new("api://middle").app_id(MIDDLE).scope("access"))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope("api://middle", "access"),
        )
        .app(
            App::new("middle")
                .client_id(MIDDLE)
                .secret("middle-secret")
                .grant_scope(GRAPH, "User.Read"),
        )
        .build();
    let token = user_token(&emulator, "api://middle/access");
    let send = |tenant: &str| {
        let path = format!("/{tenant}/oauth2/v2.0/token");
        error_code(&exchange(&emulator, &path, &token, &[SCOPE]))
    };
    assert_eq!(send("other.example"), 50013);
    assert_eq!(send("home.example"), 0);
}

#[test]
fn public_client_is_rejected() {
    let emulator = Emulator::builder()
        .api(Api::new("api://middle").app_id(MIDDLE).scope("access"))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope("api://middle", "access"),
        )
        .app(
            App::new("middle")
                .client_id(MIDDLE)
                .public_client()
                .grant_scope(GRAPH, "User.Read"),
        )
        .build();
    let token = user_token(&emulator, "api://middle/access");
    let response = exchange(
        &emulator,
        &emulator.token_url_v2(),
        &token,
        &[SCOPE, ("client_secret", "-")],
    );
    assert_eq!(error_code(&response), 7000218);
}

#[test]
fn only_access_tokens_can_be_requested() {
    let emulator = emulator(TokenVersion::V1);
    let token = user_token(&emulator, "api://middle/access");
    for kind in ["saml1", "saml2"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let more = [SCOPE, ("requested_token_type", kind.as_str())];
        let response = exchange(&emulator, &emulator.token_url_v2(), &token, &more);
        assert_eq!(error_code(&response), 90023, "{kind}");
        let why = json_body(&response)["error_description"].to_string();
        assert!(why.contains("requested_token_type is not emulated"), "{why}");
    }
}

#[test]
fn api_must_be_present_in_the_tenant() {
    let emulator = Emulator::builder()
        .tenant(entra_emulator::Tenant::new("home.example"))
        .tenant(entra_emulator::Tenant::new("other.example"))
        .api(Api::new("api://middle").app_id(MIDDLE).scope("access"))
        .app(
            App::new("web")
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .request_scope("api://middle", "access"),
        )
        .app(
            App::new("middle")
                .client_id(MIDDLE)
                .secret("middle-secret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .request_scope(GRAPH, "User.Read"),
        )
        .build();
    let path = "/other.example/oauth2/v2.0/";
    let url = |client_id: &str, scope: &str| {
        let more = [("client_id", client_id), ("redirect_uri", REDIRECT), ("scope", scope)];
        authorize_url(&emulator, "v2.0/authorize", &more).replace(emulator.tenant_id(), "other.example")
    };
    let redirect = emulator.approve(&url(emulator.client_id(), "api://middle/access"), "megan@other.example");
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("redirect_uri", REDIRECT),
        ("code", &redirect.unwrap().parameter("code").unwrap()),
    ];
    let token = text(&json_body(&post(&emulator, &format!("{path}token"), &fields)));
    let send = || error_code(&exchange(&emulator, &format!("{path}token"), &token, &[SCOPE]));
    assert_eq!(send(), 700016);
    emulator
        .approve(&url(MIDDLE, "User.Read"), "megan@other.example")
        .unwrap();
    assert_eq!(send(), 0);
}
