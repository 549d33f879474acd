//! Credentials whose assertions another issuer issues: workload identity federation.

use std::fmt;
use std::future;
use std::sync::Arc;

use crate::error::Error;
use crate::secret::ClientAssertion;
use crate::signer::{BoxFuture, SignerError};

/// A source of assertions that another issuer issues: workload identity federation. It responds at once: a file that is read.
///
/// The async client calls it on a thread of the runtime. A source that takes longer (a command, a request) is an
/// [`AsyncAssertionSource`] for the async client. The blocking client waits for either kind through this trait.
pub trait AssertionSource: Send + Sync {
    /// Returns a fresh assertion for `audience`, by default `api://AzureADTokenExchange`.
    ///
    /// # Errors
    /// Returns an error if there is no assertion.
    fn assertion(&self, audience: &str) -> Result<ClientAssertion, Error>;
}

impl<F> AssertionSource for F
where
    F: Fn(&str) -> Result<ClientAssertion, Error> + Send + Sync,
{
    fn assertion(&self, audience: &str) -> Result<ClientAssertion, Error> {
        self(audience)
    }
}

/// A source of assertions of another issuer that takes its time: a command, a request, another token. For the async client and other
/// drivers that await ([`FederatedCredential::new_async`]).
///
/// ```
/// use entra_proto::assertion::{
///     AsyncAssertionSource, BoxFuture, ClientAssertion, FederatedCredential,
/// };
/// use entra_proto::Error;
///
/// struct Pipeline;
///
/// # async fn request(_: &str) -> Result<String, Error> { Ok("jwt".to_owned()) }
/// impl AsyncAssertionSource for Pipeline {
///     fn assertion<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<ClientAssertion, Error>> {
///         Box::pin(async move { ClientAssertion::new(request(audience).await?) })
///     }
/// }
///
/// let credential = FederatedCredential::new_async(Pipeline);
/// ```
pub trait AsyncAssertionSource: Send + Sync {
    /// Returns a fresh assertion for `audience`, by default `api://AzureADTokenExchange`. The future may be dropped before its end. The
    /// source bounds its own time.
    ///
    /// # Errors
    /// Returns an error if there is no assertion.
    fn assertion<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<ClientAssertion, Error>>;
}

/// An assertion of another issuer as a credential, fetched anew for each acquisition.
#[derive(Clone)]
pub struct FederatedCredential {
    source: AnySource,
    audience: Arc<str>,
}

#[derive(Clone)]
enum AnySource {
    Blocking(Arc<dyn AssertionSource>),
    Async(Arc<dyn AsyncAssertionSource>),
}

impl FederatedCredential {
    /// Creates the credential whose assertions are those of `source`.
    pub fn new(source: impl AssertionSource + 'static) -> Self {
        Self::issued_by(AnySource::Blocking(Arc::new(source)))
    }

    /// Creates the credential whose assertions `source` gives in its own time: for drivers that await. The others end with an error.
    pub fn new_async(source: impl AsyncAssertionSource + 'static) -> Self {
        Self::issued_by(AnySource::Async(Arc::new(source)))
    }

    fn issued_by(source: AnySource) -> Self {
        Self {
            source,
            audience: TOKEN_EXCHANGE.into(),
        }
    }

    /// Sets the audience that the assertions must have: national clouds have others.
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audience = audience.into();
        self
    }

    /// Returns the audience that the assertions must have.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Returns whether its source takes its time ([`new_async`](Self::new_async)).
    #[must_use]
    pub fn is_async(&self) -> bool {
        matches!(self.source, AnySource::Async(_))
    }

    /// Fetches an assertion.
    ///
    /// # Errors
    /// Returns the source's error. Also if the source is async: see [`assertion_async`](Self::assertion_async).
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        match &self.source {
            AnySource::Blocking(source) => source.assertion(&self.audience),
            AnySource::Async(_) => Err(SignerError::new("its source is async, and nothing here can await it")
                .with_hint("use the async client, or give the credential a source that blocks")
                .into()),
        }
    }

    /// Returns the future of an async source's assertion. A blocking source fetches it within this call.
    ///
    /// The future's output is an error if the source fails.
    pub fn assertion_async(&self) -> BoxFuture<'_, Result<ClientAssertion, Error>> {
        match &self.source {
            AnySource::Blocking(_) => Box::pin(future::ready(self.assertion())),
            AnySource::Async(source) => source.assertion(&self.audience),
        }
    }
}

impl fmt::Debug for FederatedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FederatedCredential({})", self.audience)
    }
}

/// What Entra expects a federated assertion to be for, in the public cloud.
const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";
