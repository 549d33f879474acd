//! Credentials that are acquired by a request: tokens of Entra or of another service as client
//! assertions.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};

use crate::authority::Authority;
use crate::body::Body;
use crate::cloud::Cloud;
use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::managed_identity::{ManagedIdentity, ManagedIdentityRequest};
use crate::secret::ClientAssertion;
use crate::secret_text::hash;
use crate::target::Target;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;

/// A credential whose client assertion is acquired by a request: the token of one request
/// authenticates the next.
///
/// The request goes to Entra, for another application or for the same one in another role, or to
/// another service that issues tokens. An acquisition sends it first (see
/// [`Step`](crate::acquire::Step)). The application of a request to Entra may have such a
/// credential as well, up to four requests in total. Each request goes to its own service
/// and carries its own credential only. The transport is responsible for rejecting plain `http`.
///
/// A cache stores only the token of the last request: each assertion belongs to one acquisition.
///
/// [`Application::with_authority`](crate::Application::with_authority) changes the application
/// only: the requests for its credential still go to their original authority. The credential of an
/// [agent identity](crate::Application::agent) is the exception: its request goes to the authority
/// of the agent.
///
/// ```
/// use entra_proto::acquired::AcquiredCredential;
/// use entra_proto::{Application, Authority, ClientSecret, Target};
///
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.com".parse()?;
/// let parent_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let parent = Application::new(
///     authority.clone(),
///     parent_id,
///     ClientSecret::new("s3cret")?,
/// );
/// let exchange = parent
///     .client_credentials(Target::resource("api://AzureADTokenExchange")?)?;
///
/// let child = AcquiredCredential::of_token(exchange)?;
/// let app = Application::new(
///     authority,
///     "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?,
///     child,
/// );
/// // This acquisition takes two requests.
/// let request =
///     app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AcquiredCredential {
    source: AcquiredFrom,
    /// The number of requests that the credential takes.
    legs: usize,
    /// True if the credential is an agent identity's: its request goes to the authority of the
    /// agent.
    is_of_agent: bool,
}

/// The source of an acquired assertion.
#[derive(Clone)]
pub(crate) enum AcquiredFrom {
    /// A request to Entra.
    Token(Arc<TokenRequest>),
    /// A request to another service.
    Exchange(Arc<dyn AssertionExchange>),
    /// A request to the platform under the workload.
    Identity(Arc<ManagedIdentityRequest>),
}

impl AcquiredCredential {
    /// Creates a credential from a request for an app-only token, which becomes the client
    /// assertion.
    ///
    /// # Errors
    /// Returns an error if the request is for a user's token, or if the credentials are nested too
    /// deep.
    pub fn of_token(request: TokenRequest) -> Result<Self, Error> {
        if !request.is_for_application() {
            return Err(
                InputError::new(Input::Credential, "is acquired by a request for a user's token")
                    .with_hint("use the client credentials grant: a client assertion speaks for an application")
                    .into(),
            );
        }
        let legs = request.legs();
        check_depth(legs)?;
        Ok(Self {
            source: AcquiredFrom::Token(Arc::new(request)),
            legs,
            is_of_agent: false,
        })
    }

    /// Creates a credential from a request to another service, whose response contains the client
    /// assertion.
    pub fn of_exchange(exchange: impl AssertionExchange + 'static) -> Self {
        Self {
            source: AcquiredFrom::Exchange(Arc::new(exchange)),
            legs: 1,
            is_of_agent: false,
        }
    }

    /// Marks the credential as that of an agent identity.
    pub(crate) fn of_agent(mut self) -> Self {
        self.is_of_agent = true;
        self
    }

    /// Returns whether the credential is that of an agent identity.
    pub(crate) fn is_of_agent(&self) -> bool {
        self.is_of_agent
    }

    /// Adapts the credential of an agent identity to its new authority.
    pub(crate) fn follow(&mut self, authority: &Authority) {
        let (AcquiredFrom::Token(request), true) = (&mut self.source, self.is_of_agent) else {
            return;
        };
        // The audience is a constant of the cloud, so that both are always valid.
        let moved = Target::resource(authority.cloud().token_exchange_audience())
            .and_then(|target| TokenRequest::clone(request).at(authority.clone(), target));
        if let Ok(moved) = moved {
            *request = Arc::new(moved);
        }
    }

