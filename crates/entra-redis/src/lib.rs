//! Credentials of Microsoft Entra ID for [redis-rs](redis): connections to Azure Managed Redis and
//! Azure Cache for Redis without a password.
//!
//! The primary type is [`RedisCredentials`]. redis-rs takes it as a
//! [`StreamingCredentialsProvider`](redis::StreamingCredentialsProvider), and authenticates each
//! connection when it opens and again with each new token. The service closes a connection whose
//! token has expired, so a program with a fixed password would lose it after an hour or a day.
//!
//! ```text
//!   entra-client: one cache, one request for all
//!     │ TokenSource::changes
//!     ├─► connection 1:  AUTH <object ID> <token>, and again with each
//!     ├─► connection 2:  new token, before the old one expires
//!     └─► ...
//! ```
//!
//! # Example
//!
//! ```no_run
//! use entra_client::Client;
//! use entra_redis::RedisCredentials;
//! use redis::AsyncConnectionConfig;
//!
//! # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! // A managed identity, a certificate, a secret, a chain.
//! let credentials = RedisCredentials::new(&client)?;
//! let config = AsyncConnectionConfig::new().set_credentials_provider(credentials);
//!
//! // With a TLS feature of redis-rs.
//! let address = "rediss://contoso.redis.cache.windows.net:6380";
//! let redis = redis::Client::open(address)?;
//! let mut connection = redis
//!     .get_multiplexed_async_connection_with_config(&config)
//!     .await?;
//! redis::cmd("SET").arg("key").arg(1).exec_async(&mut connection).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `ConnectionManagerConfig` and `ClusterClientBuilder` take the credentials in the same way. Clone
//! them for several clients.
//!
//! # What Azure needs
//! - Microsoft Entra authentication is enabled for the cache, and the principal has a data access
//!   policy there.
//! - The name of the user is the object ID of that principal: for an application the one of its
//!   service principal (its *enterprise application*), which is not the ID of the application.
//!   `RedisCredentials` takes it from the token, unless
//!   [`with_username`](RedisCredentials::with_username) sets it.
//! - The address is `rediss://` with port 6380 for Azure Cache for Redis, and 10000 for Azure
//!   Managed Redis. Over plain `redis://` anyone on the way reads the token: use it in tests only.
//!
//! # What happens when there is no token
//! As long as the last token is unexpired, an outage of Entra is invisible. Without an unexpired
//! token, new connections fail with the error of the token, which has the kind
//! [`AuthenticationFailed`](redis::ErrorKind::AuthenticationFailed). Open connections go on until
//! the service closes them, and are authenticated again by the first token after that.
//!
//! If the *service* rejects a new token for an open connection, redis-rs logs that and does not
//! authenticate this connection again. The service closes it when its old token expires, and the
//! next one starts with the current token: a `ConnectionManager` reconnects by itself.
//!
//! # What is not here
//! - Blocking connections of redis-rs: they take no provider. Pass
//!   [`Token::expose`](entra_client::Token::expose) as the password when a connection opens.
//! - TLS and a runtime: features of redis-rs in your program. The client of `entra-client` runs on
//!   tokio, unless its builder gets another runtime.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod credentials;

pub use credentials::{RESOURCE, RedisCredentials};
