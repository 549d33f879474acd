//! A credential that is acquired by a request of its own.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};

use crate::body::Body;
use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::secret::ClientAssertion;
use crate::secret_text::hash;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;

/// A credential whose assertion is acquired by a request: the token of one request is the client assertion of the next.
///
/// The request is one to Entra, for another application or for the same one in another role, or one to another service that issues
/// tokens. An acquisition sends it first ([`Step`](crate::acquire::Step)); the application of a request to Entra may have such a credential
/// too, at most [`MAX_LEGS`] requests deep. Each request goes to its own service and carries its own credential and nothing else;
/// plain http is for the transport to refuse.
///
/// A cache holds the token of the last request alone: the assertions serve one acquisition each.
///
/// [`Application::with_authority`](crate::Application::with_authority) moves an application alone: the requests for its credential go where they went before.
///
/// ```
/// use entra_proto::acquired::AcquiredCredential;
/// use entra_proto::{Application, Authority, ClientSecret, Target};
///
/// let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse()?;
/// let parent = Application::new(authority.clone(), "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
/// let for_exchange = parent.client_credentials(Target::resource("api://AzureADTokenExchange")?)?;
///
/// let child = AcquiredCredential::of_token(for_exchange)?;
/// let app = Application::new(authority, "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?, child);
/// let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?; // takes two requests
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AcquiredCredential {
    source: AcquiredFrom,
    /// How many requests it takes.
    legs: usize,
}

/// The source of an acquired assertion.
#[derive(Clone)]
pub(crate) enum AcquiredFrom {
    /// A request to Entra.
    Token(Arc<TokenRequest>),
    /// A request to another service.
    Exchange(Arc<dyn AssertionExchange>),
}

impl AcquiredCredential {
    /// Creates the credential that is the token of this request, which must be one for the application itself.
    ///
    /// # Errors
    /// Returns an error if the request is for a user's token, or if the credentials would be nested too deep.
    pub fn of_token(request: TokenRequest) -> Result<Self, Error> {
        if !request.is_for_application() {
            return Err(
                InputError::new(Input::Credential, "is acquired by a request for a user's token")
                    .with_hint("use the client credentials grant: a client assertion speaks for an application")
                    .into(),
            );
        }
        let legs = request.legs();
        if legs >= MAX_LEGS {
            let problem = format!("is nested too deep: a token takes {MAX_LEGS} requests at most");
            return Err(InputError::new(Input::Credential, problem)
                .with_hint("give one of the applications a credential of its own")
                .into());
        }
        Ok(Self {
            source: AcquiredFrom::Token(Arc::new(request)),
            legs,
        })
    }

    /// Creates the credential that this request to another service acquires.
    pub fn of_exchange(exchange: impl AssertionExchange + 'static) -> Self {
        Self {
            source: AcquiredFrom::Exchange(Arc::new(exchange)),
            legs: 1,
        }
    }

    pub(crate) fn source(&self) -> &AcquiredFrom {
        &self.source
    }

    pub(crate) fn legs(&self) -> usize {
        self.legs
    }

    /// As for [`ClientCredential::is_async`](crate::ClientCredential::is_async).
    pub(crate) fn is_async(&self) -> bool {
        match &self.source {
            AcquiredFrom::Token(request) => request.application().credential().is_async(),
            AcquiredFrom::Exchange(_) => false,
        }
    }

    /// What tells it from others in the key of a cache.
    pub(crate) fn fingerprint(&self) -> String {
        match &self.source {
            AcquiredFrom::Token(request) => format!("assertion of {}", hash(request.cache_key().as_str())),
            AcquiredFrom::Exchange(exchange) => format!("assertion from {}", hash(exchange.name())),
        }
    }
}

impl fmt::Debug for AcquiredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            AcquiredFrom::Token(request) => write!(f, "AcquiredCredential({request:?})"),
            AcquiredFrom::Exchange(exchange) => write!(f, "AcquiredCredential({})", exchange.name()),
        }
    }
}

/// A request to a service other than Entra that issues assertions, and its response: a managed identity, the token endpoint of a CI
/// system.
///
/// It does no IO: the driver of the acquisition sends the request. It is sent again after failures that may pass: statuses 408, 429
/// and 5xx, errors that are [retryable](Error::is_retryable), and requests without a response. Redirects are not followed.
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
///     fn request(&self, _: Guid) -> Request<Body> {
///         let mut request = Request::new(Body::default());
///         *request.uri_mut() = self.endpoint.clone();
///         request.headers_mut().insert("authorization", self.authorization.clone());
///         request
///     }
///
///     fn decode(&self, response: &Response<Body>, _: Timestamp) -> Result<ClientAssertion, Error> {
///         let text = std::str::from_utf8(response.body().as_bytes()).ok();
///         match text.filter(|_| response.status().is_success()) {
///             Some(jwt) => ClientAssertion::new(jwt),
///             None => Err(SignerError::new(format!("the pipeline answers with status {}", response.status())).into()),
///         }
///     }
/// }
/// ```
pub trait AssertionExchange: Send + Sync {
    /// Returns the name of the service, for messages and for the key of a cache: no secret, and stable.
    fn name(&self) -> &str;

    /// Makes the request. It is called once for each attempt, and may be called again for the same one. `request_id` is that of the
    /// acquisition.
    fn request(&self, request_id: Guid) -> Request<Body>;

    /// Reads the response, which arrived at `now`, whatever its status; redirects and responses that are too long do not get here.
    /// [`ClientAssertion::with_expiry`] says how long the assertion may serve further attempts; without it, it serves one.
    ///
    /// # Errors
    /// Returns an error if there is no assertion in it. It must not quote the response: its text ends up in logs.
    fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error>;
}

/// The most requests that one token may take: its own, and those that acquire its credential.
pub const MAX_LEGS: usize = 4;
