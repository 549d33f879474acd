//! Claims: those that an API requires in a challenge, and those of a token.

pub use crate::challenge::Challenge;
pub use crate::claims_challenge::ClaimsChallenge;
pub use crate::claims_request::ClaimsRequest;
pub use crate::unverified_claims::UnverifiedClaims;
