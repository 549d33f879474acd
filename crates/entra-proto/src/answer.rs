use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::answer_error::AnswerProblem;
use crate::service_error::ServiceError;

/// The body of an answer: the known members of a success and of a refusal, which may come under any status.
///
/// Derived, and never read through a map, so that a known member that stands there twice is an error and not a choice.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Answer {
    #[serde(deserialize_with = "secret")]
    pub(crate) access_token: Option<Zeroizing<String>>,
    pub(crate) token_type: Option<String>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) expires_in: Option<u64>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) expires_on: Option<u64>,
    #[serde(deserialize_with = "seconds_or_nothing")]
    pub(crate) refresh_in: Option<u64>,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    #[serde(deserialize_with = "secret")]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "secret")]
    id_token: Option<Zeroizing<String>>,

    error: Option<String>,
    error_description: Option<String>,
    #[serde(deserialize_with = "numbers")]
    error_codes: Vec<u32>,
    suberror: Option<String>,
    claims: Option<String>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
    timestamp: Option<String>,
    error_uri: Option<String>,
}

impl Answer {
    pub(crate) fn read(body: &[u8]) -> Result<Self, AnswerProblem> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.trim_ascii().is_empty() {
            return Err(AnswerProblem::Empty);
        }
        // An array would be read as the members in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(AnswerProblem::WrongShape { line: 1, column: 1 });
        }
        // The error's own text is not kept: it may quote a token.
        serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            match error.classify() {
                Category::Eof => AnswerProblem::Truncated,
                Category::Data => AnswerProblem::WrongShape { line, column },
                Category::Syntax | Category::Io => AnswerProblem::NotJson { line, column },
            }
        })
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.error.as_ref().is_some_and(|error| !error.is_empty()) || !self.error_codes.is_empty()
    }

    pub(crate) fn has_token(&self) -> bool {
        [&self.access_token, &self.refresh_token, &self.id_token]
            .into_iter()
            .any(Option::is_some)
    }

    pub(crate) fn into_refusal(self, status: u16, retry_after: Option<Duration>) -> ServiceError {
        let description = self.error_description.unwrap_or_default();
        let codes = if self.error_codes.is_empty() {
            codes_in(&description)
        } else {
            self.error_codes
        };
        ServiceError {
            status,
            error: self.error.unwrap_or_default(),
            codes,
            suberror: self.suberror.filter(|suberror| !suberror.is_empty()),
            description,
            claims: self.claims.filter(|claims| !claims.is_empty()),
            trace_id: self.trace_id,
            correlation_id: self.correlation_id,
            timestamp: self.timestamp,
            error_uri: self.error_uri,
            retry_after,
        }
    }
}

/// The numbers of a message: the digits behind each `AADSTS`, each number once.
pub(crate) fn codes_in(text: &str) -> Vec<u32> {
    let mut codes = Vec::new();
    for rest in text.split("AADSTS").skip(1).take(MAX_CODES) {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if let Ok(code) = digits.parse() {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
    }
    codes
}

/// How many numbers of one answer are kept.
const MAX_CODES: usize = 16;

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Zeroizing::new))
}

/// A count of seconds; null is missing.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => count(&value)
            .map(Some)
            .ok_or_else(|| D::Error::custom("no count of seconds")),
    }
}

/// As [`seconds`], for a member that only helps: whatever is no count of seconds is missing.
fn seconds_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(count(&Value::deserialize(deserializer)?))
}

/// Error numbers: numbers or strings of them, alone or in an array. What is no number is left out.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let narrow = |value: &Value| count(value).and_then(|number| u32::try_from(number).ok());
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => items.iter().filter_map(narrow).take(MAX_CODES).collect(),
        Value::String(text) => {
            let digits = text
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|digits| digits.parse().ok());
            digits.take(MAX_CODES).collect()
        }
        value => narrow(&value).into_iter().collect(),
    })
}

/// A number that is not negative, or a string of digits. Fractions are cut off, and what is too large is the largest.
///
/// Read from a `Value`: serde_json shows numbers to a visitor in two ways, as other crates of the program choose its features.
fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            (float.is_finite() && float >= 0.0).then_some(float as u64)
        }),
        Value::String(text) => {
            let text = text.trim();
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        }
        _ => None,
    }
}
