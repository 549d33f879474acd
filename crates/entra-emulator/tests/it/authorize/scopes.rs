//! Scopes and consent.

use entra_emulator::{Api, App, Emulator};

use crate::authorize::{REDIRECT, emulator, v2};
use crate::support::authorize_url;
use crate::support::browser::Page;

#[test]
fn default_scope_needs_no_consent_beyond_the_first() {
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").scope("read").scope("list"))
        .app(
            App::new("a")
                .redirect_uri(REDIRECT)
                .request_scope("api://orders", "read")
                .request_scope("api://orders", "list")
                .request_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let open = |scope: &str, prompt: &str| {
        let fields = [("redirect_uri", REDIRECT), ("scope", scope), ("prompt", prompt)];
        Page::open(&emulator, &authorize_url(&emulator, "v2.0/authorize", &fields))
            .press(&emulator, "data-user=\"alex@")
    };
    let first = open("api://orders/read", "-");
    first.press(&emulator, "id=\"accept\"");
    // One scope of this API has consent, so a token can be issued; the other API has no consent
    // yet.
    assert!(open("api://orders/.default", "-").parameter("code").is_some());
    assert!(
        open("https://graph.microsoft.com/.default", "-")
            .html
            .contains("data-permission=\"list\"")
    );
    assert!(
        open("api://orders/.default", "consent")
            .html
            .contains("data-permission=\"User.Read\"")
    );
}

#[test]
fn repeated_scopes_count_once() {
    let emulator = emulator();
    let page = v2(
        &emulator,
        &[("scope", &"openid User.Read ".repeat(50)), ("prompt", "consent")],
    );
    let consent = page.press(&emulator, "data-user=\"alex@");
    assert_eq!(consent.html.matches("Sign you in").count(), 1);
    let many: String = (0..=128)
        .map(|slashes| format!("https://graph.microsoft.com{}/User.Read ", "/".repeat(slashes)))
        .collect();
    let rejected = v2(&emulator, &[("scope", &many)]);
    assert!(
        rejected
            .parameter("error_description")
            .unwrap()
            .starts_with("AADSTS70011: ")
    );
}

#[test]
fn only_missing_scopes_need_consent() {
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").scope("read").admin_scope("write"))
        .app(App::new("a").redirect_uri(REDIRECT))
        .build();
    let url = |scope: &str| {
        authorize_url(
            &emulator,
            "v2.0/authorize",
            &[("redirect_uri", REDIRECT), ("scope", scope)],
        )
    };
    let asks = |scope: &str, user: &str| {
        let page = Page::open(&emulator, &url(scope)).press(&emulator, &format!("data-user=\"{user}@"));
        page.html.contains("id=\"accept\"") || page.aadsts() == Some(90094)
    };
    assert!(
        !asks("openid", "alex"),
        "the application is present, and a plain sign-in does not need consent"
    );
    assert!(asks("api://orders/read", "alex"));
    emulator.approve(&url("api://orders/READ"), "Alex Wilber").unwrap();
    assert!(!asks("api://orders/read", "alex") && asks("api://orders/read", "megan"));
    assert_eq!(
        emulator
            .approve(&url("api://orders/write"), "Alex Wilber")
            .unwrap_err()
            .aadsts,
        Some(90094)
    );
    emulator.approve(&url("api://orders/write"), "Adele Vance").unwrap();
    assert!(!asks("api://orders/write", "adele") && asks("api://orders/write", "alex"));
}
