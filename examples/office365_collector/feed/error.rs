//! The errors of the API.

use std::fmt;
use std::time::{Duration, SystemTime};

use entra_client::Error as TokenError;
use entra_proto::acquire::retry_after;
use entra_proto::error::{ErrorClass, ServiceError};
use entra_tower::{BearerError, Report};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::content_type::ContentType;

/// An application permission of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Read,
    ReadDlp,
}

impl Permission {
    /// Returns the permission that requests about this content type require, or that of requests
    /// about all types.
    pub(super) const fn of(content_type: Option<ContentType>) -> Self {
        match content_type {
            Some(ContentType::Dlp) => Self::ReadDlp,
            _ => Self::Read,
        }
    }

    /// Returns its name in the roles of a token.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "ActivityFeed.Read",
            Self::ReadDlp => "ActivityFeed.ReadDlp",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::Read => {
                "add the application permission ActivityFeed.Read of the Office 365 Management APIs to the app registration, and let \
                 an administrator of the tenant consent to it"
            }
            Self::ReadDlp => {
                "add the application permission ActivityFeed.ReadDlp of the Office 365 Management APIs to the app registration, and \
                 let an administrator of the tenant consent to it, or leave DLP.All out with --content-type"
            }
        }
    }
}

/// The reason that a call has no result.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// No token could be acquired.
    Token(TokenError),
    /// The API rejected the request.
    Api(ApiError),
    /// No complete response arrived: the connection failed, took too long, or ended too early. A
    /// retry may succeed.
    Connection(String),
    /// A response arrived that is not as expected. It may have been damaged in transit, so a retry
    /// may succeed.
    Response(String),
    /// A response arrived that must not be used: it is too large, or names an address that must not
    /// get the token.
    Rejected(String),
}

/// An error response of the API.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// `AF` and a number; `None` if the response names no code.
    pub(crate) code: Option<String>,
    /// The API's text, of bounded length and without control characters.
    pub(crate) message: String,
    /// The delay in `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The permission that the request requires.
    pub(super) permission: Permission,
    /// True if the token has the permission, although the API rejects the request as unauthorized.
    pub(super) is_permitted: bool,
}

impl ApiError {
    /// Reads an error response. Throttling errors use single quotation marks, which is not JSON:
    /// their code is found by its form.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Inner,
        }
        #[derive(Deserialize)]
        struct Inner {
            code: Option<String>,
            message: Option<String>,
        }
        let (code, message) = match serde_json::from_slice::<Body>(body) {
            Ok(Body { error }) => (error.code, error.message.unwrap_or_default()),
            Err(_) => {
                let text = String::from_utf8_lossy(body.get(..LONGEST_MESSAGE).unwrap_or(body)).into_owned();
                let is_ours = text.contains("AF");
                (code_in(&text), if is_ours { text } else { String::new() })
            }
        };
        Self {
            status,
            code: code
                .map(|code| printable(&code, LONGEST_CODE))
                .filter(|code| !code.is_empty()),
            message: printable(&message, LONGEST_MESSAGE),
            retry_after: retry_after(headers, SystemTime::now().into()),
            permission: Permission::Read,
            is_permitted: false,
        }
    }

    /// Returns true if the response has this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Returns true if the request requires a separate permission, so that other requests may
    /// succeed.
    fn is_for_dlp(&self) -> bool {
        self.permission == Permission::ReadDlp
    }

    /// Returns true if there were too many requests: `AF429`, which the API sends with status 403,
    /// or the statuses 429, and 503 with `Retry-After`.
    pub(crate) fn is_throttled(&self) -> bool {
        self.is("AF429")
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status == StatusCode::SERVICE_UNAVAILABLE && self.retry_after.is_some()
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self.code.as_deref().unwrap_or_default() {
            NOT_PERMITTED if self.is_permitted => {
                "nothing: the token has the permission, and the next round tries again"
            }
            NOT_PERMITTED => self.permission.hint(),
            "AF20001" | "AF20002" | "AF20003" => "this is an error of the collector: report it with the message",
            "AF20010" | "AF20011" | "AF20012" | "AF20013" => {
                "check the tenant's ID: it must be the tenant that issued the token, and have a subscription to Office 365"
            }
            "AF20020" => "the API does not offer this content type: leave it out with --content-type",
            "AF20021" => {
                "the API could not validate the webhook: --webhook-url must be an https address that the internet reaches, with a \
                 valid certificate"
            }
            "AF20022" | "AF20023" => "the subscription was stopped: the next round starts it again",
            "AF20030" | "AF20055" => {
                "check this machine's clock: content is listed for 24 hours at most, of the last 7 days"
            }
            "AF20050" | "AF20051" => "content is kept for 7 days: run the collector more often",
            "AF429" => {
                "nothing: the collector waits and continues; with --publisher, your requests count towards your own quota"
            }
            "AF50000" => "nothing: the API failed, and the next round tries again",
            _ if self.is_throttled() || self.status.is_server_error() => "nothing: the next round tries again",
            _ => "see the error codes in the reference of the Office 365 Management Activity API",
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "the API responded with {} {code}", self.status.as_u16())?,
            None => write!(f, "the API responded with {}", self.status)?,
        }
        match self.message.as_str() {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}

