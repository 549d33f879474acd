//! Consent, as the documents describe it: who may grant it, its effect, and the response if it is
//! declined.

mod administrators;
mod tenants;
mod users;

use entra_emulator::{App, Emulator, Tenant, User};
use serde_json::Value;

use crate::support::{encode, json_body, merge, post};

pub(super) const MANAGE: &str = "https://manage.office.com";
pub(super) const CLIENT: &str = "a6099727-6b7b-482c-b509-1df309acc563";
pub(super) const CUSTOMER: &str = "41463f53-8812-40f4-890f-865bf6e35190";
pub(super) const REDIRECT: &str = "http://www.mycompany.com/myapp/";

/// Returns an emulator with the application of the Office 365 document, and a customer tenant that
/// has not consented.
pub(super) fn office() -> Emulator {
    Emulator::builder()
        .tenant(Tenant::new("mycompany.example"))
        .tenant(
            Tenant::new("contoso.onmicrosoft.com")
                .id(CUSTOMER)
                .user(
                    User::new("John Doe")
                        .user_principal_name("admin@contoso.onmicrosoft.com")
                        .admin(),
                )
                .user(User::new("Megan Bowen")),
        )
        .app(
            App::new("Activity watcher")
                .client_id(CLIENT)
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .request(MANAGE, "ServiceHealth.Read")
                .request(MANAGE, "ActivityFeed.Read")
                .request_scope(MANAGE, "ActivityFeed.Read")
                .request_scope(MANAGE, "ActivityReports.Read")
                .request_scope(MANAGE, "ServiceHealth.Read"),
        )
        .build()
}

pub(super) fn authorize(more: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("response_type", "code"),
        ("resource", MANAGE),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
    ];
    merge(&mut fields, more);
    format!("/common/oauth2/authorize?{}", encode(&fields))
}

pub(super) fn app_token(emulator: &Emulator, tenant: &str) -> (u16, Value) {
    let response = post(
        emulator,
        &format!("/{tenant}/oauth2/token"),
        &[
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_secret", "s3cret"),
            ("resource", MANAGE),
        ],
    );
    (response.status().as_u16(), json_body(&response))
}
