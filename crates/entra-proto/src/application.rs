//! An application (client) in one tenant, which is the start of every token request.

use std::sync::Arc;

use crate::authority::{Authority, EndpointVersion};
use crate::client_id::ClientId;
use crate::credential::ClientCredential;
use crate::error::{Error, Input, InputError};

/// An application that requests tokens from one tenant: a client in the terms of RFC 6749, section
/// 2.1. Cheap to clone.
///
/// Each grant has a method that creates its request:
/// [`client_credentials`](Self::client_credentials) for a daemon, [`authorize`](Self::authorize)
/// for a user with a browser, [`device_code`](Self::device_code) for a user without one,
/// [`on_behalf_of`](Self::on_behalf_of) for a user who called an API, [`refresh`](Self::refresh)
/// for a user who signed in before, and [`agent_user`](Self::agent_user) for the user account of an
/// agent identity.
///
/// ```
/// use entra_proto::{Application, Authority, ClientSecret, Guid, Target};
///
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
/// let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(authority, client_id, secret);
///
/// let target = Target::scopes("https://graph.microsoft.com/.default")?;
/// let request = app.client_credentials(target)?;
/// let http = request.encode(Guid::from_random([7; 16]));
/// assert_eq!(http.uri().path(), "/contoso.onmicrosoft.com/oauth2/v2.0/token");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Application {
    pub(crate) authority: Authority,
    pub(crate) client_id: ClientId,
    pub(crate) credential: ClientCredential,
    pub(crate) version: EndpointVersion,
    pub(crate) capabilities: Arc<[String]>,
}

impl Application {
    /// Creates an application with this client ID and credential. It uses the v2 endpoint.
    #[must_use]
    pub fn new(authority: Authority, client_id: ClientId, credential: impl Into<ClientCredential>) -> Self {
        let version = EndpointVersion::default();
        Self {
            authority,
            client_id,
            credential: credential.into(),
            version,
            capabilities: [].into(),
        }
    }

    /// Sets the version of the endpoint.
    #[must_use]
    pub fn with_endpoint_version(mut self, version: EndpointVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets the client capabilities that each request declares. `cp1` declares that the application
    /// handles claims challenges; Entra then issues longer-lived tokens that it can revoke.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: &[&str]) -> Self {
        self.capabilities = capabilities
            .iter()
            .map(|capability| String::from(*capability))
            .collect();
        self
    }

    /// Sets the authority, for requests to another tenant or cloud. The requests that acquire the
    /// credential keep theirs, except for those of an [agent identity](Self::agent), which belong
    /// to one tenant with it.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        if let ClientCredential::Acquired(credential) = &mut self.credential {
            credential.follow(&authority);
        }
        self.authority = authority;
        self
    }

    /// Checks that users can sign in to the application.
    pub(crate) fn check_sign_in(&self) -> Result<(), Error> {
        match &self.credential {
            ClientCredential::Acquired(credential) if credential.is_of_agent() => Err(InputError::new(
                Input::SignIn,
                "is to an agent identity, to which no user can sign in",
            )
            .with_hint(
                "call on_behalf_of for a user who called the agent, or agent_user for the agent's own user account",
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// Returns the authority that issues the application's tokens.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the credential that authenticates the application.
    #[must_use]
    pub fn credential(&self) -> &ClientCredential {
        &self.credential
    }

    /// Returns the version of the endpoint.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.version
    }

    /// Returns the application (client) ID.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }
}
