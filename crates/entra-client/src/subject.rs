//! The subject of a token.

use std::sync::Arc;

use entra_proto::agents::AgentUser;
use entra_proto::{Application, ClientId, Target, TokenRequest};

use crate::user::User;

/// The subject of a token: the party that the token is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The client's principal itself: an app-only token.
    Principal,
    /// A user, for whom the application acts.
    User(User),
    /// An agent identity, a user for whom it acts, or an identity for which the application
    /// vouches. Shared, so that the keys of other tokens stay small.
    Agent(Arc<Agent>),
}

/// An agent identity, and the party that it acts for.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    /// The agent identity, or `None` if the application itself is one.
    id: Option<ClientId>,
    party: Party,
}

/// The party that an agent identity acts for.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Party {
    Itself,
    /// The agent's user account.
    Account(AgentUser),
    User(User),
    /// The identity at this path authenticates with the token. It is not that of an agent.
    Vouched(Box<str>),
}

impl Subject {
    /// Returns the subject of this agent identity's own tokens.
    pub(crate) fn of_agent(id: ClientId) -> Self {
        Self::with_party(Some(id), Party::Itself)
    }

    /// Returns the subject of tokens with which the identity at this path authenticates.
    pub(crate) fn vouching_for(path: &str) -> Self {
        Self::with_party(None, Party::Vouched(path.into()))
    }

    /// Returns the user account of this subject's agent.
    pub(crate) fn with_agent_user(&self, user: AgentUser) -> Self {
        Self::with_party(self.agent(), Party::Account(user))
    }

    /// Returns the user for whom the application acts, or the agent of this subject.
    pub(crate) fn with_user(&self, user: &User) -> Self {
        match self.agent() {
            Some(id) => Self::with_party(Some(id), Party::User(user.clone())),
            None => Self::User(user.clone()),
        }
    }

    fn with_party(id: Option<ClientId>, party: Party) -> Self {
        Self::Agent(Arc::new(Agent { id, party }))
    }

    /// Returns the agent identity, if the application is its blueprint.
    pub(crate) fn agent(&self) -> Option<ClientId> {
        match self {
            Self::Agent(agent) => agent.id,
            Self::Principal | Self::User(_) => None,
        }
    }

    /// Returns the user, if the application or its agent acts for one.
    #[inline]
    pub(crate) fn user(&self) -> Option<&User> {
        match self {
            Self::Principal => None,
            Self::User(user) => Some(user),
            Self::Agent(agent) => match &agent.party {
                Party::User(user) => Some(user),
                Party::Itself | Party::Account(_) | Party::Vouched(_) => None,
            },
        }
    }

    /// Returns true if the token is one of the application or of an agent, without a user.
    pub(crate) fn is_app_only(&self) -> bool {
        match self {
            Self::Principal => true,
            Self::User(_) => false,
            Self::Agent(agent) => matches!(agent.party, Party::Itself | Party::Vouched(_)),
        }
    }

    /// Returns true if other processes can recognize the subject.
    pub(crate) fn is_shareable(&self) -> bool {
        self.user().is_none_or(User::is_shareable)
    }

    /// Returns the approximate number of bytes that the subject holds.
    pub(crate) fn size(&self) -> usize {
        let of_agent = match self {
            Self::Principal | Self::User(_) => 0,
            Self::Agent(agent) => match &agent.party {
                Party::Account(user) => size_of::<Agent>() + user.as_str().len(),
                Party::Vouched(path) => size_of::<Agent>() + path.len(),
                Party::Itself | Party::User(_) => size_of::<Agent>(),
            },
        };
        of_agent + self.user().map_or(0, User::size)
    }

    /// Returns the request of an application, in the right tenant, for a token of this subject.
    pub(crate) fn request(
        &self,
        application: &Application,
        target: Target,
    ) -> Result<TokenRequest, entra_proto::Error> {
        match self {
            Self::Principal => application.client_credentials(target),
            Self::User(user) => user.request(application, target),
            Self::Agent(agent) => {
                let application = self.application(application)?;
                match &agent.party {
                    Party::Itself => application.client_credentials(target),
                    Party::Account(user) => application.agent_user(user.clone(), target),
                    Party::User(user) => user.request(&application, target),
                    Party::Vouched(path) => application.client_credentials(target)?.with_fmi_path(path),
                }
            }
        }
    }

    /// Returns the application that requests tokens of this subject: the agent identity, or the
    /// application itself.
    pub(crate) fn application(&self, application: &Application) -> Result<Application, entra_proto::Error> {
        match self.agent() {
            Some(id) => application.agent(id),
            None => Ok(application.clone()),
        }
    }
}