    /// Creates a credential from a managed identity, whose token becomes the client assertion. The
    /// application needs no secret: it has a federated credential for the identity.
    ///
    /// The request is for the [audience of the application's cloud](Cloud::token_exchange_audience),
    /// and for a user-assigned identity: see [`of_user_assigned`](Self::of_user_assigned), which
    /// creates it.
    ///
    /// # Errors
    /// Returns an error if the source of the identity's tokens is Cloud Shell, whose tokens are
    /// those of a user.
    pub fn of_managed_identity(request: ManagedIdentityRequest) -> Result<Self, Error> {
        if request.source().issues_user_tokens() {
            return Err(InputError::new(
                Input::Credential,
                "is a managed identity in Cloud Shell, whose tokens are a user's",
            )
            .with_hint("run the program on a platform that issues tokens for applications")
            .into());
        }
        Ok(Self {
            source: AcquiredFrom::Identity(Arc::new(request)),
            legs: 1,
            is_of_agent: false,
        })
    }

    /// Creates a credential from a user-assigned managed identity, for applications of this cloud.
    ///
    /// It requests the [audience of the cloud](Cloud::token_exchange_audience), as Entra requires of
    /// such tokens. The identity and the registration of the application are in the same tenant; a
    /// multi-tenant application gets tokens of other tenants with it as well.
    ///
    /// ```
    /// use entra_proto::acquired::AcquiredCredential;
    /// use entra_proto::managed_identity::{Host, Identity, ManagedIdentity};
    /// use entra_proto::{Application, Authority};
    /// # use std::{ffi::OsString, io, path::Path};
    /// # struct Machine;
    /// # impl Host for Machine {
    /// #     fn variable(&self, _: &str) -> Option<OsString> { None }
    /// #     fn file_exists(&self, _: &Path) -> bool { false }
    /// #     fn read_key_file(&self, _: &Path)
    /// #         -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    /// #         Err(io::ErrorKind::NotFound.into())
    /// #     }
    /// # }
    ///
    /// let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
    /// // In a program: entra_transport::LocalHost
    /// let identity = ManagedIdentity::new(Identity::client_id(id), Machine);
    ///
    /// let authority: Authority =
    ///     "https://login.microsoftonline.com/contoso.com".parse()?;
    /// let credential =
    ///     AcquiredCredential::of_user_assigned(&identity, authority.cloud())?;
    /// let client_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
    /// let app = Application::new(authority, client_id, credential);
    /// # Ok::<(), entra_proto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the identity is system-assigned, because Entra accepts the tokens of
    /// user-assigned identities only. A machine may respond to a request without an ID with the
    /// token of its only user-assigned identity: a program that relies on it passes its own request
    /// to [`of_managed_identity`](Self::of_managed_identity). Returns its errors, too.
    pub fn of_user_assigned(identity: &ManagedIdentity, cloud: &Cloud) -> Result<Self, Error> {
        if identity.identity().is_system() {
            let problem = "is a system-assigned managed identity, which federated credentials do not accept";
            return Err(InputError::new(Input::Credential, problem)
                .with_hint(
                    "assign a user-assigned managed identity to the machine or service, and name it by its client ID",
                )
                .into());
        }
        Self::of_managed_identity(identity.request(Target::resource(cloud.token_exchange_audience())?)?)
    }

    /// Sets whether a managed identity under the credential is probed before it is asked.
    pub(crate) fn probe(&mut self, is_probing: bool) {
        match &mut self.source {
            AcquiredFrom::Token(request) => {
                *request = Arc::new(TokenRequest::clone(request).probing(is_probing));
            }
            AcquiredFrom::Identity(request) => {
                *request = Arc::new(ManagedIdentityRequest::clone(request).probing(is_probing));
            }
            AcquiredFrom::Exchange(_) => {}
        }
    }

    pub(crate) fn source(&self) -> &AcquiredFrom {
        &self.source
    }

    pub(crate) fn legs(&self) -> usize {
        self.legs
    }

    /// Implements [`ClientCredential::is_async`](crate::ClientCredential::is_async).
    pub(crate) fn is_async(&self) -> bool {
        match &self.source {
            AcquiredFrom::Token(request) => request.application().credential().is_async(),
            AcquiredFrom::Exchange(_) | AcquiredFrom::Identity(_) => false,
        }
    }

