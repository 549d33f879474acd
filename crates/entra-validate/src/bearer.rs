//! The token in a request (RFC 6750, section 2).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;

use crate::rejection::Rejection;

/// Returns the bearer token of a request, from its `Authorization` header.
///
/// Letter case does not matter in the scheme. Another scheme counts as no token. `query` is the
/// query of the request's URI: an `access_token` in it is always an error, because URIs end up in
/// logs.
///
/// # Errors
/// Returns [`Rejection::NoToken`] if there is no token. Returns [`Rejection::BadRequest`] if there
/// are two `Authorization` headers, if the header cannot be read, or if the query has a token.
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
        .map_err(|_| bad("the Authorization header contains characters that are not visible ASCII"))?
        .trim();
    let (scheme, token) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Rejection::NoToken);
    }
    let token = token.trim();
    if token.is_empty() {
        return Err(bad("there is no token after Bearer"));
    }
    // A `b64token`. Anything else is a second credential, or the parameters of another scheme.
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !token.bytes().all(is_part) {
        return Err(bad("the text after Bearer is not one token"));
    }
    Ok(token)
}
