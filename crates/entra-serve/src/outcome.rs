//! The names of protocols and of outcomes, in log events and metrics.

use crate::tokens::Refusal;

/// A protocol of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolName {
    /// A path of no enabled protocol.
    None,
    Health,
    AppService,
    Imds,
    Azd,
    Sidecar,
}

impl ProtocolName {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Self; 6] = [
        Self::None,
        Self::Health,
        Self::AppService,
        Self::Imds,
        Self::Azd,
        Self::Sidecar,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Health => "health",
            Self::AppService => "app-service",
            Self::Imds => "imds",
            Self::Azd => "azd",
            Self::Sidecar => "sidecar",
        }
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A token from the cache.
    Cached,
    /// A token that was requested, by this or another request.
    Requested,
    /// A response without a token, as wanted.
    Done,
    /// An error that only one protocol has.
    Rejected,
    NotFound,
    Malformed,
    Untrusted,
    WrongKey,
    Method,
    NotAllowed,
    UnknownIdentity,
    OtherTenant,
    Failed,
    TooSlow,
}

impl Outcome {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Self; 14] = [
        Self::Cached,
        Self::Requested,
        Self::Done,
        Self::Rejected,
        Self::NotFound,
        Self::Malformed,
        Self::Untrusted,
        Self::WrongKey,
        Self::Method,
        Self::NotAllowed,
        Self::UnknownIdentity,
        Self::OtherTenant,
        Self::Failed,
        Self::TooSlow,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Requested => "requested",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::NotFound => "not_found",
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
            Self::WrongKey => "wrong_key",
            Self::Method => "method",
            Self::NotAllowed => "not_allowed",
            Self::UnknownIdentity => "unknown_identity",
            Self::OtherTenant => "other_tenant",
            Self::Failed => "failed",
            Self::TooSlow => "too_slow",
        }
    }
}

impl From<&Refusal> for Outcome {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Malformed(_) | Refusal::TooLong => Self::Malformed,
            Refusal::Untrusted(_) => Self::Untrusted,
            Refusal::WrongKey(_) => Self::WrongKey,
            Refusal::Method(_) => Self::Method,
            Refusal::NotAllowed => Self::NotAllowed,
            Refusal::UnknownIdentity => Self::UnknownIdentity,
            Refusal::OtherTenant => Self::OtherTenant,
            Refusal::Failed(_) => Self::Failed,
            Refusal::TooSlow => Self::TooSlow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_declaration() {
        for (place, name) in ProtocolName::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, place);
        }
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
