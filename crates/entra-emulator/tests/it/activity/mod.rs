//! The Office 365 Management Activity API: access, subscriptions, and every error code.

mod access;
mod errors;
mod subscriptions;

use entra_emulator::{App, Emulator, Tenant};
use http::Request;
use serde_json::Value;

use crate::support::{Response, access_token_of, json_body, post};

pub(super) const MANAGE: &str = "https://manage.office.com";
pub(super) const SCOPE: &str = "https://manage.office.com/.default";
pub(super) const TYPE: &str = "?contentType=Audit.AzureActiveDirectory";
pub(super) const PUBLISHER: &str = "&PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e";

pub(super) fn emulator(app: App) -> Emulator {
    Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .app(app.secret("s3cret"))
        .build()
}

pub(super) fn good() -> Emulator {
    emulator(
        App::new("a")
            .grant(MANAGE, "ActivityFeed.Read")
            .grant(MANAGE, "ActivityFeed.ReadDlp"),
    )
}

pub(super) fn token(emulator: &Emulator, scope: &str) -> String {
    access_token_of(emulator, "s3cret", scope)
}

/// Requests a token of the application with the secret `s3cret`, in the tenant with this index.
pub(super) fn request_in(emulator: &Emulator, tenant: usize) -> Response {
    let url = emulator
        .token_url_v2()
        .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("scope", SCOPE),
    ];
    post(emulator, &url, &fields)
}

/// Returns a token of the application with the secret `s3cret`, in the tenant with this index.
pub(super) fn token_in(emulator: &Emulator, tenant: usize) -> String {
    let body = json_body(&request_in(emulator, tenant));
    body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

pub(super) fn post_with(emulator: &Emulator, path: &str, token: &str, body: &str) -> Response {
    let request = Request::post(path).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
}

pub(super) fn post_as(emulator: &Emulator, path: &str, token: &str) -> Response {
    post_with(emulator, path, token, "")
}

/// Returns the status with the code of an error, or with the status of a subscription.
pub(super) fn seen(response: &Response) -> (u16, String) {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let code = body["error"]["code"].as_str().or_else(|| body["status"].as_str());
    (response.status().as_u16(), code.unwrap_or_default().to_owned())
}
