//! The `WWW-Authenticate` header of a response (RFC 6750, section 3), and the whole response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entra_proto::Error;
use entra_proto::error::{Input, InputError};
use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, Uri};

use crate::api::Api;
use crate::rejection::{Rejection, whole_seconds};

/// The parameters of an API's challenges other than the error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) realm: Box<str>,
    pub(crate) resource_metadata: Option<Box<str>>,
    pub(crate) scope: Option<Box<str>>,
}

impl Api {
    /// Returns the value of `WWW-Authenticate` for a rejection. A response with status 503 has no
    /// such header.
    ///
    /// The header has the error code of RFC 6750 and never the reason, which is for the API's own
    /// log.
    #[must_use]
    pub fn www_authenticate(&self, rejection: &Rejection) -> Option<HeaderValue> {
        if matches!(rejection, Rejection::KeysUnavailable { .. }) {
            return None;
        }
        let parameters = self.challenge();
        let mut header = format!("Bearer realm=\"{}\"", parameters.realm);
        let mut push = |name: &str, value: &str| {
            // Every value was checked when it was set: none contains a quotation mark or a
            // backslash.
            header.push_str(&format!(", {name}=\"{value}\""));
        };
        if let Rejection::Claims {
            is_understood: true, ..
        } = rejection
        {
            push("authorization_uri", &self.authorization_uri());
        }
        if let Some(error) = rejection.error() {
            push("error", error);
        }
        match rejection {
            Rejection::Claims {
                claims,
                is_understood: true,
            } => push("claims", &STANDARD.encode(claims.as_str())),
            Rejection::Permissions { needed } => {
                let names: Vec<&str> = needed.scopes().collect();
                match &parameters.scope {
                    Some(scope) => push("scope", scope),
                    None if names.is_empty() => {}
                    None => push("scope", &names.join(" ")),
                }
            }
            Rejection::NoToken => {
                if let Some(scope) = &parameters.scope {
                    push("scope", scope);
                }
            }
            _ => {}
        }
        if let Some(url) = &parameters.resource_metadata {
            push("resource_metadata", url);
        }
        HeaderValue::from_str(&header).ok()
    }

    /// Returns the response to a rejected request: the status, `WWW-Authenticate` or `Retry-After`,
    /// and an empty body.
    #[must_use]
    pub fn response<B: Default>(&self, rejection: &Rejection) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = rejection.status();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.www_authenticate(rejection) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(pause) = rejection.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(pause)));
        }
        response
    }
}

/// Checks the text of a realm.
pub(crate) fn realm(text: &str) -> Result<Box<str>, Error> {
    quotable("realm", text, |byte| matches!(byte, 0x20..=0x7e))
}

/// Checks a list of scopes for a challenge.
pub(crate) fn scope(text: &str) -> Result<Box<str>, Error> {
    // RFC 6749, section 3.3: each scope has at least one character, and one space separates two.
    if text.split(' ').any(str::is_empty) {
        return Err(InputError::new(Input::Scope, "is not a list of scopes")
            .with_hint("write at least one scope, and separate scopes by one space")
            .into());
    }
    quotable("scope", text, |byte| matches!(byte, 0x20..=0x7e))
}

/// Checks the address of the metadata document of RFC 9728.
pub(crate) fn metadata_url(text: &str) -> Result<Box<str>, Error> {
    let error = |problem: &'static str| {
        Error::from(
            InputError::new(Input::Other("resource metadata"), problem)
                .with_hint("write it as https://api.contoso.com/.well-known/oauth-protected-resource"),
        )
    };
    let uri: Uri = text.parse().map_err(|_| error("is not a URL"))?;
    let is_loopback = uri.host().is_some_and(entra_proto::endpoint::is_loopback_host);
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback => {}
        _ => return Err(error("is not https")),
    }
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) || text.contains('#') {
        return Err(error("has a user name or a fragment"));
    }
    quotable("resource metadata", text, |byte| matches!(byte, 0x21..=0x7e))
}

fn quotable(field: &'static str, text: &str, allowed: fn(u8) -> bool) -> Result<Box<str>, Error> {
    let fits = text.len() <= MAX_VALUE && text.bytes().all(|byte| allowed(byte) && byte != b'"' && byte != b'\\');
    if !fits {
        return Err(InputError::new(Input::Other(field), "cannot be sent in a header")
            .with_hint("use at most 1024 characters of printable ASCII, without quotation marks and backslashes")
            .into());
    }
    Ok(text.into())
}

const MAX_VALUE: usize = 1024;
