//! Calls of a web API with a token of the application, and the API's responses.

use std::thread;
use std::time::{Duration, SystemTime};

use entra_client::Token;
use entra_client::blocking::Client;
use entra_proto::acquire::retry_after;
use entra_proto::error::{may_be_secret, printable};
use entra_proto::{Body, Target};
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use super::failure::{Failure, note};

/// A web API and the client that gets tokens for it.
pub(crate) struct Web {
    pub(crate) client: Client,
    pub(crate) transport: UreqTransport,
    pub(crate) target: Target,
}

impl Web {
    /// Sends a GET request with the application's token, as [`call`](Self::call) does.
    pub(crate) fn get(&self, uri: &Uri) -> Result<Reply, Failure> {
        self.call(&Method::GET, uri, None)
    }

    /// Sends a request with the application's token. An error response is not an `Err` here.
    ///
    /// If the API is busy, the request is repeated a few times, each time after the delay that the
    /// API asks for. A request that must not be carried out twice is repeated only if the API says
    /// that it did not carry it out. If the API rejects the token, the request is repeated once
    /// with another token: the first may have been revoked.
    pub(crate) fn call(&self, method: &Method, uri: &Uri, json: Option<&Value>) -> Result<Reply, Failure> {
        let mut attempt = 1;
        let mut is_renewed = false;
        loop {
            let reply = self.send(method.clone(), uri.clone(), json)?;
            if reply.status == StatusCode::UNAUTHORIZED && !is_renewed {
                is_renewed = true;
                self.client.forget(&self.target);
                continue;
            }
            let is_repeatable = method.is_idempotent()
                || matches!(
                    reply.status,
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
                );
            let is_last = !is_repeatable || attempt == MOST_ATTEMPTS;
            let Some(wait) = reply.wait(attempt).filter(|_| !is_last) else {
                return Ok(reply);
            };
            note(&format!(
                "the API returned {}; attempt {attempt} of {MOST_ATTEMPTS}, next in {} s",
                reply.status.as_u16(),
                wait.as_secs()
            ));
            thread::sleep(wait);
            attempt += 1;
        }
    }

    fn send(&self, method: Method, uri: Uri, json: Option<&Value>) -> Result<Reply, Failure> {
        // The token is requested for every call: the client caches it.
        let token = self.client.token(&self.target)?;
        let body = json.map_or_else(Vec::new, |json| json.to_string().into_bytes());
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        if json.is_some() {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        }
        headers.insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, token.authorization());
        Ok(Reply::new(&self.transport.send(request)?, &token))
    }
}

/// The response of a web API.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// The delay that the API asks for.
    pub(crate) retry_after: Option<Duration>,
}

impl Reply {
    /// Reads the response to a request with this token.
    pub(crate) fn new(response: &Response<Body>, token: &Token) -> Self {
        let body = String::from_utf8_lossy(response.body().as_bytes());
        // An API or a proxy that echoes the request must not put the token on the screen.
        let body = body.replace(token.expose(), "[token]");
        Self::of(response.status(), response.headers(), body)
    }

    /// Makes a response with this body, which must not contain the token.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: String) -> Self {
        Self {
            status,
            body,
            retry_after: retry_after(headers, SystemTime::now().into()),
        }
    }

    /// Returns the delay before the request is repeated, or `None` if repeating it is of no use. It
    /// is the delay that the API asks for, or else grows with each attempt. If the API asks for
    /// more than a program should wait, the request is not repeated.
    fn wait(&self, attempt: u32) -> Option<Duration> {
        let wait = self
            .retry_after
            .unwrap_or_else(|| Duration::from_secs(1 << attempt.min(5)));
        (self.is_busy() && wait <= LONGEST_WAIT).then_some(wait)
    }

    /// Returns true if the same request may succeed a little later.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
    }

    /// Returns the text of the status, such as `Forbidden`.
    pub(crate) fn reason(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Unknown")
    }

    /// Returns the body as JSON, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Returns the failure that the API reports, with a hint.
    pub(crate) fn failure(&self) -> Failure {
        let json = self.json().unwrap_or_default();
        let text = |name: &str| json["error"][name].as_str().unwrap_or_default();
        // RFC 9457 has a title instead of an error object.
        let title = json["title"].as_str().unwrap_or_default();
        let (code, message) = (text("code"), text("message"));
        let message = if message.is_empty() { title } else { message };
        let mut problem = format!("the web API returned {} {}", self.status.as_str(), self.reason());
        for part in [code, message].into_iter().filter(|part| !part.is_empty()) {
            // The token may belong to another component, such as a layer below this program.
            let part = if may_be_secret(part) {
                "[withheld: it may hold a secret]"
            } else {
                part
            };
            problem += &format!(": {}", part.chars().take(LONGEST_TEXT).collect::<String>());
        }
        let failure = Failure::new(problem);
        match (self.status, code) {
            (StatusCode::FORBIDDEN, "Authorization_RequestDenied") => failure.hint(FORGOTTEN_CONSENT),
            (StatusCode::UNAUTHORIZED, _) => {
                failure.hint("check that the token is for this API: its scope is the API's identifier and /.default")
            }
            (StatusCode::NOT_FOUND, _) => failure.hint("check the address and the ids in it"),
            _ if self.is_busy() => match self.retry_after.filter(|wait| !wait.is_zero()) {
                Some(wait) => failure.hint(format!("wait for {} seconds, then run it again", wait.as_secs())),
                None => failure.hint("wait a minute, then run it again"),
            },
            _ => failure,
        }
    }
}

