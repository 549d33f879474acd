//! The options of a request for a token.

use entra_proto::claims::ClaimsRequest;

use crate::cache::KeyRef;
use crate::core::Core;
use crate::flow::Want;
use crate::token::Token;

/// The requirements of a caller for a token, other than its target.
///
/// ```
/// use entra_client::TokenOptions;
/// use entra_proto::claims::ClaimsRequest;
///
/// // The claims come from the challenge of an API.
/// let claims = r#"{"access_token":{"nbf":{"essential":true}}}"#;
/// let claims = ClaimsRequest::parse(claims)?;
/// let options = TokenOptions::default().with_claims(claims);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TokenOptions {
    pub(crate) claims: Option<ClaimsRequest>,
    force_refresh: bool,
    rejected: Option<Token>,
}

impl TokenOptions {
    /// Sets the claims that an API's challenge requires. A token with claims has its own cache
    /// entry.
    #[must_use]
    pub fn with_claims(mut self, claims: ClaimsRequest) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Records that an API rejected this token, and requires one that is requested after that.
    ///
    /// The rejected token is never returned, and the call fails if the service has no newer one. A
    /// cached failure still applies. For another API, any cached token is accepted. For other
    /// claims than those of the rejected token, a cached token is accepted unless it is older than
    /// the rejected one.
    ///
    /// ```no_run
    /// # use entra_client::{Client, Error, TokenOptions};
    /// # use entra_proto::Target;
    /// # async fn call(client: Client, graph: Target) -> Result<(), Error> {
    /// let token = client.token(&graph).await?;
    /// // the API responds with 401
    /// let options = TokenOptions::default().with_rejected(&token);
    /// let next = client.token_with(&graph, &options).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_rejected(mut self, token: &Token) -> Self {
        self.rejected = Some(token.clone());
        self
    }

    /// Requests a token whatever is cached, for example because a permission was granted a moment
    /// ago.
    ///
    /// The request is sent after the call. Until its token arrives, other callers use the cached
    /// one. A cached failure still applies.
    #[must_use]
    pub fn with_force_refresh(mut self, force_refresh: bool) -> Self {
        self.force_refresh = force_refresh;
        self
    }

    /// Returns the token that an API has rejected.
    pub(crate) fn rejected(&self) -> Option<&Token> {
        self.rejected.as_ref()
    }

    /// Returns the token to acquire from the slot of `key`, and records a rejected one.
    pub(crate) fn want<D>(&self, core: &Core<D>, key: KeyRef<'_>) -> Want {
        let Some(rejected) = self.rejected.as_ref().filter(|_| !self.force_refresh) else {
            return if self.force_refresh {
                Want::Requested
            } else {
                Want::Valid
            };
        };
        core.invalidate(rejected);
        // A token without a slot may still be in the shared store.
        match rejected.entry() {
            None => Want::Requested,
            Some(entry) if entry.key() == key => Want::After(rejected.number()),
            // The number says nothing about the tokens of another slot, none of which was rejected.
            Some(entry) if !entry.key().differs_in_claims(key) => Want::Valid,
            Some(_) => {
                let cached = core.slots.find(key, |slot| slot.unexpired(core.clock.now())).flatten();
                match cached.filter(|cached| cached.obtained_at() < rejected.obtained_at()) {
                    Some(older) => Want::After(older.number()),
                    None => Want::Valid,
                }
            }
        }
    }
}
