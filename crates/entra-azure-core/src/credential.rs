//! The credential that the clients of the Azure SDK take.

use std::cmp::{max, min};
use std::fmt;
use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::{Duration, OffsetDateTime};
use entra_client::{Client, Error, Report, Token, TokenOptions};
use entra_proto::{Target, Timestamp};

use crate::rejection::Rejection;
use crate::targets::KnownTargets;

/// A [`TokenCredential`] whose tokens come from the cache of a [`Client`].
///
/// A clone is a cheap handle to the same client. One credential serves any number of SDK clients
/// and any number of APIs.
///
/// ```
/// # use entra_client::Client;
/// use std::sync::Arc;
/// use azure_core::credentials::TokenCredential;
/// use entra_azure_core::EntraCredential;
///
/// # fn share(client: &Client) -> Arc<dyn TokenCredential> {
/// // Another tenant, agent or user is another handle of the client.
/// let fabrikam: entra_proto::Tenant = "fabrikam.onmicrosoft.com".parse().unwrap();
/// let credential = EntraCredential::new(client.tenant(fabrikam));
/// Arc::new(credential)
/// # }
/// ```
#[derive(Clone)]
pub struct EntraCredential {
    client: Client,
    targets: Arc<KnownTargets>,
}

impl EntraCredential {
    /// Creates a credential for the principal, tenant, agent and user of this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let targets = Arc::default();
        Self { client, targets }
    }

    /// Returns the client whose tokens this credential returns.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Acquires a token other than the rejected one, with the claims that the API requires.
    async fn replace(&self, rejection: &Rejection, target: &Target) -> Result<Token, Error> {
        let mut options = TokenOptions::default();
        if let Some(claims) = rejection.claims() {
            options = options.with_claims(claims.clone());
        }
        let token = self.client.token_with(target, &options).await?;
        if !rejection.is_of(&token) {
            return Ok(token);
        }
        self.client.token_with(target, &options.with_rejected(&token)).await
    }
}

impl fmt::Debug for EntraCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntraCredential({:?})", self.client)
    }
}

impl From<Client> for EntraCredential {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}

#[async_trait::async_trait]
impl TokenCredential for EntraCredential {
    /// Returns a token for these scopes: from the cache if it is fresh, otherwise from the service.
    ///
    /// `expires_on` is never later than the end of the token: see the crate's documentation.
    ///
    /// # Errors
    /// Returns an error of the kind [`ErrorKind::Credential`] if the scopes are invalid, or if
    /// there is no valid token and none can be acquired. Its source is the client's [`Error`].
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let target = self
            .targets
            .get(scopes)
            .map_err(|error| failure("no token", error.into()))?;
        let rejection = options
            .as_ref()
            .and_then(|options| options.method_options.context.value::<Arc<Rejection>>());
        let token = match rejection {
            None => self.client.token(&target).await,
            // Boxed, so that the future of a cached token stays small.
            Some(rejection) => Box::pin(self.replace(rejection, &target)).await,
        };
        let token = token.map_err(|error| failure(&format!("no token for {target}"), error))?;
        let until = expires_on(&token, OffsetDateTime::now_utc());
        Ok(AccessToken::new(token.expose().to_owned(), until))
    }
}

/// The retry policy of the SDK does not retry errors of this kind. The client has already retried,
/// and caches the failure.
fn failure(problem: &str, error: Error) -> azure_core::Error {
    // The SDK adds contexts that hide this text, or shows this text alone: so it says everything.
    let message = format!("{problem}: {:#}", Report::of(&error));
    azure_core::Error::with_error(ErrorKind::Credential, error, message)
}

/// Returns the end of the token as the SDK should see it.
///
/// The clients of the SDK use their copy until [`SDK_MARGIN`] before its `expires_on`, and have no
/// other time of refresh. So this is the end of the token, or earlier, so that they ask again when
/// its refresh is due. While refreshes fail, they ask once in [`ASK_INTERVAL`].
fn expires_on(token: &Token, now: OffsetDateTime) -> OffsetDateTime {
    let end = to_sdk(token.expires_at());
    let Some(refresh) = token.refresh_at() else {
        return end;
    };
    let ask = max(to_sdk(refresh), now.saturating_add(ASK_INTERVAL));
    min(end, ask.saturating_add(SDK_MARGIN))
}

fn to_sdk(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::seconds(seconds))
}

/// The time before `expires_on` at which the bearer policy of `azure_core` asks for a new token.
const SDK_MARGIN: Duration = Duration::minutes(5);

/// The client refreshes a token once a minute at most.
const ASK_INTERVAL: Duration = Duration::minutes(1);
