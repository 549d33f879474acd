//! The password grant, which is always rejected.

use entra_emulator::{App, Emulator, Tenant};

use crate::codes::{GRAPH, REDIRECT, SCOPE, code, emulator, redeem, v2};
use crate::support::{error_code, json_body, post};

#[test]
fn passwords_are_rejected() {
    let emulator = emulator();
    let send = |tenant: &str, user: &str| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("username", user),
            ("password", "canary"),
            ("scope", "User.Read"),
        ];
        error_code(&post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields))
    };
    assert_eq!(send("organizations", "adele@contoso.onmicrosoft.com"), 50126);
    assert_eq!(
        send("contoso.onmicrosoft.com", "unknown@contoso.onmicrosoft.com"),
        50034
    );
    assert_eq!(send("consumers", "adele@contoso.onmicrosoft.com"), 9001023);
    assert_eq!(send("common", "adele@contoso.onmicrosoft.com"), 9001023);
    assert!(!format!("{:?}", emulator.requests()).contains("canary"));
}

#[test]
fn user_is_searched_in_the_tenant_of_the_path() {
    let emulator = emulator();
    let send = |tenant: &str| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("username", "adele@contoso.onmicrosoft.com"),
            ("password", "canary"),
            ("scope", "User.Read"),
        ];
        error_code(&post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields))
    };
    assert_eq!(send("contoso.onmicrosoft.com"), 50126);
    assert_eq!(send("other.example"), 50034);
}

#[test]
fn missing_parameters_are_reported_before_the_password() {
    let emulator = emulator();
    let send = |url: String, more: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("username", "adele@contoso.onmicrosoft.com"),
            ("password", "canary"),
        ];
        fields.extend_from_slice(more);
        error_code(&post(&emulator, &url, &fields))
    };
    for (more, v1, v2) in [
        (&[][..], 900144, 900144),
        (&[("scope", " ")], 900144, 900144),
        (&[("scope", "User.Reed")], 900144, 650053),
        (&[("resource", "https://nowhere.example")], 500011, 901002),
        (&[("resource", GRAPH)], 50126, 901002),
        (&[("scope", "openid")], 900144, 50126),
    ] {
        assert_eq!(send(emulator.token_url_v1(), more), v1, "v1 {more:?}");
        assert_eq!(send(emulator.token_url_v2(), more), v2, "v2 {more:?}");
    }
}

#[test]
fn unknown_app_is_reported_before_the_grant() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("web")
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .request_scope(GRAPH, "User.Read"),
        )
        .build();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
    let response = redeem(&emulator, "/other.example/oauth2/v2.0/token", &code, &[]);
    assert_eq!(error_code(&response), 700016);
    let body = json_body(&v2(&emulator, &code, &[]));
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(
        error_code(&post(&emulator, "/other.example/oauth2/v2.0/token", &fields)),
        700016
    );
    let fields = [
        ("grant_type", "password"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("username", "megan@other.example"),
        ("password", "canary"),
        ("scope", "User.Read"),
    ];
    assert_eq!(
        error_code(&post(&emulator, "/other.example/oauth2/v2.0/token", &fields)),
        700016
    );
}
