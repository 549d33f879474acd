//! What an API that refuses a token asks for, in the terms of this crate.

use entra_proto::{Challenge, ClaimsChallenge, ClaimsRequest, Cloud};
use http::HeaderMap;

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
    match ClaimsChallenge::find(headers) {
        Some(challenge) if challenge.is_from(cloud) => Wish::Claims(challenge.claims().clone()),
        Some(_) => Wish::Impossible,
        None if Challenge::parse_all(headers)
            .iter()
            .any(Challenge::is_insufficient_claims) =>
        {
            Wish::Impossible
        }
        None => Wish::Nothing,
    }
}
