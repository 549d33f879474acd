//! Workload identity federation: credentials with assertions of another issuer.

use std::fmt;
use std::future;
use std::sync::Arc;

use crate::cloud::Cloud;
use crate::error::Error;
use crate::secret::ClientAssertion;
use crate::signer::{BoxFuture, SignerError};

/// A source of another issuer's assertions (workload identity federation) that returns immediately,
/// such as a file.
///
/// The async client calls it on a thread of the runtime. For the async client, a source that takes
/// longer (a command, a request) implements [`AsyncAssertionSource`]. The blocking client uses this
/// trait for either kind.
pub trait AssertionSource: Send + Sync {
    /// Returns a fresh assertion for `audience`, in the public cloud `api://AzureADTokenExchange`.
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

/// An async source of another issuer's assertions: a command, a request, another token. For the
/// async client and other drivers that await ([`FederatedCredential::new_async`]).
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
///     fn assertion<'a>(
///         &'a self,
///         audience: &'a str,
///     ) -> BoxFuture<'a, Result<ClientAssertion, Error>> {
///         Box::pin(async move { ClientAssertion::new(request(audience).await?) })
///     }
/// }
///
/// let credential = FederatedCredential::new_async(Pipeline);
/// ```
pub trait AsyncAssertionSource: Send + Sync {
    /// Returns a fresh assertion for `audience`, in the public cloud `api://AzureADTokenExchange`. The
    /// future may be dropped before it completes. The source is responsible for its own timeout.
    ///
    /// # Errors
    /// Returns an error if there is no assertion.
    fn assertion<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<ClientAssertion, Error>>;
}

/// Another issuer's assertion as a credential, fetched for each acquisition.
///
/// ```
/// use entra_proto::assertion::{ClientAssertion, FederatedCredential};
///
/// // Kubernetes renews this file.
/// let source = |_: &str| {
///     let path = "/var/run/secrets/azure/tokens/azure-identity-token";
///     ClientAssertion::new(std::fs::read_to_string(path).unwrap_or_default())
/// };
/// let credential = FederatedCredential::new(source);
/// assert_eq!(credential.audience(), "api://AzureADTokenExchange");
/// ```
#[derive(Clone)]
pub struct FederatedCredential {
    source: AnySource,
    /// The audience that the caller chose.
    audience: Option<Arc<str>>,
    /// The audience that is used otherwise.
    default_audience: &'static str,
}

#[derive(Clone)]
enum AnySource {
    Blocking(Arc<dyn AssertionSource>),
    Async(Arc<dyn AsyncAssertionSource>),
    Both(Arc<dyn BothSources>),
}

/// A source of both kinds.
trait BothSources: AssertionSource + AsyncAssertionSource {}

impl<S: AssertionSource + AsyncAssertionSource> BothSources for S {}

impl FederatedCredential {
    /// Creates a credential with the assertions of `source`.
    pub fn new(source: impl AssertionSource + 'static) -> Self {
        Self::issued_by(AnySource::Blocking(Arc::new(source)))
    }

    /// Creates a credential with an async source, for drivers that await it. Other drivers fail
    /// with an error.
    pub fn new_async(source: impl AsyncAssertionSource + 'static) -> Self {
        Self::issued_by(AnySource::Async(Arc::new(source)))
    }

    /// Creates a credential with a source of both kinds, for any client: one that awaits uses the
    /// async one, another the blocking one.
    pub fn for_any_client(source: impl AssertionSource + AsyncAssertionSource + 'static) -> Self {
        Self::issued_by(AnySource::Both(Arc::new(source)))
    }

    fn issued_by(source: AnySource) -> Self {
        Self {
            source,
            audience: None,
            default_audience: Cloud::Public.token_exchange_audience(),
        }
    }

    /// Sets the audience that the assertions must have. By default, an acquisition requests the
    /// [audience of the application's cloud](Cloud::token_exchange_audience).
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the cloud whose audience the assertions must have, unless the audience was
    /// [set](Self::with_audience). An acquisition sets the application's cloud.
    #[must_use]
    pub fn for_cloud(mut self, cloud: &Cloud) -> Self {
        self.default_audience = cloud.token_exchange_audience();
        self
    }

    /// Returns the audience that the assertions must have.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or(self.default_audience)
    }

    /// Returns whether the source is only async ([`new_async`](Self::new_async)).
    #[must_use]
    pub fn is_async(&self) -> bool {
        matches!(self.source, AnySource::Async(_))
    }

    /// Fetches an assertion.
    ///
    /// # Errors
    /// Returns the source's error. Returns an error if the source is async: see
    /// [`assertion_async`](Self::assertion_async).
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        match &self.source {
            AnySource::Blocking(source) => source.assertion(self.audience()),
            AnySource::Both(source) => AssertionSource::assertion(&**source, self.audience()),
            AnySource::Async(_) => Err(SignerError::new("its source is async, and this caller cannot await it")
                .with_hint("use the async client, or a blocking source")
                .into()),
        }
    }

    /// Returns the future of an async source's assertion. A blocking source fetches it within this
    /// call.
    ///
    /// The future's output is an error if the source fails.
    pub fn assertion_async(&self) -> BoxFuture<'_, Result<ClientAssertion, Error>> {
        match &self.source {
            AnySource::Blocking(_) => Box::pin(future::ready(self.assertion())),
            AnySource::Async(source) => source.assertion(self.audience()),
            AnySource::Both(source) => AsyncAssertionSource::assertion(&**source, self.audience()),
        }
    }
}

impl fmt::Debug for FederatedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FederatedCredential({})", self.audience())
    }
}
