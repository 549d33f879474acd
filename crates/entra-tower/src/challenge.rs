//! The requirements of an API that rejects a token.

use entra_proto::Cloud;
use entra_proto::claims::{Challenge, ClaimsChallenge, ClaimsRequest};
use http::HeaderMap;

/// The requirement of an API that rejected a token.
#[derive(Debug)]
pub(crate) enum Demand {
    /// Another token of the same kind.
    Nothing,
    /// A token with these claims.
    Claims(ClaimsRequest),
    /// Something that is not available: claims of another cloud, or claims that cannot be parsed.
    Unavailable,
}

/// Parses the challenge for a client whose tokens come from `cloud`.
pub(crate) fn demand(headers: &HeaderMap, cloud: Option<&Cloud>) -> Demand {
    let challenge = match cloud {
        Some(cloud) => ClaimsChallenge::find_from(headers, cloud),
        None => ClaimsChallenge::find(headers),
    };
    match challenge {
        Some(challenge) => Demand::Claims(challenge.claims().clone()),
        None if Challenge::parse_all(headers)
            .iter()
            .any(Challenge::is_insufficient_claims) =>
        {
            Demand::Unavailable
        }
        None => Demand::Nothing,
    }
}
