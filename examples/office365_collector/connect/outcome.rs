//! The outcomes of a consent, and what users can do about them.

use axum::response::{IntoResponse, Redirect, Response};
use entra_proto::Guid;
use entra_proto::error::ErrorClass;
use entra_tenants::TenantStoreError;
use http::StatusCode;

use super::pages::Message;
use crate::console::note;

/// A tenant that was stored after its administrator consented.
pub(super) enum Connected {
    /// The application's own token in the tenant holds permissions.
    Proved(Guid),
    /// The token holds no permissions: the API will reject it, whatever the administrator consented
    /// to.
    WithoutPermission(Guid),
    /// The application has no token in the tenant yet.
    Unproved(Guid),
}

impl IntoResponse for Connected {
    fn into_response(self) -> Response {
        match self {
            Self::Proved(tenant) => Redirect::to(&format!("/?connected={tenant}")).into_response(),
            Self::WithoutPermission(tenant) => Message::new(
                "A permission is missing",
                format!("Tenant {tenant} has consented, but the application has no application permission there."),
                "Add the application permission ActivityFeed.Read to the app registration, then let an administrator of the tenant \
                 connect it again.",
            )
            .with(StatusCode::OK),
            Self::Unproved(tenant) => Message::new(
                "Consent received",
                format!(
                    "Tenant {tenant} has consented. Entra has not issued a token for the application there yet."
                ),
                "Nothing: the collector tries again by itself.",
            )
            .with(StatusCode::OK),
        }
    }
}

/// A request that changed nothing.
pub(super) enum Failed {
    /// A form that was not made here, for this browser, by this process.
    ForeignForm,
    /// A redirect that was not requested, or was used before.
    UnknownRedirect,
    /// The consent failed.
    Consent(entra_client::Error),
    /// The tenant store failed.
    Tenants(TenantStoreError),
    /// An internal error, whose reason is for the log only.
    Internal(String),
}

impl From<getrandom::Error> for Failed {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::ForeignForm => Message::new(
                "That form has expired",
                "It was not made for this browser, or the application has been restarted since then.",
                "Go back to the tenants and press the button again. Cookies must be allowed for this site.",
            )
            .with(StatusCode::FORBIDDEN),
            Self::UnknownRedirect => Message::new(
                "Nothing was connected",
                "This response from Entra does not belong to a consent of this browser: it was used before, came too late, or \
                 was requested by another browser.",
                "Go back to the tenants, and connect yours from there.",
            )
            .with(StatusCode::BAD_REQUEST),
            Self::Consent(error) => rejected(&error),
            Self::Tenants(error) => {
                // The error names files of this machine.
                note(&format!("connect: the tenant store: {:#}", crate::failure::Report::from(error)));
                Message::new(
                    "The tenants cannot be read",
                    "The application cannot use its tenant store.",
                    TELL,
                )
                .with(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Internal(why) => {
                note(&format!("connect: internal: {why}"));
                Message::new("Something went wrong", "The application has failed.", TELL)
                    .with(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// Returns the page for a consent that failed: by the administrator's decision, by Entra's, or in
/// transit.
fn rejected(error: &entra_client::Error) -> Response {
    let service = error.service();
    let has = |code: u32| service.is_some_and(|service| service.codes.contains(&code));
    // These error codes stand for other rejections as well, such as that of a policy, which have an
    // AADSTS code of their own.
    let was_declined = has(65004)
        || service.is_some_and(|service| {
            matches!(&*service.error, "access_denied" | "permission_denied") && service.codes.is_empty()
        });
    if has(90094) || has(90093) {
        Message::new(
            "An administrator has to consent",
            "The user who signed in may not consent for the whole tenant. Nothing was connected.",
            "Ask an administrator of your tenant to connect it here.",
        )
        .with(StatusCode::FORBIDDEN)
    } else if was_declined {
        Message::new(
            "Consent was declined",
            "Nothing was connected, and the permissions of the application did not change.",
            "If that was a mistake, connect your tenant again and choose Accept.",
        )
        .with(StatusCode::FORBIDDEN)
    } else {
        let status = match error.is_retryable() {
            true => StatusCode::BAD_GATEWAY,
            false => StatusCode::BAD_REQUEST,
        };
        let report = crate::failure::Report::of(error);
        note(&format!("connect: a consent failed: {report:#}"));
        // The IDs are for a support case of the administrator.
        let ids = report.ids().map(|ids| format!(" ({ids})")).unwrap_or_default();
        let reason = format!("The reason: {report}{ids}");
        Message::new("Nothing was connected", reason, advice(error)).with(status)
    }
}

/// Returns what the user of the page can do about a failure. [`entra_client::Error::hint`] is for
/// the developer, and goes to the log.
fn advice(error: &entra_client::Error) -> &'static str {
    match error.class() {
        ErrorClass::Tenant => "Sign in with a work or school account of the tenant that is to be connected.",
        ErrorClass::Transient => "Try again in a few minutes.",
        ErrorClass::Grant | ErrorClass::Interaction => "Go back to the tenants, and connect yours from there.",
        ErrorClass::Consent | ErrorClass::Policy => {
            "Show this message to an administrator of your tenant: a setting there does not allow it."
        }
        _ => TELL,
    }
}

const TELL: &str = "Show this message to the operator of this application: its log says more.";
