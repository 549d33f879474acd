//! The request headers that change a response: a request with an unsupported one is rejected.

use http::header::{ACCEPT, IF_MATCH, IF_NONE_MATCH};

use crate::api::graph::denial::Denial;
use crate::api::graph::resource::Resource;
use crate::exchange::{Exchange, shown};

/// Checks the headers of a request for a resource.
///
/// # Errors
/// Returns an error for a conditional request, and for an `Accept` that excludes the usual JSON.
pub(super) fn check(exchange: &Exchange<'_>, resource: &Resource<'_>) -> Result<(), Denial> {
    if let Some(name) = [IF_MATCH, IF_NONE_MATCH]
        .into_iter()
        .find(|name| exchange.headers.contains_key(name))
    {
        return Err(Denial::not_emulated(format_args!(
            "the header '{name}' here: no response has an ETag"
        )));
    }
    let is_count = resource.is_count();
    match exchange.header(ACCEPT) {
        // Counts are plain text, which Graph sends to clients that request JSON as well.
        Some(accept) if !is_count && !accept.trim().is_empty() && !accept.split(',').any(is_usual_json) => {
            Err(Denial::not_emulated(format_args!(
                "responses for the header 'Accept: {}', only application/json with odata.metadata=minimal",
                shown(accept)
            )))
        }
        _ => Ok(()),
    }
}

/// Returns true if a media range includes JSON with the control information that responses have.
fn is_usual_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let holds_json = ["application/json", "application/*", "*/*"]
        .iter()
        .any(|known| media.eq_ignore_ascii_case(known));
    holds_json
        && parts
            .filter_map(|parameter| parameter.split_once('='))
            .all(|(name, value)| match name.to_ascii_lowercase().as_str() {
                "odata.metadata" | "odata" => ["minimal", "minimalmetadata"]
                    .iter()
                    .any(|known| value.eq_ignore_ascii_case(known)),
                "q" => value.parse::<f32>().is_ok_and(|quality| quality > 0.0),
                _ => true,
            })
}
