//! The members of a JSON response body, which may hold a token or an error.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::access_token::BearerText;
use crate::error::aadsts::marked_codes;
use crate::error::{ErrorResponse, ResponseProblem, Secrets, ServiceError};

/// The known members of a token response and of an error response, which may come with any status.
///
/// Derived, and never read through a map, so that a duplicate member is an error instead of an
/// arbitrary choice. A member of an unexpected type is ignored: an error must not lose its code
/// because of an odd timestamp. If the member holds a secret, the whole response is unusable: see
/// [`odd_member`](Self::odd_member).
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ResponseBody {
    #[serde(deserialize_with = "bearer")]
    pub(crate) access_token: Member<BearerText>,
    #[serde(deserialize_with = "text")]
    pub(crate) token_type: Member<String>,
    #[serde(deserialize_with = "count")]
    pub(crate) expires_in: Count,
    #[serde(deserialize_with = "count")]
    pub(crate) expires_on: Count,
    #[serde(deserialize_with = "count")]
    pub(crate) refresh_in: Count,
    #[serde(deserialize_with = "text")]
    pub(crate) scope: Member<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) resource: Member<String>,
    #[serde(deserialize_with = "secret")]
    pub(crate) refresh_token: Member<Zeroizing<String>>,
    #[serde(deserialize_with = "secret")]
    pub(crate) id_token: Member<Zeroizing<String>>,
    // Other endpoints issue it. A token response that contains it as anything but a string is
    // rejected as well.
    #[serde(deserialize_with = "secret")]
    pub(crate) device_code: Member<Zeroizing<String>>,

    #[serde(deserialize_with = "error_text")]
    error: ErrorText,
    #[serde(deserialize_with = "error_text")]
    error_description: ErrorText,
    #[serde(deserialize_with = "numbers")]
    error_codes: Vec<u32>,
    #[serde(deserialize_with = "text")]
    suberror: Member<String>,
    #[serde(deserialize_with = "json")]
    claims: Option<String>,
    #[serde(deserialize_with = "text")]
    trace_id: Member<String>,
    #[serde(deserialize_with = "text")]
    correlation_id: Member<String>,
    #[serde(deserialize_with = "text")]
    timestamp: Member<String>,
    #[serde(deserialize_with = "text")]
    error_uri: Member<String>,
}

impl ResponseBody {
    pub(crate) fn is_error(&self) -> bool {
        let named = match &self.error {
            ErrorText::Text(error) => !error.is_empty(),
            ErrorText::Other(_) => true,
            ErrorText::Missing => false,
        };
        named || !self.error_codes.is_empty()
    }

    pub(crate) fn has_token(&self) -> bool {
        let others = [&self.refresh_token, &self.id_token];
        let access_token = self.access_token.text().is_some_and(|token| !token.is_empty());
        access_token
            || others
                .into_iter()
                .filter_map(Member::text)
                .any(|token| !token.is_empty())
    }

    /// Returns the first member that holds a secret and is not a string.
    pub(crate) fn odd_member(&self) -> Option<&'static str> {
        [
            ("access_token", self.access_token.is_odd()),
            ("refresh_token", self.refresh_token.is_odd()),
            ("id_token", self.id_token.is_odd()),
            ("device_code", self.device_code.is_odd()),
        ]
        .into_iter()
        .find_map(|(name, odd)| odd.then_some(name))
    }

    pub(crate) fn into_error(self, status: u16, retry_after: Option<Duration>, own: &Secrets) -> ServiceError {
        let mut codes = self.error_codes;
        for text in [&self.error_description, &self.error] {
            if codes.is_empty() {
                codes = text.codes();
            }
        }
        ErrorResponse {
            error: self.error.text(),
            description: self.error_description.text(),
            suberror: self.suberror.text().map(String::as_str),
            claims: self.claims.as_deref(),
            trace_id: self.trace_id.text().map(String::as_str),
            correlation_id: self.correlation_id.text().map(String::as_str),
            timestamp: self.timestamp.text().map(String::as_str),
            error_uri: self.error_uri.text().map(String::as_str),
        }
        .read(status, codes, retry_after, own)
    }
}

/// A member that must be a string.
#[derive(Default)]
pub(crate) enum Member<T> {
    /// Absent, or null.
    #[default]
    Missing,
    /// The string.
    Text(T),
    /// Another type. The value is not stored, because it may be a token.
    Odd,
}

impl<T> Member<T> {
    pub(crate) fn text(&self) -> Option<&T> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Odd => None,
        }
    }

    pub(crate) fn into_text(self) -> Option<T> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Odd => None,
        }
    }

    pub(crate) fn is_odd(&self) -> bool {
        matches!(self, Self::Odd)
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Member<U> {
        match self {
            Self::Missing => Member::Missing,
            Self::Text(text) => Member::Text(change(text)),
            Self::Odd => Member::Odd,
        }
    }
}

