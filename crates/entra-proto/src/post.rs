//! Posts a form to the service, with the headers of every request.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::form::encode_value;
use crate::guid::Guid;

/// Creates the request that posts a form, with the headers of every request.
#[inline]
pub(crate) fn post(uri: Uri, body: Body, request_id: Guid) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = STANDARD_HEADERS.clone();
    if let Ok(id) = HeaderValue::from_bytes(&request_id.to_ascii()) {
        request.headers_mut().insert(CLIENT_REQUEST_ID, id);
    }
    request
}

/// Returns the `Authorization` header of a secret (RFC 6749, section 2.3.1).
pub(crate) fn basic(client_id: &str, secret: &str) -> HeaderValue {
    let text = Zeroizing::new(format!("Basic {}", basic_pair(client_id, secret).as_str()).into_bytes());
    // Base64 is a valid header value, so the fallback is unreachable.
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Returns the part of that header after `Basic`.
pub(crate) fn basic_pair(client_id: &str, secret: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{client_id}:{}", encode_value(secret).as_str()));
    Zeroizing::new(STANDARD.encode(pair.as_bytes()))
}

/// The headers of every request, with a placeholder for the request ID. A clone is cheaper than a
/// new map.
static STANDARD_HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CLIENT_REQUEST_ID, HeaderValue::from_static(""));
    headers.insert(
        HeaderName::from_static("return-client-request-id"),
        HeaderValue::from_static("true"),
    );
    headers.insert(
        HeaderName::from_static("x-client-sku"),
        HeaderValue::from_static("entra-rust"),
    );
    headers.insert(
        HeaderName::from_static("x-client-ver"),
        HeaderValue::from_static(env!("CARGO_PKG_VERSION")),
    );
    headers.insert(
        HeaderName::from_static("x-client-os"),
        HeaderValue::from_static(std::env::consts::OS),
    );
    headers.insert(
        HeaderName::from_static("x-ms-lib-capability"),
        HeaderValue::from_static("retry-after, h429"),
    );
    headers
});

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
