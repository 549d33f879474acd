//! The check for an error response of the token service.

use entra_proto::Error;
use entra_proto::error::ServiceError;

use crate::commands::doctor::report::Check;
use crate::exit::Failure;
use crate::failure::rfc3339;

/// Returns a failed check with the error response of the service and a hint.
pub(crate) fn rejected(name: &'static str, error: &ServiceError) -> Check {
    let unknown = || match error.codes.last() {
        Some(code) => format!("see https://login.microsoftonline.com/error?code={code}"),
        None => "check the authority, and look for a proxy between this machine and the service".to_owned(),
    };
    let hint = error.hint().map_or_else(unknown, str::to_owned);
    let failure = Failure::from(Error::from(error.clone()));
    Check::fail(name, failure.exit, failure.problem_with_ids(), hint)
        .with("aadsts_codes", error.codes.as_slice())
        .with("oauth_error", error.error.as_str())
        .with("status", error.status)
        .with("trace_id", error.trace_id.as_deref())
        .with("correlation_id", error.correlation_id.as_deref())
        .with("timestamp", error.timestamp.as_deref().map(rfc3339))
}
