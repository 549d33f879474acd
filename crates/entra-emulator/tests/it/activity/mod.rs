//! The Office 365 Management Activity API: access, subscriptions, and every error code.

mod access;
mod errors;
mod subscriptions;

use entra_emulator::{App, Emulator, Tenant};
use http::Request;
use serde_json::Value;

use crate::support::{Answer, access_token_of};

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

pub(super) fn post_with(emulator: &Emulator, path: &str, token: &str, body: &str) -> Answer {
    let request = Request::post(path).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
}

pub(super) fn post_as(emulator: &Emulator, path: &str, token: &str) -> Answer {
    post_with(emulator, path, token, "")
}

/// The status with the code of an error, or with the status of a subscription.
pub(super) fn seen(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let code = body["error"]["code"].as_str().or_else(|| body["status"].as_str());
    (answer.status().as_u16(), code.unwrap_or_default().to_owned())
}
