//! The caller that a valid token names.

use entra_proto::{ClientId, EndpointVersion, Guid, Timestamp};

use crate::agents::Numbers;
use crate::words::Words;

/// The caller that a valid token names: an application, a user of an application, or an agent.
///
/// Store the data of a caller under [`tenant`](Self::tenant) and [`object_id`](Self::object_id)
/// together. Names and addresses (`email`, `upn`, `preferred_username`, `unique_name`) can be
/// reassigned to other users, so they are not here.
///
/// ```
/// use entra_validate::Principal;
///
/// fn owner(caller: &Principal) -> Option<String> {
///     match caller {
///         Principal::User(_) => {
///             Some(format!("{}/{}", caller.tenant(), caller.object_id()))
///         }
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// An application without a user: a daemon.
    App(App),
    /// A user of an application.
    User(User),
    /// An agent identity, for itself or for a user.
    Agent(Agent),
}

/// An application without a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// `azp` or `appid`: the application.
    pub application: ClientId,
    /// True if `idtyp` declares that there is no user. Without that optional claim it follows from
    /// `sub`, `scp` and `roles`.
    pub is_declared: bool,
    pub(crate) facts: Facts,
}

/// A user of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// `azp` or `appid`: the application that the user signed in to. A public client does not prove
    /// its ID.
    pub application: ClientId,
    pub(crate) facts: Facts,
}

/// An agent identity: the identity of an AI agent, which acts for itself or for a user.
///
/// Its permissions are checked as those of other callers: roles if it acts for itself, scopes if it
/// acts for a user. [`Api::with_agents`](crate::Api::with_agents) rejects all agents, or all other
/// callers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agent {
    /// `azp` or `appid`: the agent identity.
    pub application: ClientId,
    /// `xms_par_app_azp`: the blueprint of the agent identity.
    pub blueprint: Option<ClientId>,
    /// The identity that the agent acts for.
    pub acting: Acting,
    pub(crate) facts: Facts,
}

/// The identity that an agent acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acting {
    /// For itself: there is no user.
    Itself,
    /// For a user who signed in and consented.
    ForUser,
    /// As the agent's own user account.
    AsOwnUser,
}

/// The facts that tokens of every kind have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) tenant: Guid,
    pub(crate) object: Guid,
    pub(crate) scopes: Box<str>,
    pub(crate) roles: Words,
    pub(crate) version: EndpointVersion,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) contexts: Words,
    pub(crate) relations: Numbers,
    pub(crate) takes_claims_challenges: bool,
}

impl Principal {
    /// Returns `tid`: the tenant that issued the token.
    #[must_use]
    pub fn tenant(&self) -> Guid {
        self.facts().tenant
    }

    /// Returns `oid`: the user or the service principal, within [`tenant`](Self::tenant).
    #[must_use]
    pub fn object_id(&self) -> Guid {
        self.facts().object
    }

    /// Returns `azp` or `appid`: the application that requested the token.
    #[must_use]
    pub fn application(&self) -> ClientId {
        match self {
            Self::App(it) => it.application,
            Self::User(it) => it.application,
            Self::Agent(it) => it.application,
        }
    }

    /// Returns `scp`: the permissions that a user delegated. An application without a user has
    /// none.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.facts().scopes.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Returns `roles`: the permissions of an application, or the roles of a user in the API,
    /// depending on the kind of the caller.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.facts().roles.iter()
    }

    /// Returns true if there is a user.
    #[must_use]
    pub fn is_user(&self) -> bool {
        match self {
            Self::App(_) => false,
            Self::User(_) => true,
            Self::Agent(agent) => agent.acting != Acting::Itself,
        }
    }

    /// Returns `ver`: the format of the token.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.facts().version
    }

    /// Returns `iat`: the time at which the token was issued. Without `iat` it is `nbf`, and
    /// without both the epoch.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.facts().issued_at
    }

    /// Returns `exp`: the time at which the token expires, without the allowed clock skew.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.facts().expires_at
    }

    /// Returns `acrs`: the authentication contexts that the user satisfied, such as `c1`.
    pub fn auth_contexts(&self) -> impl Iterator<Item = &str> {
        self.facts().contexts.iter()
    }

    /// Returns `xms_idrel`: the relations of the caller to the tenant of the token, in ascending
    /// order. A service principal has the number 7. Numbers from 64 on are omitted.
    pub fn relations(&self) -> impl Iterator<Item = u8> {
        self.facts().relations.iter()
    }

    /// Returns the agent identity, if the caller is one.
    #[must_use]
    pub fn agent(&self) -> Option<&Agent> {
        match self {
            Self::Agent(agent) => Some(agent),
            Self::App(_) | Self::User(_) => None,
        }
    }

    /// Returns true if the client can handle a claims challenge: `xms_cc` contains `cp1`. Tokens
    /// have that claim only if the API's registration lists it as an optional claim.
    #[must_use]
    pub fn takes_claims_challenges(&self) -> bool {
        self.facts().takes_claims_challenges
    }

    fn facts(&self) -> &Facts {
        match self {
            Self::App(it) => &it.facts,
            Self::User(it) => &it.facts,
            Self::Agent(it) => &it.facts,
        }
    }
}
