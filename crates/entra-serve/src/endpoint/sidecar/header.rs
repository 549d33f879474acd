//! Methods and headers of the requests to APIs.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Method};

/// The problem with a setting or a parameter, as a clause.
pub(super) type Problem = Cow<'static, str>;

/// Reads a method. Those of HTTP may have any case.
///
/// # Errors
/// Returns the problem with it: `CONNECT` and `TRACE` are not for APIs.
pub(super) fn method(text: &str) -> Result<Method, Problem> {
    let upper = text.to_ascii_uppercase();
    if ["CONNECT", "TRACE"].contains(&&*upper) {
        return Err(format!("the method {upper} is not for APIs").into());
    }
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].contains(&&*upper);
    Method::from_bytes(if known { &upper } else { text }.as_bytes()).map_err(|_| "it is not a method of HTTP".into())
}

/// Reads the value of a header.
///
/// # Errors
/// Returns the problem with it.
pub(super) fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| "it is not the value of a header".into())
}

/// Returns true if neither settings nor requests may set a header: the server itself sets it, it
/// belongs to one connection, or the API may take it for the word of a proxy.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the usual spelling of a header that describes the content of a response. Only those are
/// passed on: not `Set-Cookie`, and nothing about the connection.
pub(super) fn content_header(name: &HeaderName) -> Option<&'static str> {
    CONTENT.iter().find(|known| name == **known).copied()
}

const RESERVED: [&str; 18] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method-override",
    "x-original-url",
    "x-real-ip",
];

const CONTENT: [&str; 11] = [
    "Allow",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Content-Type",
    "Expires",
    "Last-Modified",
];

const RESERVED_PREFIXES: [&str; 5] = [
    "proxy-",
    "x-forwarded-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-rewrite-",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_http_may_have_any_case() {
        assert_eq!(method("Get").unwrap(), Method::GET);
        assert_eq!(method("pAtch").unwrap(), Method::PATCH);
        assert_eq!(method("purge").unwrap().as_str(), "purge");
        for invalid in ["", "GET /", "GET\r\nHost: evil", "Connect", "trace"] {
            assert!(method(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn headers_of_connections_and_proxies_are_reserved() {
        for (name, reserved) in [
            ("Authorization", true),
            ("cookie", true),
            ("Host", true),
            ("X-Forwarded-Host", true),
            ("X-MS-TOKEN-AAD-ACCESS-TOKEN", true),
            ("X-MS-CLIENT-PRINCIPAL-ID", true),
            ("Proxy-Authorization", true),
            ("Transfer-Encoding", true),
            ("ConsistencyLevel", false),
            ("X-Custom-Tracking", false),
        ] {
            assert_eq!(is_reserved(&name.parse().unwrap()), reserved, "{name}");
        }
    }

    #[test]
    fn only_headers_of_the_content_are_passed_on() {
        for (name, passed) in [
            ("content-type", Some("Content-Type")),
            ("content-md5", Some("Content-MD5")),
            ("last-modified", Some("Last-Modified")),
            ("expires", Some("Expires")),
            ("set-cookie", None),
            ("connection", None),
            ("location", None),
            ("content-security-policy", None),
        ] {
            let name: HeaderName = name.parse().unwrap();
            assert_eq!(content_header(&name), passed, "{name}");
        }
    }
}
