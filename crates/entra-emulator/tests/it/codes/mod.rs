//! Authorization codes: their tokens, and the reasons for rejecting them.

mod passwords;
mod redeemed;
mod rejected;

use entra_emulator::{Api, App, Emulator, Tenant, TokenVersion};

use crate::support::{Response, authorize_url, merge, post};

pub(super) use crate::support::REDIRECT;
pub(super) const GRAPH: &str = "https://graph.microsoft.com";

pub(super) fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .api(Api::new("api://orders").scope("read").token_version(TokenVersion::V2))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope(GRAPH, "User.Read")
                .grant_scope(GRAPH, "Mail.Read")
                .grant_scope("api://orders", "read"),
        )
        .app(App::new("other").secret("other-secret").redirect_uri(REDIRECT))
        .app(
            App::new("native")
                .public_client()
                .redirect_uri("http://localhost")
                .grant_scope(GRAPH, "User.Read"),
        )
        .build();
    emulator.clock().freeze();
    emulator
}

pub(super) fn code(emulator: &Emulator, endpoint: &str, more: &[(&str, &str)]) -> String {
    let mut fields = vec![("redirect_uri", REDIRECT)];
    fields.extend_from_slice(more);
    let url = authorize_url(emulator, endpoint, &fields);
    emulator
        .approve(&url, "Adele Vance")
        .unwrap()
        .parameter("code")
        .expect("a code")
}

pub(super) fn redeem(emulator: &Emulator, path: &str, code: &str, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("redirect_uri", REDIRECT),
        ("code", code),
    ];
    merge(&mut fields, more);
    post(emulator, path, &fields)
}

pub(super) fn v2(emulator: &Emulator, code: &str, more: &[(&str, &str)]) -> Response {
    redeem(emulator, &emulator.token_url_v2(), code, more)
}

pub(super) fn v1(emulator: &Emulator, code: &str, more: &[(&str, &str)]) -> Response {
    redeem(emulator, &emulator.token_url_v1(), code, more)
}

pub(super) const SCOPE: (&str, &str) = ("scope", "openid profile offline_access User.Read");
