//! Calls of a web API with a token of the application, and what the API answers.

use entra_client::blocking::Client;
use entra_proto::{Body, Target, printable};
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::header::{ACCEPT, AUTHORIZATION, RETRY_AFTER};
use http::{Request, StatusCode, Uri};
use serde_json::Value;

use super::failure::Failure;

/// A web API and what is needed to call it.
pub(crate) struct Web {
    pub(crate) client: Client,
    pub(crate) transport: UreqTransport,
    pub(crate) target: Target,
}

impl Web {
    /// Sends a GET request with the application's token. An error response is no failure here.
    pub(crate) fn get(&self, uri: Uri) -> Result<Reply, Failure> {
        // Requested for every call: the client caches it.
        let token = self.client.token(&self.target)?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let body = String::from_utf8_lossy(response.body().as_bytes());
        Ok(Reply {
            status: response.status(),
            retry_after: header(RETRY_AFTER).map(str::to_owned),
            // An API or a proxy that repeats what it was sent must not put the token on the screen.
            body: body.replace(token.expose(), "[token]"),
        })
    }
}

/// The response of a web API.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// As the API sent it: seconds or a date.
    pub(crate) retry_after: Option<String>,
}

impl Reply {
    /// The text of the status: `Forbidden`.
    pub(crate) fn reason(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Unknown")
    }

    /// The body as JSON, where it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Returns what the API says is wrong, and what to do about it.
    pub(crate) fn failure(&self) -> Failure {
        let json = self.json().unwrap_or_default();
        let text = |name: &str| json["error"][name].as_str().unwrap_or_default();
        let (code, message) = (text("code"), text("message"));
        let mut problem = format!("the web API returned {} {}", self.status.as_str(), self.reason());
        for part in [code, message].into_iter().filter(|part| !part.is_empty()) {
            problem += &format!(": {}", part.chars().take(LONGEST_TEXT).collect::<String>());
        }
        let failure = Failure::new(problem);
        match (self.status, code) {
            (StatusCode::FORBIDDEN, "Authorization_RequestDenied") => failure.hint(FORGOTTEN_CONSENT),
            (StatusCode::UNAUTHORIZED, _) => {
                failure.hint("check that the token is for this API: its scope is the API's identifier and /.default")
            }
            (StatusCode::NOT_FOUND, _) => failure.hint("check the address and the ids in it"),
            (StatusCode::TOO_MANY_REQUESTS, _) => match &self.retry_after {
                Some(seconds) => failure.hint(format!("wait for {seconds} seconds, then run it again")),
                None => failure.hint("wait a minute, then run it again"),
            },
            (status, _) if status.is_server_error() => failure.hint("run it again a little later"),
            _ => failure,
        }
    }
}

/// What to do about `Authorization_RequestDenied`.
pub(crate) const FORGOTTEN_CONSENT: &str = "add the application permission that the call needs to the app registration, \
    have a tenant administrator grant consent, then run it again: tokens from before do not hold it";

/// Returns a JSON text with an indentation of two, its members in the order that they came in.
pub(crate) fn indented(json: &str) -> Option<String> {
    let mut source = serde_json::Deserializer::from_str(json);
    let text = serde_json::to_string_pretty(&serde_transcode::Transcoder::new(&mut source)).ok()?;
    source.end().ok()?;
    Some(escaped(&text, |character| {
        printable(&character.to_string()).starts_with("\\u")
    }))
}

/// Returns a JSON text with the chosen characters, which stand in its strings alone, written as `\u....`.
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

/// How much of an API's text an error repeats.
const LONGEST_TEXT: usize = 500;

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
    fn failure_is_told_from_any_body() {
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
