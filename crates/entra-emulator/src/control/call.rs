//! A call of an operation.

use std::time::SystemTime;

use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::control::members::Members;
use crate::control::problem::Problem;
use crate::state::State;
use crate::time::{LAST_SECOND, rfc3339, unix};

/// A request that passed the checks common to all operations, with the state of the emulator.
pub(super) struct Call<'a> {
    pub(super) state: &'a State,
    pub(super) request: &'a Request<Vec<u8>>,
}

impl Call<'_> {
    /// Parses the body as a JSON object and returns its members.
    pub(super) fn members(&self) -> Result<Members, Problem> {
        let content_type = self.request.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| value.to_str().unwrap_or_default());
        let is_json = |value: &str| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/json")
        };
        if !content_type.is_some_and(is_json) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send a JSON object, with the header Content-Type: application/json",
            ));
        }
        Members::read(self.request.body())
    }

    /// Like [`members`](Self::members), for an operation without required members.
    pub(super) fn members_if_any(&self) -> Result<Members, Problem> {
        if self.request.body().is_empty() {
            return Ok(Members::default());
        }
        self.members()
    }
}

/// Adds a time to a JSON object: `NAME_on` in seconds since the Unix epoch, and `NAME_at` in RFC
/// 3339, at most the year 9999.
pub(super) fn with_moment(mut object: Value, name: &str, time: SystemTime) -> Value {
    let seconds = unix(time).min(LAST_SECOND);
    object[format!("{name}_on")] = seconds.into();
    object[format!("{name}_at")] = rfc3339(seconds).into();
    object
}

pub(super) type Reply = Result<(StatusCode, Value), Problem>;
