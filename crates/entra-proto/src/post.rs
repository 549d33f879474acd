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
    let text = Zeroizing::new(format!("Basic {}", basic_pair(client_id, secret).as_str()));
    // Base64 is a valid header value, so the fallback is unreachable.
    sensitive(text).unwrap_or_else(|| HeaderValue::from_static(""))
}

/// Returns a secret as a header value, without a copy and marked sensitive. `None` if a header
/// cannot contain it.
pub(crate) fn sensitive(mut secret: Zeroizing<String>) -> Option<HeaderValue> {
    let bytes = Zeroizing::new(std::mem::take(&mut *secret).into_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes)).ok()?;
    value.set_sensitive(true);
    Some(value)
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
        HeaderName::from_static(CLIENT_SKU.0),
        HeaderValue::from_static(CLIENT_SKU.1),
    );
    headers.insert(
        HeaderName::from_static(CLIENT_VERSION.0),
        HeaderValue::from_static(CLIENT_VERSION.1),
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

/// The header with the name of this library.
pub(crate) const CLIENT_SKU: (&str, &str) = ("x-client-sku", "entra-rust");
/// The header with the version of this library.
pub(crate) const CLIENT_VERSION: (&str, &str) = ("x-client-ver", env!("CARGO_PKG_VERSION"));

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
