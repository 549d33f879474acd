//! What an API that rejects a token asks for.

use entra_proto::Cloud;
use entra_proto::claims::{Challenge, ClaimsChallenge, ClaimsRequest};
use http::HeaderMap;

/// What an API that rejected a token asks for.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Another token of the same kind.
    Nothing,
    /// A token with these claims.
    Claims(ClaimsRequest),
    /// Something that is not available: claims of another cloud, or claims that cannot be read.
    Impossible,
}

/// Reads the challenge for a client whose tokens come from `cloud`.
pub(crate) fn wish(headers: &HeaderMap, cloud: &Cloud) -> Wish {
    match ClaimsChallenge::find_from(headers, cloud) {
        Some(challenge) => Wish::Claims(challenge.claims().clone()),
        None if Challenge::parse_all(headers)
            .iter()
            .any(Challenge::is_insufficient_claims) =>
        {
            Wish::Impossible
        }
        None => Wish::Nothing,
    }
}
