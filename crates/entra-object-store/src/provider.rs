//! The credential provider that a store takes.

use std::error::Error as StdError;
use std::fmt;
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};

use entra_client::{Client, Error, Report, Token, TokenSource};
use entra_proto::Target;
use object_store::CredentialProvider;
use object_store::azure::AzureCredential;

/// A [`CredentialProvider`] for Azure Blob Storage, whose tokens come from the cache of a
/// [`Client`].
///
/// Pass it to `MicrosoftAzureBuilder::with_credentials`. One provider serves any number of stores.
///
/// The store keeps a copy of the token that is not overwritten when it is dropped, and the `Debug`
/// of [`AzureCredential`] shows it: do not log that. The provider's own `Debug` shows no token.
pub struct EntraCredentialProvider {
    source: TokenSource,
    target: Target,
    /// The token that was returned last, as a store takes it.
    last: RwLock<Option<(Token, Arc<AzureCredential>)>>,
}

impl EntraCredentialProvider {
    /// Creates a provider of tokens for Azure Storage, in any cloud, for the principal, tenant,
    /// agent and user of this client.
    ///
    /// # Errors
    /// Returns an error if the client cannot request tokens for Azure Storage, because its tenant
    /// or its user is invalid.
    pub fn new(client: &Client) -> Result<Self, Error> {
        Self::for_target(client, &Target::resource(STORAGE)?)
    }

    /// Creates a provider of tokens for another target, for a service with the interface of Azure
    /// Storage.
    ///
    /// # Errors
    /// Returns an error if the target, the tenant and the user of the client do not form a valid
    /// request.
    pub fn for_target(client: &Client, target: &Target) -> Result<Self, Error> {
        Ok(Self {
            source: client.source(target)?,
            target: target.clone(),
            last: RwLock::new(None),
        })
    }

    /// Records that the service rejected the token that was returned last, because an operation
    /// failed with [`object_store::Error::Unauthenticated`].
    ///
    /// The next operation requests a new token. Returns true if the rejection is new: if many
    /// operations failed with one token, only the first call causes a request.
    pub fn invalidate(&self) -> bool {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|(token, _)| self.source.invalidate(token))
    }

    /// Returns the token as a store takes it. The conversion is done once for each token.
    fn convert(&self, token: Token) -> Arc<AzureCredential> {
        // No caller waits for another: under contention, a caller makes its own copy.
        if let Ok(last) = self.last.try_read() {
            if let Some((_, credential)) = last.as_ref().filter(|(last, _)| is_same(last, &token)) {
                return Arc::clone(credential);
            }
        }
        let credential = Arc::new(AzureCredential::BearerToken(token.expose().to_owned()));
        if let Ok(mut last) = self.last.try_write() {
            *last = Some((token, Arc::clone(&credential)));
        }
        credential
    }
}

#[async_trait::async_trait]
impl CredentialProvider for EntraCredentialProvider {
    type Credential = AzureCredential;

    /// Returns a token: from the cache if it is fresh, otherwise from the service.
    ///
    /// # Errors
    /// Returns [`object_store::Error::Generic`] if there is no valid token and none can be
    /// acquired. [`Error::find`] returns the client's error.
    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        match self.source.clone().token().await {
            Ok(token) => Ok(self.convert(token)),
            Err(error) => Err(object_store::Error::Generic {
                store: "MicrosoftAzure",
                source: Box::new(NoToken {
                    message: format!("no token for {}: {:#}", self.target, Report::of(&error)),
                    error,
                }),
            }),
        }
    }
}

impl fmt::Debug for EntraCredentialProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntraCredentialProvider({:?})", self.source)
    }
}

/// Clones of a token share one text.
fn is_same(one: &Token, other: &Token) -> bool {
    ptr::eq(one.expose(), other.expose())
}

/// The reason why a store gets no token. Its text says everything, because the programs that use
/// stores show texts only.
#[derive(Debug)]
struct NoToken {
    message: String,
    error: Error,
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for NoToken {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

/// The audience of tokens for Azure Storage, the same in every cloud.
const STORAGE: &str = "https://storage.azure.com";
