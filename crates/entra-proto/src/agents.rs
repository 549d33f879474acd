//! Agent identities: applications without a credential of their own, and the user accounts that
//! only they can use.
//!
//! A *blueprint* is an application with a credential. An *agent identity* is its child and has
//! none: the blueprint vouches for it. An *agent user* is a user account that belongs to one agent
//! identity. A token takes several requests to Entra, which the acquisition machine sends in order
//! (see [`acquire`](crate::acquire)):
//!
//! | request | client | authenticated by | token |
//! |---|---|---|---|
//! | 1 | the blueprint | its credential | the agent's client assertion |
//! | 2 | the agent | the token of request 1 | the agent's own token for an API |
//!
//! For an agent user, request 2 is for the token exchange itself, and a third one follows:
//!
//! | request | client | authenticated by | token |
//! |---|---|---|---|
//! | 3 | the agent | the tokens of requests 1 and 2 | the agent user's token for an API |
//!
//! All of them go to the tenant of the agent. The blueprint may have any credential: a secret, a
//! certificate, a federated credential or a managed identity.
//!
//! No user can sign in to an agent identity, but it can act on behalf of a user who called it
//! ([`Application::on_behalf_of`]).
//!
//! ```
//! use entra_proto::agents::AgentUser;
//! use entra_proto::{Application, Authority, ClientSecret, Target};
//!
//! let authority: Authority =
//!     "https://login.microsoftonline.com/contoso.com".parse()?;
//! let blueprint = Application::new(
//!     authority,
//!     "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?,
//!     ClientSecret::new("s3cret")?,
//! );
//! let agent = blueprint.agent("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?)?;
//! let graph = Target::resource("https://graph.microsoft.com")?;
//!
//! // Two requests, for a token of the agent itself.
//! let request = agent.client_credentials(graph.clone())?;
//!
//! // Three requests, for a token of its user.
//! let user: AgentUser = "assistant@contoso.com".parse()?;
//! let request = agent.agent_user(user, graph)?;
//! # Ok::<(), entra_proto::Error>(())
//! ```

use crate::acquired::{AcquiredCredential, check_depth};
use crate::application::Application;
use crate::authority::EndpointVersion;
use crate::client_id::ClientId;
use crate::credential::ClientCredential;
use crate::error::{Error, Input, InputError};
use crate::grant::Grant;
use crate::secret::ClientAssertion;
use crate::target::Target;
use crate::token_request::TokenRequest;

pub use crate::agent_user::AgentUser;

impl Application {
    /// Returns the agent identity with this client ID. This application is its blueprint, and
    /// authenticates it in the same tenant: see [`agents`](crate::agents).
    ///
    /// The agent identity uses the v2 endpoint. [`with_authority`](Self::with_authority) of it also
    /// changes the authority of the blueprint's request.
    ///
    /// # Errors
    /// Returns an error if this application is a public client, if its tenant is not a specific
    /// one, or if its credential is nested too deep.
    pub fn agent(&self, agent: ClientId) -> Result<Self, Error> {
        let blueprint = self.clone().with_endpoint_version(EndpointVersion::V2);
        let assertion = blueprint
            .client_credentials(blueprint.exchange_target()?)?
            .with_fmi_path(&agent.to_string())?;
        Ok(Self {
            client_id: agent,
            credential: AcquiredCredential::of_token(assertion)?.of_agent().into(),
            ..blueprint
        })
    }

    /// Creates a request for a token of an agent's user account (grant type `user_fic`). This
    /// application is the [agent identity](Self::agent).
    ///
    /// # Errors
    /// Returns an error if the target cannot be requested: `/.default` together with single
    /// permissions, or more than one API. Returns an error if the tenant is not a specific one, and
    /// if the application has a credential of its own, which an agent identity never has.
    pub fn agent_user(&self, user: AgentUser, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let is_agent = matches!(
            self.credential,
            ClientCredential::Acquired(_) | ClientCredential::Federated(_) | ClientCredential::Assertion(_)
        );
        if !is_agent {
            return Err(InputError::new(
                Input::Credential,
                "belongs to an application that is not an agent identity",
            )
            .with_hint("call Application::agent of the blueprint: an agent identity has no credential of its own")
            .into());
        }
        let target = target.into();
        target.check_one_api()?;
        let exchange = self.client_credentials(self.exchange_target()?)?;
        check_depth(exchange.legs())?;
        let grant = Grant::AgentUser { user, token: None };
        Ok(TokenRequest::of(self.clone(), grant, target)?.after(exchange))
    }

    /// Returns the target of tokens that authenticate an application of this cloud.
    fn exchange_target(&self) -> Result<Target, Error> {
        Target::resource(self.authority.cloud().token_exchange_audience())
    }
}

impl TokenRequest {
    /// Requests a token with which another identity, for which this application vouches,
    /// authenticates. `path` names it: an agent identity by its client ID.
    ///
    /// [`Application::agent`] does this for agent identities.
    ///
    /// # Errors
    /// Returns an error if the request is for a user's token, and if the path is empty, is longer
    /// than 1,024 bytes, or has white space or control characters.
    pub fn with_fmi_path(mut self, path: &str) -> Result<Self, Error> {
        let Grant::ClientCredentials { fmi_path } = self.grant_mut() else {
            return Err(InputError::new(FMI_PATH, "is part of a request for a user's token")
                .with_hint("use the client credentials grant")
                .into());
        };
        let is_valid = !path.is_empty()
            && path.len() <= LONGEST_PATH
            && !path.chars().any(|c| c.is_control() || c.is_whitespace());
        if !is_valid {
            return Err(InputError::new(FMI_PATH, "does not name an identity")
                .value(path)
                .with_hint("write the client ID of the agent identity")
                .into());
        }
        *fmi_path = Some(path.into());
        Ok(self)
    }

    /// Attaches the token that a request for an agent user's token sends as its grant
    /// (`user_federated_identity_credential`): the agent's own token for the
    /// [token exchange](crate::Cloud::token_exchange_audience). Other requests ignore it.
    ///
    /// [`start`](Self::start) acquires the token. This method is for programs that do it
    /// themselves.
    #[must_use]
    pub fn with_agent_token(mut self, token: ClientAssertion) -> Self {
        if let Grant::AgentUser { token: of_grant, .. } = self.grant_mut() {
            *of_grant = Some(token);
        }
        self
    }
}

/// The name of the path in errors.
const FMI_PATH: Input = Input::Other("fmi_path");

/// The maximum length of an identity's path in bytes.
const LONGEST_PATH: usize = 1024;
