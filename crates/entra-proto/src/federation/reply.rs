//! The responses of services that issue assertions.

use http::Response;
use serde_json::Value;
use zeroize::Zeroizing;

use super::PresentedAssertion;
use crate::body::Body;
use crate::error::Error;
use crate::error::hints::FOREIGN_RESPONSE;
use crate::secret::ClientAssertion;
use crate::signer::SignerError;
use crate::time::Timestamp;

/// Reads the assertion in the member of a JSON body that a pointer names (RFC 6901).
pub(super) fn assertion_at(pointer: &str, body: &Body, now: Timestamp) -> Result<ClientAssertion, Error> {
    let mut json: Value = serde_json::from_slice(body.as_bytes())
        .map_err(|_| SignerError::new("the response is not JSON").with_hint(FOREIGN_RESPONSE))?;
    match json.pointer_mut(pointer).map(Value::take) {
        Some(Value::String(text)) => assertion(&Zeroizing::new(text), now),
        Some(_) => Err(SignerError::new(format!("the response has no text at {pointer}")).into()),
        None => Err(SignerError::new(format!("the response has nothing at {pointer}")).into()),
    }
}

/// Reads the assertion that is the whole body.
pub(super) fn assertion_of_text(body: &Body, now: Timestamp) -> Result<ClientAssertion, Error> {
    let text = std::str::from_utf8(body.as_bytes())
        .map_err(|_| SignerError::new("the response is not a text").with_hint(FOREIGN_RESPONSE))?;
    assertion(text, now)
}

/// Returns an assertion with the moment of its expiry. Nothing else depends on its claims.
fn assertion(text: &str, now: Timestamp) -> Result<ClientAssertion, Error> {
    if text.len() > MOST {
        return Err(SignerError::new("the assertion in the response is longer than 64 KiB").into());
    }
    let assertion = ClientAssertion::new(text).map_err(|_| {
        SignerError::new("the response has a text that is not a JWT in place of the assertion")
            .with_hint("request an OpenID Connect token from the service, not an opaque or an encrypted one")
    })?;
    let claims = PresentedAssertion::read(assertion.expose()).ok();
    Ok(match claims.and_then(|claims| claims.expiry_by_local_clock(now)) {
        Some(end) => assertion.with_expiry(end),
        None => assertion,
    })
}

/// Returns whether a response is a web page, such as a sign-in page.
pub(super) fn is_page(response: &Response<Body>) -> bool {
    let content_type = response.headers().get(http::header::CONTENT_TYPE);
    let is_html = content_type.is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/html"));
    is_html || starts_as_page(response)
}

/// Returns whether the body of a response begins like a web page, whatever its headers say.
pub(super) fn starts_as_page(response: &Response<Body>) -> bool {
    response.body().as_bytes().trim_ascii_start().starts_with(b"<")
}

/// Returns the error for a response that reports a failure by its status.
pub(super) fn rejection(response: &Response<Body>) -> SignerError {
    SignerError::new(format!("the response has the status {}", response.status().as_u16()))
}

/// The most bytes of an assertion.
const MOST: usize = 64 * 1024;