impl CallError {
    /// Returns true if a retry of the same request may succeed.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Token(error) => error.is_retryable(),
            Self::Api(error) => {
                error.is_throttled() || error.status.is_server_error() || error.is("AF50000") || error.is_permitted
            }
            Self::Connection(_) | Self::Response(_) => true,
            Self::Rejected(_) => false,
        }
    }

    /// Returns true if the tenant should get no requests for a while.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_throttled())
    }

    /// Returns the delay that the service asks for, if any.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.retry_after(),
            Self::Api(error) => error.retry_after,
            Self::Connection(_) | Self::Response(_) | Self::Rejected(_) => None,
        }
    }

    /// Returns true if nothing can be collected from the tenant until its administrator consents
    /// (again).
    pub(crate) fn is_consent_gone(&self) -> bool {
        let unknown = |service: &ServiceError| {
            service
                .codes
                .iter()
                .any(|code| matches!(code, 700_016 | 7_000_229 | 65_001))
        };
        match self {
            Self::Token(error) => error.class() == ErrorClass::Consent || error.service().is_some_and(unknown),
            Self::Api(error) => error.is(NOT_PERMITTED) && !error.is_permitted && !error.is_for_dlp(),
            Self::Connection(_) | Self::Response(_) | Self::Rejected(_) => false,
        }
    }

    /// Returns true if every other request of the tenant would fail in the same way.
    pub(crate) fn ends_tenant(&self) -> bool {
        match self {
            Self::Token(_) => true,
            Self::Api(error) => {
                error.status == StatusCode::UNAUTHORIZED && !error.is_for_dlp()
                    || ["AF20010", "AF20011", "AF20012", "AF20013"]
                        .iter()
                        .any(|code| error.is(code))
            }
            Self::Connection(_) | Self::Response(_) | Self::Rejected(_) => false,
        }
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Token(_) if self.is_consent_gone() => Some(
                "let an administrator of the tenant consent to the application (--connect); other tenants are not affected",
            ),
            Self::Token(error) => error.hint(),
            Self::Api(error) => Some(error.hint()),
            Self::Connection(_) => Some("check the network, and whether this machine can reach the API"),
            Self::Response(_) | Self::Rejected(_) => Some("check whether a proxy changes the API's responses"),
        }
    }

    pub(super) fn of(error: BearerError) -> Self {
        match error {
            BearerError::Token(error) => Self::Token(error),
            error => {
                // The cause of a failed connection says more than its summary.
                let text = Report::of(&error).to_string();
                Self::Connection(printable(&text, LONGEST_MESSAGE))
            }
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => write!(f, "no token: {error}"),
            Self::Api(error) => error.fmt(f),
            Self::Connection(text) | Self::Response(text) | Self::Rejected(text) => f.write_str(text),
        }
    }
}

/// Returns the first `AF` with a number in a text.
fn code_in(text: &str) -> Option<String> {
    text.match_indices("AF").find_map(|(at, _)| {
        let rest = text.get(at + 2..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (3..=5)
            .contains(&digits)
            .then(|| text.get(at..at + 2 + digits).map(str::to_owned))?
    })
}

/// Makes a text of the service safe to display: bounded, and without control sequences.
pub(super) fn printable(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() || is_invisible(c) { ' ' } else { c };
    text.trim().chars().take(most).map(shown).collect()
}

/// Returns true if a character changes the order of the text around it, or is invisible.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The error of a token without the permission.
pub(super) const NOT_PERMITTED: &str = "AF10001";
const LONGEST_CODE: usize = 40;
const LONGEST_MESSAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ApiError {
        ApiError::read(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    #[test]
    fn throttling_is_recognized_in_every_form() {
        let documented =
            "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=00000000'}}";
        for (status, body) in [
            (403, documented),
            (403, r#"{"error":{"code":"AF429","message":"Too many requests."}}"#),
            (429, ""),
            (429, "<html>slow down</html>"),
        ] {
            let error = read(status, body);
            assert!(error.is_throttled(), "{status} {body}: {error}");
        }
        for (status, body) in [
            (403, "{}"),
            (503, ""),
            (401, r#"{"error":{"code":"AF10001","message":"AF429"}}"#),
            (403, "AF42"),
        ] {
            assert!(!read(status, body).is_throttled(), "{status} {body}");
        }
    }

    #[test]
    fn messages_are_bounded_and_printable() {
        let error = read(
            400,
            &format!(
                r#"{{"error":{{"code":"AF20001","message":"\u001b[2J\u202e{}"}}}}"#,
                "x".repeat(9000)
            ),
        );
        assert!(error.message.len() <= LONGEST_MESSAGE && !error.message.contains(['\u{1b}', '\u{202e}']));
        assert_eq!(
            read(500, "<html>").to_string(),
            "the API responded with 500 Internal Server Error"
        );
        for body in ["[]", "null", r#"{"error":5}"#, r#"{"error":{"code":5}}"#, "\u{0}AF"] {
            assert_eq!(read(400, body).code, None, "{body}");
        }
    }

    #[test]
    fn retry_after_of_an_error_is_read() {
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, "7".parse().unwrap())]);
        let error = ApiError::read(StatusCode::TOO_MANY_REQUESTS, &headers, b"");
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }
}
