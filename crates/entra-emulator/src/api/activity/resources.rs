//! The names of the sensitive information types in records about data loss prevention.

use http::header::ACCEPT_LANGUAGE;
use serde_json::{Value, json};

use crate::api::activity::denial::Denial;
use crate::exchange::Exchange;

/// Returns the types with their names in the language of the request: English unless it is Spanish
/// or German.
///
/// # Errors
/// Returns AF20053 for more than one language, and AF20054 for a malformed language.
pub(super) fn sensitive_types(exchange: &Exchange<'_>) -> Result<Value, Denial> {
    let mut wanted = exchange.headers.get_all(ACCEPT_LANGUAGE).iter();
    let language = match (wanted.next(), wanted.next()) {
        (None, _) => "en-US",
        (Some(value), None) => value.to_str().unwrap_or("?"),
        _ => ",",
    };
    if language.contains(',') {
        return Err(Denial::standard("AF20053"));
    }
    let (tag, quality) = language.split_once(';').unwrap_or((language, "q=1"));
    if !is_language(tag.trim()) || !is_quality(quality.trim()) {
        return Err(Denial::standard("AF20054"));
    }
    let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
    let name = |names: [&'static str; 3]| match primary.as_str() {
        "es" => names[1],
        "de" => names[2],
        _ => names[0],
    };
    let types = SENSITIVE_TYPES.iter();
    Ok(types
        .map(|(id, names)| json!({"id": id, "name": name(*names)}))
        .collect())
}

/// Returns true for a language tag such as `en-US`, or `*`.
fn is_language(tag: &str) -> bool {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = tag.split('-').next().unwrap_or_default();
    tag == "*" || tag.split('-').all(is_part) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Returns true for a weight such as `q=0.8`.
fn is_quality(text: &str) -> bool {
    let weight = text.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
    weight.is_some_and(|weight| (0.0..=1.0).contains(&weight))
}

/// The IDs of sensitive information types with their names in English, Spanish and German.
pub(super) const SENSITIVE_TYPES: &[(&str, [&str; 3])] = &[
    (
        "50842eb7-edc8-4019-85dd-5a5c1f2bb085",
        [
            "Credit Card Number",
            "Número de tarjeta de crédito",
            "Kreditkartennummer",
        ],
    ),
    (
        "0e9b3178-9678-47dd-a509-37222ca96b42",
        [
            "EU Debit Card Number",
            "Número de tarjeta de débito de la UE",
            "EU-Debitkartennummer",
        ],
    ),
    (
        "e7dc4711-11b7-4cb0-b88b-2c394a771f0e",
        [
            "International Banking Account Number (IBAN)",
            "Código internacional de cuenta bancaria (IBAN)",
            "Internationale Bankkontonummer (IBAN)",
        ],
    ),
    (
        "a44669fe-0d48-453d-a9b1-2cc83f2cba77",
        [
            "U.S. Social Security Number (SSN)",
            "Número de la seguridad social de EE. UU. (SSN)",
            "US-Sozialversicherungsnummer (SSN)",
        ],
    ),
];
