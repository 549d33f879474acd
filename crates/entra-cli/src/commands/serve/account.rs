//! The tokens of a stored account, for the cache of a server.

use std::sync::Arc;
use std::time::Duration;

use entra_client::{AsyncTokenCommand, CommandError, CommandRequest, CommandToken};
use entra_proto::assertion::BoxFuture;
use entra_proto::{AccessToken, Tenant};

use crate::account_tokens::{AccountTokens, Question};
use crate::exit::{Exit, Failure};
use crate::files::excerpt;
use crate::sanitize::shell_quoted;

/// A signed-in user as the source of tokens. The newest refresh token is stored, as by every other
/// command, so that they can be used at the same time.
pub(super) struct SignedIn {
    tokens: Arc<AccountTokens>,
    /// The time to wait for another command that requests a token.
    wait: Duration,
}

impl SignedIn {
    /// Creates the source of this account's tokens.
    pub(super) fn new(tokens: AccountTokens, wait: Duration) -> Self {
        Self {
            tokens: Arc::new(tokens),
            wait,
        }
    }
}

impl AsyncTokenCommand for SignedIn {
    fn run<'a>(&'a self, request: &'a CommandRequest) -> BoxFuture<'a, Result<CommandToken, CommandError>> {
        let (tokens, wait, request) = (Arc::clone(&self.tokens), self.wait, request.clone());
        Box::pin(async move {
            // The store and the client of stored accounts are blocking.
            let acquired = tokio::task::spawn_blocking(move || acquire(&tokens, &request, wait)).await;
            acquired
                .unwrap_or_else(|_| {
                    Err(Failure::text(
                        Exit::Credential,
                        "the request for the account's token ended",
                    ))
                })
                .map_err(|failure| command_error(&failure))
        })
    }
}

/// Requests a token. It is never a stored one: the cache of the server asks only for newer ones.
fn acquire(tokens: &AccountTokens, request: &CommandRequest, wait: Duration) -> Result<CommandToken, Failure> {
    let account = &tokens.account;
    if let Some(tenant) = request
        .tenant
        .as_ref()
        .filter(|tenant| **tenant != Tenant::Id(account.tenant))
    {
        let user = excerpt(&account.username, 100);
        let problem = format!("{user} signed in to {}, and not to {tenant}", account.tenant);
        return Err(Failure::text(Exit::Credential, problem).hint("name no tenant"));
    }
    let audience = request.target.audience().unwrap_or_default();
    let question = Question {
        target: &request.target,
        claims: request.claims.as_ref(),
        arguments: &format!("--resource {}", shell_quoted(&audience)),
    };
    let (token, _) = tokens.token(&question, true, wait)?;
    let access_token = AccessToken::new(token.expose())?;
    Ok(CommandToken::new(access_token, token.lifetime.expires_at))
}

/// Returns the failure as the client reports it.
fn command_error(failure: &Failure) -> CommandError {
    let error = CommandError::failed(failure.problem_with_ids());
    let hints: Vec<&str> = failure.hints().iter().map(AsRef::as_ref).collect();
    match hints.is_empty() {
        true => error,
        false => error.with_hint(hints.join("; ")),
    }
}