/// The hint for `Authorization_RequestDenied`.
pub(crate) const FORGOTTEN_CONSENT: &str = "add the application permission that the call needs to the app registration, \
    have a tenant administrator grant consent, then run it again: tokens issued before do not contain it";

/// Indents a JSON text by two spaces, with its members in their original order.
pub(crate) fn indented(json: &str) -> Option<String> {
    indented_by("  ", json)
}

/// Indents a JSON text, with its members in their original order.
pub(crate) fn indented_by(indentation: &str, json: &str) -> Option<String> {
    let mut source = serde_json::Deserializer::from_str(json);
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(indentation.as_bytes());
    let mut target = serde_json::Serializer::with_formatter(&mut text, format);
    serde_transcode::transcode(&mut source, &mut target).ok()?;
    source.end().ok()?;
    Some(escaped(&String::from_utf8(text).ok()?, |character| {
        printable(&character.to_string()).starts_with("\\u")
    }))
}

/// Formats a time as JavaScript's `new Date().toString()` does in the time zone UTC.
pub(crate) fn date_of_javascript(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = date.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [weekday, day, month, year, time, _] => {
            format!("{weekday} {month} {day} {year} {time} GMT+0000 (Coordinated Universal Time)")
        }
        _ => date,
    }
}

/// Escapes the chosen characters of a JSON text as `\u....`. They must occur in its strings only.
pub(crate) fn escaped(json: &str, is_chosen: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && !character.is_ascii_control() || character == '\n' || !is_chosen(character) {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            text += &format!("\\u{unit:04x}");
        }
    }
    text
}

/// The longest part of an API's text that an error repeats, in characters.
const LONGEST_TEXT: usize = 500;

const MOST_ATTEMPTS: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.to_owned(),
            retry_after: None,
        }
    }

    #[test]
    fn delays_are_as_requested_and_bounded() {
        let wait = |status: u16, retry_after: Option<&str>, attempt| {
            let value = retry_after.map(|value| (http::header::RETRY_AFTER, value.parse().unwrap()));
            let status = StatusCode::from_u16(status).unwrap();
            Reply::of(status, &value.into_iter().collect(), String::new())
                .wait(attempt)
                .map(|wait| wait.as_secs())
        };
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            (" 5 ", Some(5)),
            ("60", Some(60)),
            // The delay is at least as long as the API asks for; a long one ends the attempts.
            ("61", None),
            ("99999999999999999999999", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            // Neither a number nor a date.
            ("soon", Some(2)),
            ("-1", Some(0)),
            ("", Some(2)),
        ] {
            assert_eq!(wait(429, Some(text), 1), seconds, "{text}");
        }
        assert_eq!(
            [1, 2, 5, 99].map(|attempt| wait(503, None, attempt)),
            [Some(2), Some(4), Some(32), Some(32)]
        );
        for status in [200, 400, 401, 403, 404, 501] {
            assert_eq!(wait(status, Some("1"), 1), None, "{status}");
        }
    }

    #[test]
    fn date_has_the_javascript_format() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_012_598);
        assert_eq!(
            date_of_javascript(time),
            "Mon Nov 30 2026 04:23:18 GMT+0000 (Coordinated Universal Time)"
        );
    }

    #[test]
    fn members_keep_their_order() {
        let text = indented(r#"{"b":1,"a":{"d":[],"c":"\u00e9\u202e\u009b"}}"#).unwrap();
        assert_eq!(
            text,
            "{\n  \"b\": 1,\n  \"a\": {\n    \"d\": [],\n    \"c\": \"é\\u202e\\u009b\"\n  }\n}"
        );
        for wrong in ["", "{", "{} {}", "<html>", "nul"] {
            assert_eq!(indented(wrong), None, "{wrong}");
        }
        assert_eq!(indented(&"[".repeat(100_000)), None);
    }

    #[test]
    fn any_body_becomes_a_failure() {
        let body = r#"{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges."}}"#;
        let failure = reply(403, body).failure();
        assert!(
            failure
                .problem
                .ends_with(": Authorization_RequestDenied: Insufficient privileges.")
        );
        assert_eq!(failure.hint.as_deref(), Some(FORGOTTEN_CONSENT));
        for body in [
            "",
            "<html>",
            "[]",
            "5",
            r#"{"error":"invalid"}"#,
            r#"{"error":{"code":5}}"#,
        ] {
            assert_eq!(
                reply(502, body).failure().problem,
                "the web API returned 502 Bad Gateway"
            );
        }
        let long = format!(r#"{{"error":{{"code":"x","message":"{}"}}}}"#, "a".repeat(9000));
        assert!(reply(400, &long).failure().problem.len() < 600);
    }
}
