//! The responses of the authorization endpoint: error pages and redirects.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Emulator};
use serde_json::Value;

use crate::authorize::{CHALLENGE, REDIRECT, claims_of, emulator, v2};
use crate::support::authorize_url;
use crate::support::browser::Page;

#[test]
fn client_and_redirect_errors_are_shown_on_a_page() {
    let emulator = emulator();
    let [_, without, off] = emulator.apps() else { panic!() };
    for (more, code) in [
        (&[("client_id", "-")][..], 900144),
        (&[("client_id", "0f0e0d0c-0b0a-4908-8706-050403020100")], 700016),
        (&[("client_id", "<script>")], 700016),
        (&[("client_id", &without.client_id)], 500113),
        (&[("client_id", &off.client_id)], 7000112),
        (&[("redirect_uri", "https://evil.example/cb")], 50011),
        (&[("redirect_uri", "https://app.example/cb/")], 50011),
        (&[("redirect_uri", "https://app.example/cb/below")], 50011),
        (&[("redirect_uri", "https://app.example/cb?x=1")], 50011),
        (&[("redirect_uri", "-")], 900144),
    ] {
        let page = v2(&emulator, more);
        assert_eq!(
            (page.status, page.aadsts(), page.location.clone()),
            (400, Some(code), None),
            "{more:?}"
        );
        assert!(page.html.contains(&format!("AADSTS{code}: ")), "{}", page.html);
    }
    let url = authorize_url(&emulator, "v2.0/authorize", &[("redirect_uri", REDIRECT)]);
    assert_eq!(Page::open(&emulator, &(url + "&client_id=x")).aadsts(), Some(9000411));
    for (tenant, code) in [("nowhere.example", 90002), ("x", 900023), ("consumers", 90130)] {
        let url = format!("/{tenant}/oauth2/authorize?client_id={}", emulator.client_id());
        assert_eq!(Page::open(&emulator, &url).aadsts(), Some(code), "{tenant}");
    }
}

#[test]
fn other_errors_are_sent_to_the_application() {
    let emulator = emulator();
    for (more, error, code) in [
        (&[("response_type", "token")][..], "unsupported_response_type", 70005),
        (&[("response_type", "code token")], "unsupported_response_type", 70005),
        (&[("response_type", "-")], "invalid_request", 900144),
        (&[("response_mode", "web_message")], "invalid_request", 70007),
        (
            &[("response_type", "code id_token"), ("response_mode", "query")],
            "invalid_request",
            70007,
        ),
        (&[("response_type", "id_token")], "invalid_request", 900144),
        (
            &[("response_type", "id_token"), ("nonce", "n"), ("scope", "User.Read")],
            "unsupported_response_type",
            70005,
        ),
        (&[("prompt", "none")], "login_required", 50058),
        (&[("prompt", "admin_consent")], "invalid_request", 90023),
        (&[("prompt", "maybe")], "invalid_request", 90023),
        (&[("scope", "-")], "invalid_request", 900144),
        (&[("scope", " ")], "invalid_request", 900144),
        (&[("scope", "User.Reed")], "invalid_client", 650053),
        (&[("scope", "api://nowhere/read")], "invalid_resource", 500011),
        (
            &[("scope", "https://graph.microsoft.com/.default Mail.Read")],
            "invalid_scope",
            70011,
        ),
        (
            &[("resource", "https://graph.microsoft.com")],
            "invalid_request",
            901002,
        ),
        (&[("claims", "{")], "invalid_request", 9002313),
        (&[("code_challenge", "short")], "invalid_request", 501491),
        (&[("code_challenge_method", "S256")], "invalid_request", 50147),
        (
            &[("code_challenge", CHALLENGE), ("code_challenge_method", "S512")],
            "invalid_request",
            50149,
        ),
    ] {
        let page = v2(&emulator, more);
        let location = page
            .location
            .clone()
            .unwrap_or_else(|| panic!("{more:?} {}", page.html));
        assert!(location.starts_with(REDIRECT), "{location}");
        assert_eq!(page.parameter("error").as_deref(), Some(error), "{more:?}");
        assert!(
            page.parameter("error_description")
                .unwrap()
                .starts_with(&format!("AADSTS{code}: ")),
            "{location}"
        );
        assert_eq!(page.parameter("state").as_deref(), Some("s"));
        assert_eq!(page.parameter("code"), None);
    }
    assert!(
        v2(&emulator, &[("response_type", "id_token")])
            .location
            .unwrap()
            .contains("cb#error=")
    );
}

