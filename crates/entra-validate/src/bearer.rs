//! The token in a request (RFC 6750, section 2).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;

use crate::rejection::Rejection;

/// Returns the bearer token of a request: of its `Authorization` header, the only place where it is
/// accepted.
///
/// The scheme is compared without regard to letter case. Another scheme counts as no token. `query`
/// is the query of the request's URI; a token there, beside the header or alone, is an error: URIs
/// end up in logs.
///
/// # Errors
/// Returns [`Rejection::NoToken`] if there is none, and [`Rejection::BadRequest`] if there are two
/// or the header cannot be read.
pub fn bearer_token<'r>(headers: &'r HeaderMap, query: Option<&str>) -> Result<&'r str, Rejection> {
    let bad = |problem| Rejection::BadRequest { problem };
    let names_token = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_decode_str(name).eq(*b"access_token")
    };
    if query.is_some_and(|query| query.split('&').any(names_token)) {
        return Err(bad("a token in the query of the URI is not accepted"));
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Rejection::NoToken)?;
    if values.next().is_some() {
        return Err(bad("there is more than one Authorization header"));
    }
    let text = value
        .to_str()
        .map_err(|_| bad("the Authorization header holds characters that are not ASCII"))?
        .trim();
    let (scheme, token) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Rejection::NoToken);
    }
    let token = token.trim();
    if token.is_empty() {
        return Err(bad("there is no token behind Bearer"));
    }
    // A `b64token`: anything else is a second credential, or the parameters of another scheme.
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !token.bytes().all(is_part) {
        return Err(bad("what stands behind Bearer is not one token"));
    }
    Ok(token)
}
