//! The error responses of the Management Activity API.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

use crate::activity_errors::find;
use crate::bearer::Flaw;

/// The reason for rejecting a request, in this API's format.
pub(super) struct Denial {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Denial {
    /// Creates an error with a specific message. The status is that of the code.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: find(code).map_or(StatusCode::BAD_REQUEST, |(status, _)| status),
            code,
            message: message.into(),
        }
    }

    /// Creates an error with the text of Microsoft's reference for its code.
    pub(super) fn standard(code: &'static str) -> Self {
        let text = find(code).map_or("", |(_, text)| text);
        Self::new(code, text)
    }

    /// Returns the body of the response.
    pub(super) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }

    /// Creates the response (501) to a feature of the API that the emulator does not implement.
    pub(super) fn not_emulated(what: impl fmt::Display) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            code: "not_emulated",
            message: format!("The emulator does not emulate {what}."),
        }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new("AF10001", "Authorization has been denied for this request.")
    }
}

impl From<Flaw> for Denial {
    fn from(_: Flaw) -> Self {
        Self::unauthorized()
    }
}
