//! The token that a request asks for, whatever its protocol.

use entra_proto::claims::ClaimsRequest;
use entra_proto::{Target, Tenant};

use crate::identity::Choice;

/// The token that a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// The API.
    pub(crate) target: Target,
    /// The identity.
    pub(crate) identity: Choice,
    /// The tenant, if the request names one. Otherwise it is that of the identity.
    pub(crate) tenant: Option<Tenant>,
    /// The claims of an API's challenge.
    pub(crate) claims: Option<ClaimsRequest>,
    /// True for a token that is newer than the cached one.
    pub(crate) force_refresh: bool,
}

impl Ask {
    /// Returns the question for the token of an API, with no further wishes.
    pub(crate) fn new(target: Target, identity: Choice) -> Self {
        Self {
            target,
            identity,
            tenant: None,
            claims: None,
            force_refresh: false,
        }
    }
}
