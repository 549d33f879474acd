use entra_proto::{Error, ServiceError};

use crate::commands::doctor::report::Check;
use crate::exit::Failure;

/// A refusal of the service's: what it said, and what to do.
pub(crate) fn refused(name: &'static str, error: &ServiceError) -> Check {
    let unknown = || match error.codes.last() {
        Some(code) => format!("see https://login.microsoftonline.com/error?code={code}"),
        None => "check the authority, and look for a proxy between this machine and the service".to_owned(),
    };
    let fix = error.hint().map_or_else(unknown, str::to_owned);
    let exit = Failure::from(Error::from(error.clone())).exit;
    Check::fail(name, exit, in_words(error), fix)
        .with("codes", error.codes.as_slice())
        .with("error", error.error.as_str())
        .with("httpStatus", error.status)
        .with("traceId", error.trace_id.as_deref())
        .with("correlationId", error.correlation_id.as_deref())
        .with("timestamp", error.timestamp.as_deref())
}

/// What the service said, with what its support asks for.
pub(crate) fn in_words(error: &ServiceError) -> String {
    let code = error.row().map(|row| row.code).or_else(|| error.codes.last().copied());
    let head = match (code, error.error.as_str()) {
        (Some(code), word) => format!("AADSTS{code} {word}").trim_end().to_owned(),
        (None, "") => "the service refused without a number".to_owned(),
        (None, word) => word.to_owned(),
    };
    let message = error.message();
    let message = match message.trim_end_matches('.') {
        "" => String::new(),
        message => format!(": {message}"),
    };
    let ids = [
        ("trace id", &error.trace_id),
        ("correlation id", &error.correlation_id),
        ("at", &error.timestamp),
    ];
    let ids: String = ids
        .into_iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!(", {name} {value}")))
        .collect();
    format!("{head}{message} (status {}{ids})", error.status)
}
