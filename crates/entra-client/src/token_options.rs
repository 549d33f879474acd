//! The options of a request for a token.

use entra_proto::claims::ClaimsRequest;

use crate::cache::KeyRef;
use crate::core::Core;
use crate::flow::Want;
use crate::token::Token;

/// The wishes of a caller about a token, beside its target.
///
/// ```
/// use entra_client::TokenOptions;
/// use entra_proto::claims::ClaimsRequest;
///
/// let claims = ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#)?;
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
    /// What an API's challenge asks to see in the token. A token with claims has a place of its own in the cache.
    #[must_use]
    pub fn with_claims(mut self, claims: ClaimsRequest) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Takes note that an API rejected this token, and wants another one, which is requested after it was rejected: never the same, and
    /// an error where the service has no newer one. A failure that is remembered stands. For another API, or with other claims than the
    /// rejected token has, the token in the cache will do.
    ///
    /// ```no_run
    /// # use entra_client::{Client, Error, TokenOptions};
    /// # use entra_proto::Target;
    /// # async fn call(client: Client, graph: Target) -> Result<(), Error> {
    /// let token = client.token(&graph).await?;
    /// // the API responds with 401
    /// let next = client.token_with(&graph, &TokenOptions::default().with_rejected(&token)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_rejected(mut self, token: &Token) -> Self {
        self.rejected = Some(token.clone());
        self
    }

    /// Requests a token whatever is in the cache: for when a permission was granted just now. The request is sent after this call; until
    /// it has brought a token, other callers go on with the one in the cache. A failure that is remembered stands.
    #[must_use]
    pub fn with_force_refresh(mut self, force_refresh: bool) -> Self {
        self.force_refresh = force_refresh;
        self
    }

    /// Which token of the slot of `key` is wanted. Takes note of one that was rejected.
    pub(crate) fn want<D>(&self, core: &Core<D>, key: KeyRef<'_>) -> Want {
        let Some(rejected) = self.rejected.as_ref().filter(|_| !self.force_refresh) else {
            return if self.force_refresh {
                Want::Requested
            } else {
                Want::Living
            };
        };
        core.invalidate(rejected);
        // One whose slot is gone may lie in the shared store still.
        match rejected.home() {
            None => Want::Requested,
            Some(home) if home.key().view() == key => Want::After(rejected.number()),
            // Its number says nothing about the tokens of another slot, of which none was rejected.
            Some(_) => Want::Living,
        }
    }
}
