//! Scopes that were consented to.

use entra_emulator::{Api, App, Emulator};

use crate::authorize::{REDIRECT, emulator, v2};
use crate::support::authorize_url;
use crate::support::browser::Page;

#[test]
fn asking_for_all_again_asks_nobody_who_agreed_to_some_of_it() {
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
    // One scope of this API was agreed to, so there is a token; of the other API there is none yet.
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
fn a_scope_said_again_is_one() {
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
    let refused = v2(&emulator, &[("scope", &many)]);
    assert!(
        refused
            .parameter("error_description")
            .unwrap()
            .starts_with("AADSTS70011: ")
    );
}

#[test]
fn consented_scopes_decide_what_is_asked() {
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
        "the app is present, and a sign-in alone asks for nothing"
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