#[test]
fn response_modes_are_honored() {
    let emulator = emulator();
    let url = |mode: &str, kind: &str| {
        let fields = [
            ("redirect_uri", REDIRECT),
            ("scope", "openid User.Read"),
            ("state", "s"),
            ("nonce", "n"),
            ("response_mode", mode),
            ("response_type", kind),
        ];
        authorize_url(&emulator, "v2.0/authorize", &fields)
    };
    for (mode, kind, start) in [
        ("query", "code", "https://app.example/cb?code="),
        ("-", "code", "https://app.example/cb?code="),
        ("fragment", "code", "https://app.example/cb#code="),
        ("-", "id_token code", "https://app.example/cb#code="),
        ("-", "id_token", "https://app.example/cb#id_token="),
    ] {
        let redirect = emulator.approve(&url(mode, kind), "Adele Vance").unwrap();
        assert!(redirect.url.starts_with(start), "{mode} {kind} {}", redirect.url);
        assert!(redirect.parameter("session_state").is_some() && redirect.parameter("iss").is_none());
    }
    let redirect = emulator
        .approve(&url("form_post", "code id_token"), "Adele Vance")
        .unwrap();
    assert_eq!(redirect.url, REDIRECT);
    assert!(redirect.body.is_some() && !format!("{redirect:?}").contains(&redirect.parameter("code").unwrap()));
    let token = claims_of(&redirect.parameter("id_token").unwrap());
    assert_eq!(
        (&token["nonce"], &token["aud"]),
        (&Value::from("n"), &Value::from(emulator.client_id()))
    );
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        redirect.parameter("code").unwrap().as_bytes(),
    );
    assert_eq!(token["c_hash"], URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
    // A registered query stays, and parameters are appended to it.
    let fields = [
        ("redirect_uri", "https://app.example/with?query=1"),
        ("scope", "openid"),
    ];
    let redirect = emulator
        .approve(&authorize_url(&emulator, "v2.0/authorize", &fields), "Adele Vance")
        .unwrap();
    assert!(
        redirect.url.starts_with("https://app.example/with?query=1&code="),
        "{}",
        redirect.url
    );
}

#[test]
fn state_is_returned_byte_for_byte() {
    let emulator = emulator();
    for (sent, back) in [
        ("%FF%00%0D%0A", "%FF%00%0D%0A"),
        ("a+b%20c", "a+b+c"),
        ("st%C3%A9%3Cscript%3E%26%3D%23", "st%C3%A9%3Cscript%3E%26%3D%23"),
        ("state=12345", "state%3D12345"),
    ] {
        let url = authorize_url(
            &emulator,
            "v2.0/authorize",
            &[("redirect_uri", REDIRECT), ("scope", "openid")],
        );
        let url = format!("{url}&state={sent}");
        let redirect = emulator.approve(&url, "Adele Vance").unwrap();
        assert!(redirect.url.ends_with(&format!("&state={back}")), "{}", redirect.url);
        let rejected = emulator.decline(&url, "Adele Vance").unwrap();
        assert!(rejected.url.ends_with(&format!("&state={back}")), "{}", rejected.url);
    }
    let redirect = emulator.approve(
        &authorize_url(
            &emulator,
            "v2.0/authorize",
            &[("redirect_uri", REDIRECT), ("scope", "openid")],
        ),
        "Adele Vance",
    );
    assert_eq!(redirect.unwrap().parameter("state"), None);
}

#[test]
fn issuer_parameter_is_sent_only_if_configured() {
    let emulator = Emulator::builder()
        .issuer_in_responses()
        .app(App::new("a").redirect_uri(REDIRECT))
        .build();
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("redirect_uri", REDIRECT), ("scope", "openid")],
    );
    let redirect = emulator.approve(&url, "Adele Vance").unwrap();
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", emulator.tenant_id());
    assert_eq!(redirect.parameter("iss"), Some(issuer));
}
