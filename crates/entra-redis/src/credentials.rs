//! The credentials that redis-rs subscribes to.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use entra_client::{Client, Error, Report, Token, TokenChanges, TokenSource};
use entra_proto::Target;
use entra_proto::claims::UnverifiedClaims;
use futures_core::Stream;
use redis::{BasicAuth, ErrorKind, RedisError, RedisResult, StreamingCredentialsProvider};

/// The resource of tokens for Azure Managed Redis and Azure Cache for Redis. The scope of the
/// requests is `https://redis.azure.com/.default`.
pub const RESOURCE: &str = "https://redis.azure.com";

/// The credentials of a client for Redis: the object ID of its principal as the user's name, and
/// its current token as the password.
///
/// Each connection of redis-rs subscribes to them, and is authenticated again with each new token.
/// See the [crate's documentation](crate).
#[derive(Clone)]
pub struct RedisCredentials {
    source: TokenSource,
    username: Option<String>,
}

impl RedisCredentials {
    /// Creates the credentials of this client, in its tenant, with tokens for [`RESOURCE`].
    ///
    /// # Errors
    /// Returns an error if the client cannot request such tokens.
    pub fn new(client: &Client) -> Result<Self, Error> {
        Ok(Self::from_source(client.source(&Target::resource(RESOURCE)?)?))
    }

    /// Creates credentials with the tokens of this source, for example for the resource of
    /// another cloud.
    #[must_use]
    pub fn from_source(source: TokenSource) -> Self {
        Self { source, username: None }
    }

    /// Sets the name of the user in Redis. Without it, the name is the object ID in the token
    /// (claim `oid`).
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }
}

impl StreamingCredentialsProvider for RedisCredentials {
    /// Returns the current credentials, followed by those of each new token. The stream never ends.
    /// It yields errors only while there is no unexpired token.
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        Box::pin(Subscription {
            changes: self.source.changes(),
            username: self.username.clone(),
        })
    }
}

impl fmt::Debug for RedisCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCredentials")
            .field("source", &self.source)
            .field("username", &self.username)
            .finish()
    }
}

/// The credentials of one connection.
struct Subscription {
    changes: TokenChanges,
    username: Option<String>,
}

impl Stream for Subscription {
    type Item = RedisResult<BasicAuth>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let change = Pin::new(&mut self.changes).poll_next(cx);
        change.map(|change| {
            change.map(|change| match change {
                Ok(token) => credentials(&token, self.username.as_deref()),
                Err(error) => Err(failure(format!("{:#}", Report::of(&error)))),
            })
        })
    }
}

/// Returns the credentials with this token.
fn credentials(token: &Token, username: Option<&str>) -> RedisResult<BasicAuth> {
    let username = match username {
        Some(username) => username.to_owned(),
        None => object_id(token)
            .ok_or_else(|| failure("the token names no object ID (claim oid); set the name of the user".to_owned()))?,
    };
    Ok(BasicAuth::new(username, token.expose().to_owned()))
}

/// Returns the object ID of the principal that the token was issued to.
fn object_id(token: &Token) -> Option<String> {
    let claims = UnverifiedClaims::decode(token.expose()).ok()?;
    Some(claims.object_id()?.to_string())
}

fn failure(detail: String) -> RedisError {
    let problem = "there is no token for Redis";
    RedisError::from((ErrorKind::AuthenticationFailed, problem, detail))
}
