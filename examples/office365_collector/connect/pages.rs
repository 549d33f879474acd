//! The web pages. askama escapes every value in a template.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use entra_proto::Guid;
use entra_tenants::ConsentedTenant;
use http::StatusCode;

use crate::console::note;

pub(super) const STYLE: &str = include_str!("templates/style.css");

/// The collector's plan for the tenants.
pub(crate) trait Plan: Send + Sync {
    /// Handles a tenant that has just connected.
    fn connected(&self, tenant: Guid);

    /// Returns the state of a tenant's collection.
    fn state(&self, tenant: Guid) -> State;

    /// Returns the steps that follow when a tenant connects.
    fn steps(&self) -> Vec<String>;
}

/// The state of a tenant's collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// `waiting`, `collecting`, `good` or `failed`.
    pub(crate) kind: &'static str,
    /// A sentence for people.
    pub(crate) text: String,
    /// The action that is required, or empty.
    pub(crate) advice: String,
}

/// The plan of a program that only connects tenants.
pub(crate) struct NotCollecting;

impl Plan for NotCollecting {
    fn connected(&self, tenant: Guid) {
        note(&format!("connect: tenant {tenant} is connected"));
    }

    fn state(&self, _: Guid) -> State {
        State {
            kind: "waiting",
            text: "Stored.".to_owned(),
            advice: String::new(),
        }
    }

    fn steps(&self) -> Vec<String> {
        vec![
            "This program stores the tenant, and does not collect.".to_owned(),
            "A collector that runs with the same tenant store collects from the tenant in its next round.".to_owned(),
        ]
    }
}

/// The tenants, and the button that connects another one.
#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct Home {
    pub(super) tenants: Vec<Row>,
    /// Stored tenants that cannot be read.
    pub(super) unreadable: usize,
    /// The tenant that has just connected.
    pub(super) connected: Option<String>,
    pub(super) form_token: String,
    /// The next steps of the collector.
    pub(super) steps: Vec<String>,
}

/// A tenant that is connected.
pub(super) struct Row {
    tenant: String,
    by: String,
    since: String,
    state: State,
}

impl Row {
    pub(super) fn of(tenant: &ConsentedTenant, state: State) -> Self {
        Self {
            tenant: tenant.tenant.to_string(),
            by: tenant
                .consented_by
                .clone()
                .unwrap_or_else(|| "an administrator".to_owned()),
            since: date(tenant.consented_at.as_secs()),
            state,
        }
    }
}

/// A message, and the link back.
#[derive(Template)]
#[template(path = "message.html")]
pub(super) struct Message {
    title: &'static str,
    text: String,
    advice: String,
}

impl Message {
    pub(super) fn new(title: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            title,
            text: text.into(),
            advice: advice.into(),
        }
    }

    pub(super) fn with(self, status: StatusCode) -> Response {
        show(status, &self)
    }
}

pub(super) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Formats a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, up to the year 9999.
fn date(seconds: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    httpdate::fmt_http_date(time)
}
