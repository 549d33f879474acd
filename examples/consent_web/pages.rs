//! What people read. Every value in a template is escaped by askama.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use entra_client::ConsentedTenant;
use entra_proto::ErrorClass;
use http::StatusCode;

use crate::activity::{Audit, Trouble};

pub(crate) const STYLE: &str = include_str!("templates/style.css");

/// The tenants, and the button that connects another.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home {
    pub(crate) tenants: Vec<Row>,
    /// How many cannot be read.
    pub(crate) unreadable: usize,
    /// The one that came just now.
    pub(crate) connected: Option<String>,
    pub(crate) form_token: String,
}

/// A tenant that is connected.
pub(crate) struct Row {
    pub(crate) tenant: String,
    pub(crate) by: String,
    pub(crate) since: String,
}

impl Row {
    pub(crate) fn of(tenant: &ConsentedTenant) -> Self {
        Self {
            tenant: tenant.tenant.to_string(),
            by: tenant
                .consented_by
                .clone()
                .unwrap_or_else(|| "an administrator".to_owned()),
            since: date(tenant.consented_at.as_secs()),
        }
    }
}

/// A tenant's audit records.
#[derive(Template)]
#[template(path = "records.html")]
pub(crate) struct Records {
    pub(crate) tenant: String,
    pub(crate) audit: Arc<Audit>,
}

/// Something to tell, and the way back.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message {
    pub(crate) title: &'static str,
    pub(crate) text: String,
    pub(crate) advice: String,
}

impl Message {
    pub(crate) fn new(title: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            title,
            text: text.into(),
            advice: advice.into(),
        }
    }

    pub(crate) fn of(trouble: &Trouble) -> Self {
        Self::new("No records", trouble.to_string(), trouble.advice())
    }

    pub(crate) fn with(self, status: StatusCode) -> Response {
        show(status, &self)
    }
}

/// What stands before the semicolon: errors are written with what to do about them behind it.
pub(crate) fn without_advice(error: &str) -> &str {
    error.split("; ").next().unwrap_or_default()
}

/// What whoever reads a page can do about a failure. [`entra_client::Error::hint`] is for whoever wrote the application: it stands in
/// the log.
pub(crate) fn advice(error: &entra_client::Error) -> &'static str {
    match error.class() {
        ErrorClass::Transient => LATER,
        ErrorClass::Grant | ErrorClass::Interaction => "Go back to the tenants, and connect yours from there.",
        ErrorClass::Consent | ErrorClass::Policy => {
            "Show this message to an administrator of your tenant: something there does not allow it."
        }
        _ => TELL,
    }
}

pub(crate) const LATER: &str = "Try again in a few minutes.";
pub(crate) const TELL: &str = "Show this message to whoever runs this application: its log says more.";

pub(crate) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, up to the year 9999.
fn date(seconds: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    httpdate::fmt_http_date(time)
}
