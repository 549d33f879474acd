//! Consent per tenant.

use entra_emulator::{App, Emulator, Tenant};
use serde_json::{Value, json};

use crate::consent::{CLIENT, MANAGE, REDIRECT, app_token, authorize, office};
use crate::support::assertion::Draft;
use crate::support::browser::Page;
use crate::support::{claims, encode, json_body, post};

#[test]
fn single_tenant_app_is_unknown_elsewhere() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .secret("s3cret")
                .home("home.example")
                .redirect_uri(REDIRECT)
                .grant(MANAGE, "ActivityFeed.Read")
                .request_scope(MANAGE, "ActivityFeed.Read"),
        )
        .build();
    assert_eq!(app_token(&emulator, "home.example").0, 200);
    assert_eq!(app_token(&emulator, "other.example").1["error_codes"], json!([700016]));
    // The application is not multi-tenant, so consent cannot change that.
    assert_eq!(Page::open(&emulator, &authorize(&[])).aadsts(), Some(50194));
    let url = authorize(&[]).replace("/common/", "/other.example/");
    assert_eq!(Page::open(&emulator, &url).aadsts(), Some(700016));
    let url = authorize(&[]).replace("/common/", "/home.example/");
    assert!(emulator.approve(&url, "adele@home.example").is_ok());
}

#[test]
fn grants_of_the_home_tenant_stay_there() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .grant(MANAGE, "ActivityFeed.Read")
                .grant_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let fields = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "User.Read"),
    ];
    let url = format!("/other.example/oauth2/v2.0/authorize?{}", encode(&fields));
    // The scope that was granted in the home tenant needs consent here.
    assert!(
        Page::open(&emulator, &url)
            .press(&emulator, "data-user=\"megan@")
            .html
            .contains("id=\"accept\"")
    );
    emulator.approve(&url, "megan@other.example").unwrap();
    let roles = |tenant: &str| claims(&app_token(&emulator, tenant).1)["roles"].clone();
    assert_eq!(
        (roles("home.example"), roles("other.example")),
        (json!(["ActivityFeed.Read"]), Value::Null)
    );
}

#[test]
fn certificate_authenticates_on_common() {
    let emulator = Emulator::builder()
        .app(
            App::new("a")
                .client_id(CLIENT)
                .certificate_pem(crate::support::assertion::APP)
                .redirect_uri(REDIRECT)
                .request_scope(MANAGE, "ActivityFeed.Read"),
        )
        .build();
    for (audience, status) in [
        ("https://login.microsoftonline.com/common/oauth2/token", 200),
        (
            &*format!(
                "https://login.microsoftonline.com/{}/oauth2/token",
                emulator.tenant_id()
            ),
            200,
        ),
        ("https://login.microsoftonline.com/other.example/oauth2/token", 401),
    ] {
        let redirect = emulator.approve(&authorize(&[]), "Adele Vance").unwrap();
        let assertion = Draft::new(&emulator).claim("aud", audience).sign();
        let response = post(
            &emulator,
            "/common/oauth2/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", &redirect.parameter("code").unwrap()),
                ("redirect_uri", REDIRECT),
                ("client_id", CLIENT),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", &assertion),
            ],
        );
        assert_eq!(response.status(), status, "{audience} {}", json_body(&response));
        if status == 200 {
            assert_eq!(claims(&json_body(&response))["appidacr"], "2");
        }
    }
}

#[test]
fn single_tenant_app_is_rejected_on_shared_endpoints() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .public_client()
                .home("home.example")
                .redirect_uri(REDIRECT)
                .grant_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let fields = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "offline_access User.Read"),
    ];
    let authorize = |tenant: &str| format!("/{tenant}/oauth2/v2.0/authorize?{}", encode(&fields));
    let device = |tenant: &str| post(&emulator, &format!("/{tenant}/oauth2/v2.0/devicecode"), &fields);
    let token = |tenant: &str, fields: &[(&str, &str)]| {
        let fields = [&[("client_id", CLIENT)][..], fields].concat();
        json_body(&post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields))
    };
    let code = emulator.approve(&authorize("home.example"), "Alex Wilber").unwrap();
    let code = code.parameter("code").unwrap();
    let waiting = json_body(&device("home.example"));
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
    ];
    let poll = [
        ("grant_type", "device_code"),
        ("device_code", waiting["device_code"].as_str().unwrap()),
    ];
    for shared in ["common", "organizations"] {
        assert_eq!(
            Page::open(&emulator, &authorize(shared)).aadsts(),
            Some(50194),
            "{shared}"
        );
        assert_eq!(json_body(&device(shared))["error_codes"], json!([50194]), "{shared}");
        for grant in [&redeem[..], &poll] {
            assert_eq!(
                token(shared, grant)["error_codes"],
                json!([50194]),
                "{shared} {grant:?}"
            );
        }
    }
    assert_eq!(token("home.example", &poll)["error"], "authorization_pending");
    let body = token("home.example", &redeem);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    for shared in ["common", "organizations"] {
        assert_eq!(token(shared, &refresh)["error_codes"], json!([50194]), "{shared}");
    }
    assert!(token("home.example", &refresh)["access_token"].is_string());

    // A multi-tenant application with a home tenant is accepted in any tenant.
    let several = App::new("several")
        .home("home.example")
        .multi_tenant()
        .redirect_uri(REDIRECT);
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .app(several.client_id(CLIENT).public_client())
        .build();
    assert_eq!(Page::open(&emulator, &authorize("common")).aadsts(), None);
    assert_eq!(post(&emulator, "/common/oauth2/v2.0/devicecode", &fields).status(), 200);
}

#[test]
fn error_uri_keeps_a_regional_host() {
    let emulator = office();
    for (host, explained) in [
        ("login.microsoftonline.com", "login.microsoftonline.com"),
        ("westus2.login.microsoft.com", "westus2.login.microsoft.com"),
        ("elsewhere.example", "login.microsoftonline.com"),
    ] {
        let url = format!("https://{host}{}", authorize(&[("prompt", "none")]));
        let uri = Page::open(&emulator, &url).parameter("error_uri").unwrap();
        assert_eq!(uri, format!("https://{explained}/error?code=50058"));
    }
}

#[test]
fn redirect_uri_error_lists_the_registered_uris() {
    let emulator = office();
    let page = Page::open(&emulator, &authorize(&[("redirect_uri", "https://evil.example/")]));
    assert_eq!(page.aadsts(), Some(50011));
    let registered = emulator.apps()[0].redirect_uris.first().cloned().unwrap();
    assert!(page.html.contains(&format!("<li>{registered}</li>")), "{}", page.html);
}
