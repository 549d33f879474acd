use std::convert::Infallible;
use std::sync::Arc;

use crate::acquired::AcquiredCredential;
use crate::assertion::{CertificateCredential, FederatedCredential};
use crate::authority::{Authority, EndpointVersion};
use crate::authorize::{AdminConsentRequest, AuthorizeRequest, RedirectUri};
use crate::client_id::ClientId;
use crate::device::DeviceCodeRequest;
use crate::error::{Error, Input, InputError};
use crate::grant::Grant;
use crate::issued::{RefreshToken, UserAssertion};
use crate::secret::{ClientAssertion, ClientSecret};
use crate::signer::Signer;
use crate::target::Target;
use crate::token_request::TokenRequest;

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
    pub fn on(mut self, version: EndpointVersion) -> Self {
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
    pub fn at(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    /// A request with the client credentials grant (RFC 6749, section 4.4): a token for the application itself.
    ///
    /// # Errors
    /// Where the service would refuse it: a tenant such as `common`, which names nobody in particular; scopes that are not one
    /// API's `/.default`.
    pub fn client_credentials(&self, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let target = target.into();
        if !self.authority.tenant().is_specific() {
            return Err(InputError::new(
                Input::Tenant,
                "is not a particular tenant, and an app-only token belongs to one",
            )
            .value(&self.authority.tenant().to_string())
            .with_hint("write the tenant's id or domain, such as contoso.onmicrosoft.com")
            .into());
        }
        if matches!(self.credential, ClientCredential::Public) {
            return Err(
                InputError::new(Input::Credential, "is missing, and a daemon has to prove who it is")
                    .with_hint("give the application a certificate or a client secret")
                    .into(),
            );
        }
        target.check_for_daemon()?;
        TokenRequest::of(self.clone(), Grant::ClientCredentials, target)
    }

    /// A request to the authorize endpoint: what a browser is sent to, for a person to sign in and consent. On v2 `openid`, `profile`
    /// and `offline_access` are asked for as well. `common` will do: whoever signs in brings his tenant.
    #[must_use]
    pub fn authorize(&self, target: impl Into<Target>, redirect_uri: RedirectUri) -> AuthorizeRequest {
        AuthorizeRequest::new(self.clone(), target.into(), redirect_uri)
    }

    /// A request to the admin-consent page of the endpoint's version, where an administrator consents for the whole tenant.
    #[must_use]
    pub fn admin_consent(&self, redirect_uri: RedirectUri) -> AdminConsentRequest {
        AdminConsentRequest::new(self.clone(), redirect_uri)
    }

    /// A request with a refresh token (RFC 6749, section 6): a token for a user who signed in before, for any API that he or his
    /// administrator consented to. On v2 OpenID Connect's scopes are asked for as well, so that a new refresh token comes along.
    ///
    /// # Errors
    /// For a target that cannot be asked for: `/.default` beside single permissions, more than one API.
    pub fn refresh(&self, token: RefreshToken, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let target = target.into();
        target.check_one_api()?;
        TokenRequest::of(self.clone(), Grant::RefreshToken(token), target)
    }

    /// A request with the on-behalf-of grant: a token for another API, for the user who called this application's API with
    /// `assertion`. Use the tenant of that user: the `tid` of the assertion.
    ///
    /// # Errors
    /// For a target that cannot be asked for: `/.default` beside single permissions, more than one API; and for a public client, which
    /// has no API.
    pub fn on_behalf_of(&self, assertion: UserAssertion, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        if matches!(self.credential, ClientCredential::Public) {
            return Err(
                InputError::new(Input::Credential, "is missing, and an API has to prove who it is")
                    .with_hint("give the application a certificate or a client secret")
                    .into(),
            );
        }
        let target = target.into();
        target.check_one_api()?;
        TokenRequest::of(self.clone(), Grant::OnBehalfOf(assertion), target)
    }

    /// A request that starts the device flow (RFC 8628), for a person without a browser at hand: he gets a code to type in elsewhere. On
    /// v2 `openid`, `profile` and `offline_access` are asked for as well.
    ///
    /// # Errors
    /// For a target that cannot be asked for: `/.default` beside single permissions, more than one API.
    pub fn device_code(&self, target: impl Into<Target>) -> Result<DeviceCodeRequest, Error> {
        let target = target.into();
        target.check_one_api()?;
        DeviceCodeRequest::new(self.clone(), target)
    }

    /// The password grant (RFC 6749, section 4.3), which is not to be had: this says why, and what to use instead. RFC 9700, section
    /// 2.4, forbids it: it shows the password to the application, and fails for whoever has a second factor.
    ///
    /// # Errors
    /// Always.
    pub fn password(&self) -> Result<Infallible, Error> {
        Err(InputError::new(
            Input::Grant,
            "password is not supported: it would show users' passwords to the application, and fails with a second factor",
        )
        .with_hint("use client credentials for a daemon, the device code or a browser for a person")
        .into())
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

/// How an application proves who it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientCredential {
    /// Not at all: a public client (RFC 6749, section 2.1), such as a command on a person's own machine. It can use the device flow and
    /// the browser with PKCE.
    Public,
    /// A secret, sent in the body as `client_secret`: what the official clients do.
    Secret(ClientSecret),
    /// A secret, sent in an `Authorization: Basic` header (RFC 6749, section 2.3.1).
    BasicSecret(ClientSecret),
    /// An assertion that somebody else has signed (RFC 7523, section 2.2). It soon expires, and is not renewed.
    Assertion(ClientAssertion),
    /// A certificate: an assertion is signed for each request.
    Certificate(CertificateCredential),
    /// Another issuer's assertion, fetched for each acquisition: workload identity federation.
    Federated(FederatedCredential),
    /// An assertion that a request of its own acquires: a token of another application, or of another service.
    Acquired(AcquiredCredential),
}

impl ClientCredential {
    /// Returns whether a signer or a source of it takes its time, so that only a driver that awaits can use it.
    #[must_use]
    pub fn is_async(&self) -> bool {
        match self {
            Self::Certificate(credential) => credential.is_async(),
            Self::Federated(credential) => credential.is_async(),
            Self::Acquired(credential) => credential.is_async(),
            Self::Public | Self::Secret(_) | Self::BasicSecret(_) | Self::Assertion(_) => false,
        }
    }
}

impl From<ClientSecret> for ClientCredential {
    fn from(secret: ClientSecret) -> Self {
        Self::Secret(secret)
    }
}

impl From<ClientAssertion> for ClientCredential {
    fn from(assertion: ClientAssertion) -> Self {
        Self::Assertion(assertion)
    }
}

impl From<CertificateCredential> for ClientCredential {
    fn from(certificate: CertificateCredential) -> Self {
        Self::Certificate(certificate)
    }
}

impl<S: Signer + 'static> From<S> for ClientCredential {
    fn from(signer: S) -> Self {
        Self::Certificate(CertificateCredential::new(signer))
    }
}

impl From<AcquiredCredential> for ClientCredential {
    fn from(acquired: AcquiredCredential) -> Self {
        Self::Acquired(acquired)
    }
}

impl From<FederatedCredential> for ClientCredential {
    fn from(federated: FederatedCredential) -> Self {
        Self::Federated(federated)
    }
}
