//! Microsoft Entra tokens for daemons, kept and renewed: the client that most programs want.
//!
//! [`Client`] is async and [`blocking::Client`] is not. The rules are written once, as a machine without I/O (`flow`), and each of the two
//! has a driver for it. A token is fetched once, however many ask for it; it is given out while it is good, renewed in the background before it is not, and given out still where the service has a
//! bad day. A failure is shared like a token, and remembered for a while, so that nobody hammers a service which said no.
//!
//! ```text
//!   client.token(&target) ──► slots ─────► slot ──► fresh ───────────────────────────► Token
//!                             a bounded    one     due ──► refresh in the background ──► Token
//!                             map          token    nothing ──► one flight for all who ask:
//!                                                                  store ─► entra-proto's machine ─► transport
//!                                                               ├─► Token, kept
//!                                                               └─► Error, remembered; the Token that still lives, where one does
//! ```
//!
//! ```
//! use entra_client::Client;
//! use entra_proto::{Application, ClientSecret, Target};
//! # use entra_transport::{Body, Response, transport_fn};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let transport = transport_fn(|_| async { Ok(Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned()))) });
//!
//! let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
//! let client = Client::new(app, transport); // over entra-transport-hyper, say
//!
//! let graph = Target::resource("https://graph.microsoft.com")?;
//! let token = client.token(&graph).await?; // from the service
//! let again = client.token(&graph).await?; // from the cache
//! assert_eq!(again.authorization(), "Bearer t");
//!
//! let customer = client.tenant("fabrikam.onmicrosoft.com".parse::<entra_proto::Tenant>()?);
//! let theirs = customer.token(&graph).await?; // the same cache, transport and credential
//! # Ok(())
//! # }
//! ```
//!
//! The rules, each of them data in [`Policy`]:
//!
//! - A token is used until five minutes before it expires, or until three quarters of its life where that is short. It is refreshed in
//!   the background from the moment the service names on (`refresh_in`), or from the half of its life where that is two hours or more,
//!   a little earlier at random; no more than once a minute, and no more than 64 tokens at a time.
//! - Its age is the greater of what two clocks say, so neither a machine that slept nor a clock that was set serves a dead one.
//! - What changes a token has a slot of its own: tenant, target, claims, user. The order of scopes does not.
//! - A flight belongs to its slot. It runs as a task, so that it goes on when its callers give up, and the next caller gets its outcome;
//!   the blocking client runs it on the thread of the caller, which cannot give up. No slot ever waits for another.
//! - A caller never gets a token that was requested before an event which the caller knows of: a rejection by an API
//!   ([`TokenOptions::with_rejected`], [`TokenSource::reject`]), a forced refresh, a consent, [`forget`](Client::forget).
//! - A rejected token is refreshed, and goes on serving the callers that were not rejected until a newer one is here or it expires.
//! - A failure, or a panic of a signer, a transport, a store, an observer or a clock, is given to all waiting callers, and to all callers within
//!   the next five seconds; that doubles up to a minute while it fails again, and `Retry-After` is obeyed.
//! - A signed assertion serves nine of its ten minutes. One that is rejected is signed anew, once.
//! - A key or a source of assertions that takes its time (a vault, an HSM, a command) is an [`AsyncSigner`](entra_proto::assertion::AsyncSigner) or an
//!   [`AsyncAssertionSource`](entra_proto::assertion::AsyncAssertionSource): the async client awaits it within the flight. The others are called
//!   where the flight runs, so they must be quick in the async client. The blocking client takes these alone.
//!
//! # Users
//! Where a person is needed, and only there: an administrator who lets the application into his tenant, a user who signs in, a user whose
//! call an API passes on. Each ends in a client that asks for that user, and keeps to the same rules:
//!
//! ```text
//!   ConsentFlow::start ──► URL ──► a browser ──► Redirect ──► finish ──► Consent { tenant, .. }      store it: entra-tenants
//!                                                                          │         │
//!   client.device_code(&target, show) ──► a code, typed in elsewhere ──► SignIn    client.tenant(tenant).token(&target)   app-only
//!                                                                          │
//!   client.user(&user).token(&target)  ◄────────────────────────────────── User    the refresh token turns behind it
//!   client.on_behalf_of(&assertion).token(&target)                                 by the hash of the caller's token
//! ```
//!
//! # Features
//! - `tokio` (default): runs on tokio. Without it give the builder a [`Runtime`](runtime::Runtime); the blocking client needs neither.
//! - `coarse-clock` (default): reads Linux's coarse clocks, which are exact to some milliseconds and five times as quick.
//!
//! # What is not here
//! HTTP (`entra-transport` and its kin), certificates (`entra-credential`), the tenants that consented (`entra-tenants`), bearer headers for tower clients (`entra-tower`).

mod assertions;
pub mod blocking;
mod builder;
mod cache;
pub mod client;
pub mod clock;
mod consent;
mod core;
mod error;
mod flow;
mod from_env;
mod gate;
pub mod observer;
mod policy;
pub mod random;
pub mod runtime;
mod sign_in;
mod source;
mod tasks;
mod token;
mod token_options;
pub mod token_store;
mod user;

pub use builder::ClientBuilder;
pub use consent::{Consent, ConsentFlow, PendingConsent};
pub use error::{BuildError, Error, Errors, Report};
pub use from_env::FromEnv;
pub use policy::Policy;
pub use sign_in::SignIn;
pub use source::TokenSource;
pub use token::Token;
pub use token_options::TokenOptions;
pub use user::User;

/// An async client that acquires and caches the tokens of one application. [`blocking::Client`] is its counterpart.
///
/// A clone is a handle to the same cache, transport and credential. So is what [`tenant`](client::Client::tenant) returns.
pub type Client = client::Client<tasks::Tasks>;
