//! What an API asks for in `WWW-Authenticate`. All that this crate knows of the header is here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entra_proto::{ClaimsRequest, Cloud};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// What would please an API that refused a token.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Another token of the same kind.
    Nothing,
    /// A token with these claims.
    Claims(ClaimsRequest),
    /// Something that cannot be had: claims from another cloud than ours, or such as nobody can read.
    Impossible,
}

/// Reads the challenge to a client whose tokens come from `cloud`.
pub(crate) fn wish(headers: &HeaderMap, cloud: &Cloud) -> Wish {
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    let challenge = challenges
        .filter_map(|value| value.to_str().ok())
        .filter(|value| value.len() <= LONGEST)
        .find(|value| param(value, "error").is_some_and(|error| error.eq_ignore_ascii_case("insufficient_claims")));
    let Some(challenge) = challenge else {
        return Wish::Nothing;
    };
    let is_ours = param(challenge, "authorization_uri").is_some_and(|uri| is_at(uri, cloud));
    match param(challenge, "claims").and_then(read) {
        Some(claims) if is_ours => Wish::Claims(claims),
        _ => Wish::Impossible,
    }
}

fn is_at(uri: &str, cloud: &Cloud) -> bool {
    uri.strip_prefix(cloud.origin())
        .is_some_and(|rest| rest.starts_with('/'))
}

fn read(claims: &str) -> Option<ClaimsRequest> {
    let json = String::from_utf8(STANDARD.decode(claims).ok()?).ok()?;
    ClaimsRequest::parse(&json).ok()
}

/// The value of a parameter of a `Bearer` challenge that stands alone in its header.
fn param<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, mut rest) = challenge.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    while let Some((known, after)) = rest.split_once('=') {
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if known.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value);
        }
    }
    None
}

const LONGEST: usize = 64 * 1024;
