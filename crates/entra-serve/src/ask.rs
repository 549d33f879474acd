//! The token that a request asks for, whatever its protocol.

use entra_proto::agents::AgentUser;
use entra_proto::authorize::UserAssertion;
use entra_proto::claims::ClaimsRequest;
use entra_proto::{ClientId, Target, Tenant};

use crate::identity::Choice;

/// The token that a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// The API.
    pub(crate) target: Target,
    /// The identity.
    pub(crate) identity: Choice,
    /// The agent identity, if the identity is its blueprint.
    pub(crate) agent: Option<ClientId>,
    /// The party that the identity, or its agent, acts for.
    pub(crate) party: Party,
    /// The tenant, if the request names one. Otherwise it is that of the identity.
    pub(crate) tenant: Option<Tenant>,
    /// True if the tenant is that of the settings, and not the choice of the request.
    pub(crate) is_own_tenant: bool,
    /// The claims of an API's challenge.
    pub(crate) claims: Option<ClaimsRequest>,
    /// True for a token that is newer than the cached one.
    pub(crate) force_refresh: bool,
}

/// The party that an identity acts for.
#[derive(Clone, Debug)]
pub(crate) enum Party {
    /// No other one.
    Itself,
    /// The agent's user account.
    AgentUser(AgentUser),
    /// The user of a caller, by the caller's token.
    OnBehalfOf(UserAssertion),
    /// The identity at this path, which authenticates with the token.
    Vouched(String),
}

impl Party {
    /// Returns the word for it in logs, if there is another party.
    pub(crate) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Itself => None,
            Self::AgentUser(_) => Some("agent user"),
            Self::OnBehalfOf(_) => Some("caller's user"),
            Self::Vouched(_) => Some("vouched identity"),
        }
    }
}

impl Ask {
    /// Returns the question for the token of an API, with no further wishes.
    pub(crate) fn new(target: Target, identity: Choice) -> Self {
        Self {
            target,
            identity,
            agent: None,
            party: Party::Itself,
            tenant: None,
            is_own_tenant: false,
            claims: None,
            force_refresh: false,
        }
    }
}
