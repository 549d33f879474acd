//! The caller that a token speaks for.

use entra_proto::{ClientId, EndpointVersion, Guid, Timestamp};

use crate::words::Words;

/// The caller that a token speaks for: an application, a user through an application, or an agent.
///
/// Data of a caller is kept under [`tenant`](Self::tenant) and [`object_id`](Self::object_id)
/// together. Names and addresses (`email`, `upn`, `preferred_username`, `unique_name`) change
/// hands, so they are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// An application on its own behalf: a daemon.
    App(App),
    /// A user, through an application.
    User(User),
    /// An agent identity, for itself or for a user.
    Agent(Agent),
}

/// An application on its own behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// `azp` or `appid`: the application.
    pub application: ClientId,
    /// Whether the token says by `idtyp` that there is no user. Without that optional claim it
    /// follows from `sub`, `scp` and `roles`.
    pub is_declared: bool,
    pub(crate) facts: Facts,
}

/// A user, through an application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// `azp` or `appid`: the application that the user signed in to. A public client proves its ID
    /// by nothing.
    pub application: ClientId,
    pub(crate) facts: Facts,
}

/// An agent identity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agent {
    /// `azp` or `appid`: the agent identity.
    pub application: ClientId,
    /// `xms_par_app_azp`: the blueprint that the agent identity was made from.
    pub blueprint: Option<ClientId>,
    /// The one that the agent acts for.
    pub acting: Acting,
    pub(crate) facts: Facts,
}

/// The one that an agent acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acting {
    /// For itself: there is no user.
    Itself,
    /// For a person, who signed in and consented.
    ForUser,
    /// As the user account that is the agent's own.
    AsOwnUser,
}

/// The facts in tokens of every kind.
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
    pub(crate) takes_claims_challenges: bool,
}

impl Principal {
    /// `tid`: the tenant that issued the token.
    #[must_use]
    pub fn tenant(&self) -> Guid {
        self.facts().tenant
    }

    /// `oid`: the user or the service principal, within [`tenant`](Self::tenant).
    #[must_use]
    pub fn object_id(&self) -> Guid {
        self.facts().object
    }

    /// `azp` or `appid`: the application that requested the token.
    #[must_use]
    pub fn application(&self) -> ClientId {
        match self {
            Self::App(it) => it.application,
            Self::User(it) => it.application,
            Self::Agent(it) => it.application,
        }
    }

    /// `scp`: the permissions that a user delegated. An application on its own behalf has none.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.facts().scopes.split(' ').filter(|scope| !scope.is_empty())
    }

    /// `roles`: an application's permissions, or the roles that a user has in the API. Which of the
    /// two it is follows from the kind of the caller.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.facts().roles.iter()
    }

    /// Whether there is a user.
    #[must_use]
    pub fn is_user(&self) -> bool {
        match self {
            Self::App(_) => false,
            Self::User(_) => true,
            Self::Agent(agent) => agent.acting != Acting::Itself,
        }
    }

    /// `ver`: the format of the token.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.facts().version
    }

    /// `iat`: the time at which the token was issued. Where there is none, `nbf`, else the epoch.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.facts().issued_at
    }

    /// `exp`: the time at which the token expires, without the clock skew that is allowed.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.facts().expires_at
    }

    /// `acrs`: the authentication contexts that the user satisfied, such as `c1`.
    pub fn auth_contexts(&self) -> impl Iterator<Item = &str> {
        self.facts().contexts.iter()
    }

    /// Whether the client can handle a claims challenge: `xms_cc` holds `cp1`. The claim is there
    /// only where the API's registration lists it among its optional claims.
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
