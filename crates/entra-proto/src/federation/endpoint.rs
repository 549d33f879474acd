//! The addresses of services that issue assertions, and the requests to them.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::error::{Error, Input, InputError};
use crate::form::encode_value;
use crate::managed_identity::LocalRoute;
use crate::pasted::{bare, unwrapped};

/// The address of a service that issues assertions: `https`, or plain `http` to an IP address of
/// this machine or of the local link.
#[derive(Clone)]
pub(super) struct Endpoint {
    uri: Uri,
    is_local: bool,
}

impl Endpoint {
    /// Parses an address, which may have a query. Errors name `input` and do not repeat the text,
    /// because the query may contain a secret.
    pub(super) fn parse(input: &'static str, text: &str) -> Result<Self, Error> {
        let invalid = |problem: &'static str| {
            let error = InputError::new(Input::Other(input), problem);
            Error::from(error.with_hint("give the absolute https URL of the service that issues the assertions"))
        };
        let text = unwrapped(text);
        if text.len() > LONGEST {
            return Err(invalid("is longer than 8 KiB"));
        }
        if text.contains('#') {
            return Err(invalid("has a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| invalid("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(invalid("has no scheme or no host"));
        };
        let host = authority.host();
        if authority.as_str().contains('@') {
            return Err(invalid("has a user name before its host"));
        }
        if host.is_empty() || (authority.as_str() != host && authority.port_u16().is_none()) {
            return Err(invalid("has no valid host and port"));
        }
        let is_local = match scheme {
            "https" => false,
            "http" if is_on_link(&uri) => true,
            "http" => {
                return Err(invalid(
                    "is plain http to another machine, which would expose the assertion",
                ));
            }
            _ => return Err(invalid("is neither https nor http")),
        };
        Ok(Self { uri, is_local })
    }

    /// Returns the host and the port, as messages show them.
    pub(super) fn host(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Creates a request with these parameters after the query of the address.
    pub(super) fn request(&self, method: Method, parameters: &[(&str, &str)]) -> Request<Body> {
        let mut address = self.uri.to_string();
        for (name, value) in parameters {
            let separator = match address.split_once('?') {
                None => "?",
                Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
                Some(_) => "&",
            };
            address += &format!("{separator}{}={}", *encode_value(name), *encode_value(value));
        }
        let mut request = Request::new(Body::default());
        *request.method_mut() = method;
        // Only parameters of many KiB make the address invalid. The service rejects the request
        // without them.
        *request.uri_mut() = address.parse().unwrap_or_else(|_| self.uri.clone());
        if self.is_local {
            request.extensions_mut().insert(LocalRoute::new());
        }
        request
    }

    /// Creates a GET request for JSON.
    pub(super) fn get(&self, parameters: &[(&str, &str)]) -> Request<Body> {
        let mut request = self.request(Method::GET, parameters);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        request
    }
}

impl fmt::Debug for Endpoint {
    /// Shows the host only, because the path and the query may contain a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.host())
    }
}

/// A header with a secret, whose memory is overwritten with the last copy. No log shows it.
#[derive(Clone)]
pub(super) struct SecretHeader {
    name: HeaderName,
    value: HeaderValue,
}

impl SecretHeader {
    /// Creates an `Authorization` header with a bearer token.
    pub(super) fn bearer(input: &'static str, token: &str) -> Result<Self, Error> {
        let token = bare(token);
        if token.is_empty() {
            return Err(InputError::new(Input::Other(input), "is empty").into());
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InputError::new(Input::Other(input), "contains white space or is not ASCII").into());
        }
        Self::new(AUTHORIZATION, input, format!("Bearer {token}"))
    }

    /// Creates a header with this value.
    pub(super) fn new(name: HeaderName, input: &'static str, value: String) -> Result<Self, Error> {
        let value = Zeroizing::new(value.into_bytes());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).map_err(|_| {
            let error = InputError::new(Input::Other(input), "contains a line end or another control character");
            Error::from(error)
        })?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    pub(super) fn add_to(&self, request: &mut Request<Body>) {
        request.headers_mut().insert(self.name.clone(), self.value.clone());
    }
}

impl fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHeader({})", self.name)
    }
}

/// Returns whether the host is this machine, or an address of the local link. A name that is not
/// `localhost` may lead anywhere.
fn is_on_link(uri: &Uri) -> bool {
    let is_address = |host: &str| host.starts_with(|c: char| c == '[' || c.is_ascii_digit());
    LocalRoute::new().allows(uri)
        && uri
            .host()
            .is_some_and(|host| host.eq_ignore_ascii_case("localhost") || is_address(host))
}

/// The most bytes of an address.
const LONGEST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_requested_over_https_or_on_this_link() {
        for (text, is_local) in [
            ("https://vstoken.example/a?b=c", false),
            (" \"https://vstoken.example\"\n", false),
            ("http://127.0.0.1:8080/x", true),
            ("http://localhost/x", true),
            ("http://[::1]:1/x", true),
            ("http://169.254.169.254/computeMetadata/v1", true),
        ] {
            let endpoint = Endpoint::parse("request URL", text).expect(text);
            assert_eq!(endpoint.is_local, is_local, "{text}");
            let request = endpoint.get(&[]);
            assert_eq!(LocalRoute::of(&request).is_some(), is_local, "{text}");
        }
        for text in [
            "",
            "canary",
            "/canary",
            "ftp://canary.example",
            "http://canary.example/",
            "http://canary/",
            "http://metadata.google.internal/canary",
            "http://10.0.0.1/canary",
            "http://127.0.0.1.canary.example/",
            "http://2130706433/canary",
            "https://canary@example.com/",
            "https://example.com:99999/canary",
            "https://example.com:/canary",
            "https:///canary",
            "https://example.com/#canary",
            "https://example.com/canary canary",
            &format!("https://example.com/canary{}", "x".repeat(8192)),
        ] {
            let error = Endpoint::parse("request URL", text).expect_err(text);
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(!shown.contains("canary"), "{shown}");
            assert!(error.to_string().starts_with("request URL "), "{error}");
        }
    }

    #[test]
    fn parameters_follow_the_query_of_the_address() {
        for (address, expected) in [
            (
                "https://a.example/t?v=1",
                "https://a.example/t?v=1&aud=api%3A%2F%2Fx%26y",
            ),
            ("https://a.example/t?", "https://a.example/t?aud=api%3A%2F%2Fx%26y"),
            (
                "https://a.example/t?v=1&",
                "https://a.example/t?v=1&aud=api%3A%2F%2Fx%26y",
            ),
            ("https://a.example/t", "https://a.example/t?aud=api%3A%2F%2Fx%26y"),
            ("https://a.example", "https://a.example/?aud=api%3A%2F%2Fx%26y"),
        ] {
            let request = Endpoint::parse("URL", address).unwrap().get(&[("aud", "api://x&y")]);
            assert_eq!(request.uri(), expected);
        }
    }
}
