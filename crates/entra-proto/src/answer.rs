use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::aadsts::marked_codes;
use crate::access_token::BearerText;
use crate::answer_error::AnswerProblem;
use crate::claims_request::MAX_CLAIMS;
use crate::error::cut;
use crate::service_error::{MAX_TEXT, ServiceError};

/// The body of an answer: the known members of a token and of a refusal, which may come under any status.
///
/// Derived, and never read through a map, so that a known member that stands there twice is an error and not a choice.
/// Members of an unexpected type cost that member alone: a refusal must not lose its number over an odd timestamp.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Answer {
    #[serde(deserialize_with = "bearer")]
    pub(crate) access_token: Option<BearerText>,
    #[serde(deserialize_with = "text")]
    pub(crate) token_type: Option<String>,
    #[serde(deserialize_with = "count")]
    pub(crate) expires_in: Count,
    #[serde(deserialize_with = "count")]
    pub(crate) expires_on: Count,
    #[serde(deserialize_with = "count")]
    pub(crate) refresh_in: Count,
    #[serde(deserialize_with = "text")]
    pub(crate) scope: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) resource: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub(crate) refresh_token: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "secret")]
    pub(crate) id_token: Option<Zeroizing<String>>,

    #[serde(deserialize_with = "text")]
    error: Option<String>,
    #[serde(deserialize_with = "text")]
    error_description: Option<String>,
    #[serde(deserialize_with = "numbers")]
    error_codes: Vec<u32>,
    #[serde(deserialize_with = "text")]
    suberror: Option<String>,
    #[serde(deserialize_with = "text")]
    claims: Option<String>,
    #[serde(deserialize_with = "text")]
    trace_id: Option<String>,
    #[serde(deserialize_with = "text")]
    correlation_id: Option<String>,
    #[serde(deserialize_with = "text")]
    timestamp: Option<String>,
    #[serde(deserialize_with = "text")]
    error_uri: Option<String>,
}

impl Answer {
    pub(crate) fn is_refusal(&self) -> bool {
        self.error.as_ref().is_some_and(|error| !error.is_empty()) || !self.error_codes.is_empty()
    }

    pub(crate) fn has_token(&self) -> bool {
        let others = [&self.refresh_token, &self.id_token];
        let access_token = self.access_token.as_ref().is_some_and(|token| !token.is_empty());
        access_token || others.into_iter().flatten().any(|token| !token.is_empty())
    }

    pub(crate) fn into_refusal(self, status: u16, retry_after: Option<Duration>) -> ServiceError {
        let description = self.error_description.unwrap_or_default();
        let codes = if self.error_codes.is_empty() {
            marked_codes(&description)
        } else {
            self.error_codes
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty()).map(|text| cut(&text, MAX_TEXT));
        ServiceError {
            status,
            error: cut(&self.error.unwrap_or_default(), MAX_TEXT),
            codes,
            suberror: filled(self.suberror),
            description: cut(&description, MAX_TEXT),
            // Passed on as it is, or not at all.
            claims: self
                .claims
                .filter(|claims| !claims.is_empty() && claims.len() <= MAX_CLAIMS),
            trace_id: filled(self.trace_id),
            correlation_id: filled(self.correlation_id),
            timestamp: filled(self.timestamp),
            error_uri: filled(self.error_uri),
            retry_after,
            sent: None,
        }
    }
}

/// Reads a body's members, of whichever answer.
#[inline(always)]
pub(crate) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, AnswerProblem> {
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

/// How many numbers of one answer are kept.
const MAX_CODES: usize = 16;

/// A count of seconds as it was found.
#[derive(Clone, Copy, Default)]
pub(crate) enum Count {
    #[default]
    Missing,
    Seconds(u64),
    Odd,
}

impl Count {
    /// The count, where there is one.
    pub(crate) fn seconds(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Missing | Self::Odd => None,
        }
    }
}

pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    text(deserializer).map(|text| text.map(Zeroizing::new))
}

/// An access token: as [`text`] has it, and made ready to become a header while it is copied out of the body.
fn bearer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BearerText>, D::Error> {
    struct Bearer;

    impl<'de> Visitor<'de> for Bearer {
        type Value = Option<BearerText>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an access token")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(BearerText::new(text)))
        }

        fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
            Ok(owned(text))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
            Ok(owned(value.to_string()))
        }

        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok(owned(value.to_string()))
        }

        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok(owned(value.to_string()))
        }

        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok(owned(value.to_string()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
            Value::deserialize(SeqAccessDeserializer::new(items)).map(|value| owned(value.to_string()))
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
            Value::deserialize(MapAccessDeserializer::new(members)).map(|value| owned(value.to_string()))
        }
    }

    fn owned(text: String) -> Option<BearerText> {
        Some(BearerText::new(&Zeroizing::new(text)))
    }

    deserializer.deserialize_any(Bearer)
}

/// A text; null is missing. Of another type, it is that value's JSON, as claims may be.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// A count of seconds; null is missing.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => Count::Missing,
        value => natural(&value).map_or(Count::Odd, Count::Seconds),
    })
}

/// Error numbers: numbers or strings of them, alone or in an array. What is no number is left out.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let narrow = |value: &Value| natural(value).and_then(|number| u32::try_from(number).ok());
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
fn natural(value: &Value) -> Option<u64> {
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
