//! The error responses of the Management Activity API.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

use crate::activity_errors::status;
use crate::bearer::Flaw;

/// The reason why a request is rejected, in this API's form.
pub(super) struct Denial {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Denial {
    /// An error of the table with its status.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: status(code).unwrap_or(StatusCode::BAD_REQUEST),
            code,
            message: message.into(),
        }
    }

    /// The body of the response.
    pub(super) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }

    /// The API may do this, and the emulator does not.
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
