//! An application of one tenant, and why it has no password grant.

use std::sync::Arc;

use crate::authority::{Authority, EndpointVersion};
use crate::client_id::ClientId;
use crate::credential::ClientCredential;

/// Who asks for tokens, and where: a client (RFC 6749, section 2.1) of one tenant. Cheap to clone.
///
/// Each grant has a method that makes its request: [`client_credentials`](Self::client_credentials) for a daemon,
/// [`authorize`](Self::authorize) for a person with a browser, [`device_code`](Self::device_code) for one without,
/// [`on_behalf_of`](Self::on_behalf_of) for a user who called an API, [`refresh`](Self::refresh) for one who signed in before.
///
/// ```
/// use entra_proto::{Application, Authority, ClientSecret, Guid, Target};
///
/// let authority: Authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
/// let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?;
/// let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
///
/// let request = app.client_credentials(Target::scopes("https://graph.microsoft.com/.default")?)?;
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
    /// The application with this id and credential, which asks on the v2 endpoint.
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

    /// The same application, asking on the endpoint of this version.
    #[must_use]
    pub fn with_endpoint_version(mut self, version: EndpointVersion) -> Self {
        self.version = version;
        self
    }

    /// The same application, which says in every request what it can handle: `cp1` says that it answers claims challenges, and
    /// makes for tokens that live longer and can be revoked.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: &[&str]) -> Self {
        self.capabilities = capabilities
            .iter()
            .map(|capability| String::from(*capability))
            .collect();
        self
    }

    /// The same application in another tenant, or at another authority.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    /// Where its tokens come from.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// How it proves who it is.
    #[must_use]
    pub fn credential(&self) -> &ClientCredential {
        &self.credential
    }

    /// The version of the endpoint that it asks on.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.version
    }

    /// Its id.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }
}
