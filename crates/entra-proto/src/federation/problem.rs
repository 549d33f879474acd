//! The reasons for which Entra rejects an assertion, whatever is registered.

use std::fmt;

use crate::time::Timestamp;

/// A property of an assertion for which Entra rejects it, whatever is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionProblem {
    /// A claim is missing or empty.
    Missing {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim has more than the 600 characters that can be registered.
    TooLong {
        /// The name of the claim.
        claim: &'static str,
    },
    /// The assertion is not signed with RS256.
    Algorithm,
    /// The assertion has more than one audience.
    SeveralAudiences,
    /// The audience is not the one that Entra expects by default.
    OtherAudience {
        /// The audience that Entra expects by default in the application's cloud.
        expected: &'static str,
    },
    /// The assertion has expired.
    Expired {
        /// The moment of its expiry.
        at: Timestamp,
    },
    /// The assertion is not valid yet.
    NotYetValid {
        /// The moment from which it is valid.
        at: Timestamp,
    },
    /// The assertion is valid for more than one day and one hour.
    LivesTooLong,
    /// Entra issued the assertion in the format of its v1 tokens.
    OldIssuer,
    /// Entra issued the assertion for a user, not for an application.
    OfUser,
    /// Entra issued the assertion for another assertion: federated credentials cannot be chained.
    Chained,
}

impl AssertionProblem {
    /// Returns the AADSTS code of the error that Entra responds with, if it is known.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::OtherAudience { .. } => Some(700_212),
            Self::Expired { .. } | Self::NotYetValid { .. } => Some(700_024),
            Self::LivesTooLong => Some(70_023),
            Self::OldIssuer => Some(7_002_121),
            Self::OfUser => Some(700_229),
            Self::Chained => Some(700_231),
            Self::Missing { .. } | Self::TooLong { .. } | Self::Algorithm | Self::SeveralAudiences => None,
        }
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "request an OpenID Connect token from the issuer, not an opaque or an access token",
            Self::TooLong { .. } => "shorten the subject at the issuer, or use a claims matching expression",
            Self::Algorithm => "configure the issuer to sign with RS256; Entra accepts no other algorithm",
            Self::SeveralAudiences => "request a token with one audience from the issuer",
            Self::OtherAudience { .. } => {
                "request the expected audience from the issuer, or register this one in the federated credential"
            }
            Self::Expired { .. } => {
                "get a new assertion for each token request: those of CI systems are valid for about five minutes"
            }
            Self::NotYetValid { .. } => "set the clock of the issuer and of this machine",
            Self::LivesTooLong => "configure the issuer to issue tokens for at most one day",
            Self::OldIssuer => {
                "request the token for the audience of the token exchange, whose tokens have an issuer that ends with /v2.0"
            }
            Self::OfUser => "send a token that a managed identity acquired for itself",
            Self::Chained => {
                "register the first issuer's assertion for the application itself, and send it without a token exchange in between"
            }
        }
    }
}

impl fmt::Display for AssertionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { claim } => write!(f, "the assertion has no claim {claim}"),
            Self::TooLong { claim } => write!(f, "the claim {claim} has more than 600 characters"),
            Self::Algorithm => f.write_str("the assertion is not signed with RS256"),
            Self::SeveralAudiences => f.write_str("the assertion has more than one audience"),
            Self::OtherAudience { expected } => write!(f, "the audience of the assertion is not {expected}"),
            Self::Expired { at } => write!(f, "the assertion expired at {}", at.to_rfc3339()),
            Self::NotYetValid { at } => write!(f, "the assertion is not valid before {}", at.to_rfc3339()),
            Self::LivesTooLong => f.write_str("the assertion is valid for more than one day and one hour"),
            Self::OldIssuer => f.write_str("the assertion is a v1 token of Entra"),
            Self::OfUser => f.write_str("the assertion is a token of a user"),
            Self::Chained => f.write_str("the assertion was itself acquired with a federated credential"),
        }
    }
}
