//! The options for an agent identity.

use clap::Args;
use entra_client::client::Client;
use entra_proto::ClientId;
use entra_proto::agents::AgentUser;

use crate::exit::{Exit, Failure};

/// The options for an agent identity, which the application acts as.
#[derive(Args)]
pub(crate) struct AgentSettings {
    /// Get the token of the agent identity with this client ID; the application is its blueprint
    #[arg(long, value_name = "GUID", conflicts_with = "managed_identity")]
    agent: Option<String>,

    /// Get the token of the agent's user account, by its sign-in name or object ID
    #[arg(long, value_name = "USER", requires = "agent")]
    agent_user: Option<String>,
}

/// An agent identity, and its user account if the token is for that one.
pub(crate) struct Agent {
    id: ClientId,
    user: Option<AgentUser>,
}

impl AgentSettings {
    /// Returns true if the token is that of an agent identity.
    pub(crate) fn is_wanted(&self) -> bool {
        self.agent.is_some()
    }

    /// Returns the agent, or `None` if no option names one.
    ///
    /// # Errors
    /// Returns an error if an ID or a name is invalid.
    pub(crate) fn agent(&self) -> Result<Option<Agent>, Failure> {
        let Some(id) = &self.agent else { return Ok(None) };
        let user = self.agent_user.as_deref().map(|user| user.trim().parse());
        Ok(Some(Agent {
            id: id.trim().parse().map_err(|_| {
                Failure::text(Exit::Configuration, "--agent is not a GUID")
                    .hint("pass the client ID of the agent identity, which the application is the blueprint of")
            })?,
            user: user.transpose()?,
        }))
    }
}

impl Agent {
    /// Returns the client ID of the agent.
    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    /// Returns the user account of the agent, if the token is for that one.
    pub(crate) fn user(&self) -> Option<&AgentUser> {
        self.user.as_ref()
    }

    /// Returns a handle to the client that acquires the tokens of the agent.
    pub(crate) fn of<D>(self, client: &Client<D>) -> Client<D> {
        let client = client.agent(self.id);
        match self.user {
            Some(user) => client.agent_user(user),
            None => client,
        }
    }
}
