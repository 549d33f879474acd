//! The headers that are passed on, and those that concern one connection only.

use std::borrow::Cow;

use entra_proto::endpoint::Origin;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LOCATION, EXPECT, HOST, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::KEY_HEADER;
use super::problem::{Code, Problem};

/// Removes from a request what is not for the API: credentials, the name of this server, and the
/// headers of the client's connection.
///
/// # Errors
/// Rejects an encoding of the body other than `chunked`, which the API could not decode.
pub(super) fn prepare_request(headers: &mut HeaderMap) -> Result<(), Problem> {
    if !is_plain(headers) {
        return Err(Problem::new(
            Code::BadRequest,
            "the header Transfer-Encoding is not chunked alone",
        ));
    }
    // An API may send trailers only to clients that name them, and gRPC requires it.
    let takes_trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    remove_hop_by_hop(headers);
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, KEY_HEADER, HOST] {
        headers.remove(name);
    }
    // The server of this proxy has sent `100 Continue`, or will once the body is read.
    headers.remove(EXPECT);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

/// Removes the headers of the connection to the API from its response, and leads URLs at the API
/// back to the proxy, which the client calls as `own`, `host[:port]`.
///
/// # Errors
/// Rejects an encoding of the body other than `chunked`, which the client could not decode.
pub(super) fn prepare_response(headers: &mut HeaderMap, origin: &Origin, own: &str) -> Result<(), Problem> {
    if !is_plain(headers) {
        return Err(Problem::new(
            Code::BadResponse,
            "the response has a header Transfer-Encoding that is not chunked alone",
        ));
    }
    remove_hop_by_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
    for name in LOCATIONS {
        if let Some(location) = headers.get(&name).and_then(|value| rewritten(value, origin, own)) {
            headers.insert(name, location);
        }
    }
    Ok(())
}

/// Returns true if a list of tokens in these headers has this one, in any case.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|own| own.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim))
}

/// Returns true if the body is not encoded, save in chunks.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(TRANSFER_ENCODING).iter();
    match (all.next(), all.next()) {
        (None, _) => true,
        (Some(value), None) => value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// Removes the headers that concern one connection (RFC 9110, section 7.6.1), with those that
/// `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Returns the URL at the proxy for one at the API, or `None` for any other.
fn rewritten(value: &HeaderValue, origin: &Origin, own: &str) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let absolute: Cow<'_, str> = if text.starts_with("//") {
        let scheme = if origin.is_https() { "https:" } else { "http:" };
        format!("{scheme}{text}").into()
    } else {
        text.into()
    };
    let uri: Uri = absolute.parse().ok()?;
    let found: Origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?).parse().ok()?;
    if found != *origin {
        return None;
    }
    let (_, rest) = absolute.split_once("://")?;
    let path = rest.find(['/', '?', '#']).map_or("/", |start| &rest[start..]);
    let slash = if path.starts_with('/') { "" } else { "/" };
    HeaderValue::from_str(&format!("http://{own}{slash}{path}")).ok()
}

/// The headers with a URL that clients call next. Azure names operations in progress by the last
/// two.
const LOCATIONS: [HeaderName; 4] = [
    LOCATION,
    CONTENT_LOCATION,
    HeaderName::from_static("operation-location"),
    HeaderName::from_static("azure-asyncoperation"),
];

const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn request_keeps_what_is_for_the_api() {
        let mut passed = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer theirs"),
            ("proxy-authorization", "Basic dTpw"),
            ("x-entra-proxy-key", "k"),
            ("host", "localhost:1"),
            ("connection", "Keep-Alive, x-hop"),
            ("connection", "x-other, x-entra-kept;"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip, Trailers"),
            ("transfer-encoding", "Chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
            ("cookie", "a=b"),
            ("trailer", "x-sum"),
        ] {
            passed.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        prepare_request(&mut passed).unwrap();
        let kept = headers(&[
            ("te", "trailers"),
            ("accept", "*/*"),
            ("cookie", "a=b"),
            ("trailer", "x-sum"),
        ]);
        assert_eq!(passed, kept);
    }

    #[test]
    fn only_chunks_may_encode_a_body() {
        for (value, is_ok) in [
            ("chunked", true),
            (" CHUNKED ", true),
            ("gzip, chunked", false),
            ("chunked, chunked", false),
            ("identity", false),
            ("xchunked", false),
            ("", false),
        ] {
            let with = headers(&[("transfer-encoding", value)]);
            assert_eq!(prepare_request(&mut with.clone()).is_ok(), is_ok, "{value:?}");
        }
        let mut twice = headers(&[("transfer-encoding", "chunked")]);
        twice.append(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert!(prepare_request(&mut twice).is_err());
    }

    #[test]
    fn locations_at_the_api_lead_to_the_proxy() {
        let origin: Origin = "https://api.example".parse().unwrap();
        for (location, expected) in [
            ("https://api.example/a?b=c#d", Some("http://localhost:1/a?b=c#d")),
            ("https://API.example:443/a", Some("http://localhost:1/a")),
            ("https://api.example", Some("http://localhost:1/")),
            ("https://api.example?x", Some("http://localhost:1/?x")),
            ("//api.example/a", Some("http://localhost:1/a")),
            (
                "https://api.example//evil.example/",
                Some("http://localhost:1//evil.example/"),
            ),
            ("/a", None),
            ("a", None),
            ("", None),
            ("http://api.example/a", None),
            ("https://api.example:8443/a", None),
            ("https://api.example.evil.example/a", None),
            ("https://api.example@evil.example/a", None),
            ("https://user@api.example/a", None),
            ("https://evil.example/?https://api.example", None),
            ("//evil.example/a", None),
            ("///api.example/a", None),
            ("\\\\api.example/a", None),
        ] {
            let value = HeaderValue::from_static(location);
            let found = rewritten(&value, &origin, "localhost:1");
            assert_eq!(
                found.as_ref().map(|value| value.to_str().unwrap()),
                expected,
                "{location}"
            );
        }
    }
}