    /// Returns a text that distinguishes the credential from others in a cache key.
    pub(crate) fn fingerprint(&self) -> String {
        match &self.source {
            AcquiredFrom::Token(request) => format!("assertion of {}", hash(request.cache_key().as_str())),
            AcquiredFrom::Exchange(exchange) => format!("assertion from {}", hash(exchange.name())),
            AcquiredFrom::Identity(request) => format!("assertion of {}", hash(request.cache_key().as_str())),
        }
    }
}

impl fmt::Debug for AcquiredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            AcquiredFrom::Token(request) => write!(f, "AcquiredCredential({request:?})"),
            AcquiredFrom::Exchange(exchange) => write!(f, "AcquiredCredential({})", exchange.name()),
            AcquiredFrom::Identity(request) => write!(f, "AcquiredCredential({request:?})"),
        }
    }
}

/// A request to a service other than Entra that issues assertions, and its response. Examples are a
/// managed identity and the token endpoint of a CI system.
///
/// Implementations do no I/O: the driver of the acquisition sends the request. It is sent again
/// after temporary failures: statuses 408, 429 and 5xx, [retryable](Error::is_retryable) errors,
/// and requests without a response. Redirects are not followed.
///
/// ```
/// use entra_proto::acquired::AssertionExchange;
/// use entra_proto::assertion::{ClientAssertion, SignerError};
/// use entra_proto::{Body, Error, Guid, Timestamp};
/// use http::{Request, Response, Uri};
///
/// /// The token endpoint of a CI system.
/// struct Pipeline {
///     endpoint: Uri,
///     authorization: http::HeaderValue,
/// }
///
/// impl AssertionExchange for Pipeline {
///     fn name(&self) -> &str {
///         "the pipeline's token endpoint"
///     }
///
///     fn request(&self, _: &str, _: Guid) -> Request<Body> {
///         let mut request = Request::new(Body::default());
///         *request.uri_mut() = self.endpoint.clone();
///         let authorization = self.authorization.clone();
///         request.headers_mut().insert("authorization", authorization);
///         request
///     }
///
///     fn decode(
///         &self,
///         response: &Response<Body>,
///         _: Timestamp,
///     ) -> Result<ClientAssertion, Error> {
///         let text = std::str::from_utf8(response.body().as_bytes()).ok();
///         match text.filter(|_| response.status().is_success()) {
///             Some(jwt) => ClientAssertion::new(jwt),
///             None => {
///                 Err(SignerError::new("the pipeline issued no token").into())
///             }
///         }
///     }
/// }
/// ```
pub trait AssertionExchange: Send + Sync {
    /// Returns the name of the service, for messages and cache keys. It must be stable and not
    /// secret.
    fn name(&self) -> &str;

    /// Returns the request for an assertion with this audience, which is that of the
    /// [application's cloud](crate::Cloud::token_exchange_audience). It is called for each attempt,
    /// and may be called several times for one attempt. `request_id` is that of the acquisition.
    fn request(&self, audience: &str, request_id: Guid) -> Request<Body>;

    /// Reads the response, which arrived at `now`, whatever its status. Redirects and responses
    /// that are too long are rejected before. [`ClientAssertion::with_expiry`] sets how long
    /// further attempts may use the assertion; without an expiry, it is used for one attempt.
    ///
    /// # Errors
    /// Returns an error if the response contains no assertion. The error must not quote the
    /// response, because its text is written to logs.
    fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error>;

    /// Returns what to do if the service responds with a redirect. By default, that is not known.
    fn redirect_hint(&self) -> Option<&str> {
        None
    }
}

/// Checks that a token may take this many requests, and one more.
///
/// # Errors
/// Returns an error if there are too many.
pub(crate) fn check_depth(inner: usize) -> Result<(), Error> {
    if inner < MAX_LEGS {
        return Ok(());
    }
    let problem = format!("is nested too deep: the limit is {MAX_LEGS} requests per token");
    Err(InputError::new(Input::Credential, problem)
        .with_hint("give one of the applications a secret, certificate or federated credential")
        .into())
}

/// The largest number of requests for one token: the final one, and those that acquire its
/// credential.
const MAX_LEGS: usize = 4;
