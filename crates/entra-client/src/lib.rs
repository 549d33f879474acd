//! A client for Microsoft Entra ID (Azure AD) that acquires, caches and refreshes access tokens for
//! daemons and services.
//!
//! Most programs want the crate `entra`, which re-exports this one together with an HTTP transport
//! and credentials. Use this crate directly to choose each part yourself.
//!
//! The primary types are:
//!
//! - [`Client`] and [`blocking::Client`]: acquire and cache the tokens of one application, for any
//!   number of tenants, targets and users, or those of a managed identity. A clone is a cheap
//!   handle.
//! - [`Principal`] and [`Chain`]: the party that tokens are issued to, as one credential or as
//!   several in an order of precedence.
//! - [`Token`]: an access token, as the value of an `Authorization` header.
//! - [`TokenSource`]: a handle to the token for one target, for middleware. [`TokenChanges`]: each
//!   new token of it, for drivers that push credentials.
//! - [`ConsentFlow`], [`SignIn`] and [`User`]: the flows in which a user takes part.
//! - [`Policy`] and [`ClientBuilder`]: the settings.
//! - [`Error`]: the reason why there is no token, with advice for users ([`Report`]).
//!
//! # Example
//! Call [`token`](client::Client::token) before every request, and do not cache tokens yourself:
//!
//! ```
//! use entra_client::Client;
//! use entra_proto::{Application, ClientSecret, Target};
//! # use entra_transport::{Body, Response, transport_fn};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let transport = transport_fn(|_| async {
//! #     let body = r#"{"access_token":"t","expires_in":3599}"#;
//! #     Ok(Response::new(Body::from(body.to_owned())))
//! # });
//!
//! let tenant = "contoso.onmicrosoft.com";
//! let authority = format!("https://login.microsoftonline.com/{tenant}").parse()?;
//! let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
//! let client = Client::new(app, transport); // for example entra-transport-hyper
//!
//! let graph = Target::resource("https://graph.microsoft.com")?;
//! let token = client.token(&graph).await?; // from the service
//! let again = client.token(&graph).await?; // from the cache
//! assert_eq!(again.authorization(), "Bearer t");
//!
//! // Another tenant, with the same cache, transport and credential.
//! let tenant: entra_proto::Tenant = "fabrikam.onmicrosoft.com".parse()?;
//! let theirs = client.tenant(tenant).token(&graph).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Caching
//! The cache is a bounded map with one slot for each token:
//!
//! ```text
//!   client.token(&target) ─► slot ─┬─ fresh ─────────► Token
//!                                  ├─ needs refresh ─► Token, and a
//!                                  │                   background refresh
//!                                  └─ no valid token ─► one flight for all
//!                                                       waiting callers
//!   flight: shared store ─► entra-proto's machine ─► transport
//!     ├─► Token, cached
//!     └─► Error, cached for a short time; callers get an unexpired
//!         token instead if there is one
//! ```
//!
//! The async and the blocking client follow the same rules. The rules are implemented once, as a
//! state machine without I/O (the private module `flow`), with a small driver for each client. The
//! numbers in them are the defaults of the fields of [`Policy`]:
//!
//! - A token is used until five minutes before it expires, or until three quarters of a short
//!   lifetime have passed. A background refresh starts at the moment that the service names
//!   (`refresh_in`), or after half of a lifetime of two hours or more, and a little earlier at
//!   random. A token is refreshed at most once a minute, and at most 64 tokens at a time.
//! - The age of a token is measured by the monotonic clock and by the time of day, and the greater
//!   age counts. So an expired token is not used after a machine slept or its clock was set.
//! - The tenant, target, claims, agent and user of a token identify its slot. The order of scopes
//!   does not matter.
//! - A flight belongs to its slot. In the async client up to 4,096 flights run as tasks: a flight
//!   goes on when its callers give up, and the next caller gets its outcome. A flight beyond that
//!   number runs within its caller, and is abandoned with it. In the blocking client a flight runs
//!   on the thread of the caller, which cannot give up. No slot ever waits for another.
//! - A caller that passes a rejected token ([`TokenOptions::with_rejected`]), or forces a refresh,
//!   gets only a token that is requested later. After a consent, or for callers that pass no
//!   rejected token, the client requests a new token first and returns the old one, while it is
//!   unexpired, only if that fails, is too early, or takes longer than [`Policy::grace`]. After
//!   [`forget`](client::Client::forget), the old token is never returned.
//! - A failure is returned to all waiting callers, and to all callers within the next five seconds.
//!   That time doubles up to a minute while requests fail, and `Retry-After` is obeyed. A panic of
//!   a signer, a transport, a store, an observer or a clock counts as a failure.
//! - A signed assertion is used for nine of its ten minutes. After a rejection, a new one is
//!   signed, once.
//! - A slow signer or source of assertions (a vault, an HSM, a command) is an
//!   [`AsyncSigner`](entra_proto::assertion::AsyncSigner) or an
//!   [`AsyncAssertionSource`](entra_proto::assertion::AsyncAssertionSource): the async client
//!   awaits it within the flight. Blocking ones are called where the flight runs, so they must be
//!   fast in the async client. The blocking client accepts only blocking ones.
//!
//! # Managed identities and chains
//! On Azure, the platform under a program issues tokens without any secret. They are cached by the
//! same rules, but not written to a shared store, because they belong to the machine:
//!
//! ```text
//!   Client::managed_identity(Identity::system(), transport)
//!     ─► client.token(&target)
//! ```
//!
//! A [`Chain`] lets one program run in several environments. It uses the first credential that is
//! not absent, and no other one after that:
//!
//! ```text
//!   Chain: environment ─► managed identity ─► Azure CLI
//!           absent         present: chosen     not tried
//!
//!   absent      not configured, or this machine does not have it:
//!               the next member is tried
//!   fails       rejected, expired, unreachable: the error is returned
//! ```
//!
//! # Users
//! Some flows need a user: an administrator who consents to the application, a user who signs in,
//! or a user whose call an API passes on. Each ends in a client that acquires tokens for that
//! tenant or user by the same rules:
//!
//! ```text
//!   ConsentFlow::start ─► URL ─► browser ─► Redirect ─► finish ─► Consent
//!     store the tenant's ID (entra-tenants)
//!     client.tenant(tenant).token(&target)            app-only tokens
//!
//!   client.device_code(&target, show) ─► the user enters a code ─► SignIn
//!     client.user(&user).token(&target)      refresh tokens are rotated
//!
//!   client.on_behalf_of(&assertion).token(&target)   cached by the hash
//!                                                    of the assertion
//! ```
//!
//! # Agents
//! An application that is the blueprint of agent identities acquires their tokens, and those of
//! their users, by the same rules (see [`agents`](entra_proto::agents)):
//!
//! ```text
//!   client.agent(id).token(&target)                    the agent itself
//!   client.agent(id).agent_user(user).token(&target)   its user account
//!   client.agent(id).on_behalf_of(&assertion)          a user who called it
//! ```
//!
//! # Features
//! - `tokio` (default): runs on tokio. Without it, give the builder a
//!   [`Runtime`](runtime::Runtime). The blocking client does not use it.
//! - `coarse-clock` (default): reads Linux's coarse clocks, which have a resolution of a few
//!   milliseconds and are five times as fast.
//! - `stream`: [`TokenChanges`] is a `Stream` of futures-core.
//!
//! # What is not here
//! - HTTP: `entra-transport-hyper`, `entra-transport-reqwest`, `entra-transport-ureq`.
//! - Certificate files and PFX: `entra-credential`.
//! - A store for tenants that consented: `entra-tenants`.
//! - Middleware that adds the bearer header: `entra-tower`. Credentials for Redis: `entra-redis`.
//! - The protocol itself, without a cache and without I/O: `entra-proto`.
//! - A local token service for tests: `entra-emulator`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod assertions;
pub mod blocking;
mod builder;
mod cache;
mod chain;
mod changes;
pub mod client;
pub mod clock;
mod command;
mod consent;
mod core;
mod error;
mod flow;
mod from_env;
mod gate;
pub mod observer;
mod policy;
mod principal;
pub mod random;
mod region;
mod request;
pub mod runtime;
mod sign_in;
mod source;
mod subject;
mod tasks;
mod token;
mod token_options;
pub mod token_store;
mod user;

pub use builder::ClientBuilder;
pub use chain::{Absence, Chain, ChainError, ChainReport, MemberReport, MemberState};
pub use changes::TokenChanges;
pub use command::{AsyncTokenCommand, CommandError, CommandRequest, CommandToken, TokenCommand};
pub use consent::{Consent, ConsentFlow, PendingConsent};
pub use error::{BuildError, Error, Errors, Report};
pub use from_env::FromEnv;
pub use policy::Policy;
pub use principal::Principal;
#[cfg(feature = "tokio")]
pub use region::find_region;
pub use sign_in::SignIn;
pub use source::TokenSource;
pub use token::Token;
pub use token_options::TokenOptions;
pub use user::User;

/// An async client that acquires and caches the tokens of one principal. [`blocking::Client`] is
/// its counterpart.
///
/// A clone is a handle to the same cache, transport and credential. So is the
/// result of [`tenant`](client::Client::tenant).
pub type Client = client::Client<tasks::Tasks>;