/// The text of an error: a string, or something else, of which only the AADSTS codes are kept.
#[derive(Default)]
enum ErrorText {
    #[default]
    Missing,
    Text(String),
    Other(Vec<u32>),
}

impl ErrorText {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Missing | Self::Other(_) => "",
        }
    }

    fn codes(&self) -> Vec<u32> {
        match self {
            Self::Missing => Vec::new(),
            Self::Text(text) => marked_codes(text),
            Self::Other(codes) => codes.clone(),
        }
    }
}

/// Parses the members of a response body.
#[inline(always)]
pub(crate) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ResponseProblem> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(ResponseProblem::Empty);
    }
    // An array would be deserialized as the members in their order.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(ResponseProblem::WrongShape { line: 1, column: 1 });
    }
    // The parser's own message is discarded, because it may quote a token.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Eof => ResponseProblem::Truncated,
            Category::Data => ResponseProblem::WrongShape { line, column },
            Category::Syntax | Category::Io => ResponseProblem::NotJson { line, column },
        }
    })
}

/// The maximum number of AADSTS codes of one response.
const MAX_CODES: usize = 16;

/// A number of seconds.
#[derive(Clone, Copy, Default)]
pub(crate) enum Count {
    #[default]
    Missing,
    Seconds(u64),
    Odd,
}

impl Count {
    /// Returns the number, if there is one.
    pub(crate) fn seconds(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Missing | Self::Odd => None,
        }
    }
}

pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Member<Zeroizing<String>>, D::Error> {
    text(deserializer).map(|member| member.map(Zeroizing::new))
}

/// Deserializes an access token, in the form in which it becomes a header.
pub(crate) fn bearer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Member<BearerText>, D::Error> {
    deserializer.deserialize_any(Strings(BearerText::new))
}

/// Deserializes a string.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Member<String>, D::Error> {
    deserializer.deserialize_any(Strings(str::to_owned))
}

/// The type of a token.
pub(crate) enum TokenType {
    /// `Bearer`, in any case.
    Bearer,
    Other(String),
}

impl TokenType {
    fn of(text: &str) -> Self {
        match text.trim() {
            kind if kind.eq_ignore_ascii_case("bearer") => Self::Bearer,
            kind => Self::Other(kind.to_owned()),
        }
    }
}

/// Deserializes the type of a token.
pub(crate) fn token_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Member<TokenType>, D::Error> {
    deserializer.deserialize_any(Strings(TokenType::of))
}

/// A visitor that converts a string with this function.
struct Strings<T>(fn(&str) -> T);

impl<'de, T> Visitor<'de> for Strings<T> {
    type Value = Member<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text((self.0)(text)))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Member::Text((self.0)(&Zeroizing::new(text))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::Missing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Member::Odd)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny::deserialize(SeqAccessDeserializer::new(items)).map(|_| Member::Odd)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny::deserialize(MapAccessDeserializer::new(members)).map(|_| Member::Odd)
    }
}

fn error_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ErrorText, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => ErrorText::Missing,
        Value::String(text) => ErrorText::Text(text),
        other => ErrorText::Other(marked_codes(&other.to_string())),
    })
}

/// Deserializes JSON, which may be encoded in a string.
fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Object(members) => Some(Value::Object(members).to_string()),
        _ => None,
    })
}

/// Deserializes a number of seconds. Null counts as missing.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => Count::Missing,
        value => natural(&value).map_or(Count::Odd, Count::Seconds),
    })
}

/// Deserializes AADSTS codes: numbers or strings of digits, alone or in an array. Ignores
/// everything else.
pub(crate) fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let narrow = |value: &Value| natural(value).and_then(|number| u32::try_from(number).ok());
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => items.iter().filter_map(narrow).take(MAX_CODES).collect(),
        // A list of numbers in a string. Digits in other texts are not codes.
        Value::String(text) if text.chars().all(|c| c.is_ascii_digit() || " ,;[]".contains(c)) => {
            let digits = text
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|digits| digits.parse().ok());
            digits.take(MAX_CODES).collect()
        }
        value => narrow(&value).into_iter().collect(),
    })
}

/// Returns a number that is not negative, or a string of digits. Fractions are truncated, and
/// numbers that are too large become the maximum.
///
/// It takes a `Value`, because serde_json passes numbers to a visitor in two ways, depending on its
/// features.
pub(crate) fn natural(value: &Value) -> Option<u64> {
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
