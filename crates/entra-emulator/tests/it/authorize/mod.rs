//! The authorization endpoint: its errors, and the redirects to the application.

mod requests;
mod responses;
mod scopes;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Emulator};
use serde_json::Value;

use crate::support::authorize_url;
use crate::support::browser::Page;

pub(super) use crate::support::REDIRECT;
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) fn emulator() -> Emulator {
    Emulator::builder()
        .app(
            App::new("web")
                .redirect_uri(REDIRECT)
                .redirect_uri("https://app.example/with?query=1")
                .request_scope("https://graph.microsoft.com", "User.Read"),
        )
        .app(App::new("without redirects"))
        .app(App::new("switched off").redirect_uri(REDIRECT).disabled())
        .build()
}

pub(super) fn v2(emulator: &Emulator, more: &[(&str, &str)]) -> Page {
    let mut fields = vec![
        ("redirect_uri", REDIRECT),
        ("scope", "openid User.Read"),
        ("state", "s"),
    ];
    fields.extend_from_slice(more);
    Page::open(emulator, &authorize_url(emulator, "v2.0/authorize", &fields))
}

pub(super) fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
