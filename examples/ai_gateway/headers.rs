//! The headers that pass the gateway.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HeaderName, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue};

/// Returns the headers of a caller that go to a deployment: those that describe the request, and
/// none that authenticates the caller.
pub(crate) fn of_request(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in &PASSED {
        for value in headers.get_all(name) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

/// Removes the headers of a deployment's response that concern the connection or the gateway
/// itself.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&STRIPPED) {
        headers.remove(name);
    }
}

/// Returns `Retry-After` in seconds, rounded up, and `retry-after-ms`, as Azure OpenAI sends both.
pub(crate) fn retry_after(wait: std::time::Duration) -> [(&'static str, HeaderValue); 2] {
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    [
        ("retry-after", milliseconds.div_ceil(1000).into()),
        ("retry-after-ms", milliseconds.into()),
    ]
}

const PASSED: [HeaderName; 7] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CONTENT_TYPE,
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-ms-client-request-id"),
];

const STRIPPED: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    // It concerns the token of the gateway.
    WWW_AUTHENTICATE,
];
