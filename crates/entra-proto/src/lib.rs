//! The Microsoft Entra token protocol as data in, data out: no IO, no clock, no randomness.
//!
//! What it takes to get an access token, for a daemon or for a user, is here as plain data and pure functions: what to send, what
//! came back, what to do about a refusal, when to try again. Any HTTP client, any runtime or none goes between the two halves;
//! `entra-transport` and its kin are ready-made ones.
//!
//! ```text
//!   Cloud + Tenant ──► Authority ─┐
//!   ClientId, ClientCredential ───┴► Application ─┐                     layer 1: plain data
//!   Resource or Scopes ──► Target ────────────────┴► TokenRequest
//!                                                      │      ▲
//!                                     encode ──────────┘      └────── decode ──► TokenResponse { AccessToken, Lifetime, .. } or Error
//!
//!   the grounds of a request:
//!     Application::client_credentials ───────────────────────────────────────────────────────────────► TokenRequest
//!     Application::authorize ──► URL ··· a person's browser ··· Redirect ──► PendingAuthorization::redeem ──► TokenRequest
//!     Application::device_code ──► DeviceAuthorization ··· a person elsewhere ··· DeviceCodeRequest::poll ──► TokenRequest
//!     Application::refresh (RefreshToken), on_behalf_of (UserAssertion) ─────────────────────────────► TokenRequest
//!
//!   TokenRequest::start ──► Step ─┬─► Sign, Assert ► your key or issuer  layer 2: the acquisition machine
//!                             ▲   ├─► Exchange ────► your HTTP client    (what to do next, retries included)
//!                             │   └─► Pause ───────► your clock
//!                             └────────────────────────────┘
//!   DeviceCodeRequest::start ──► DeviceStep ─► ShowCode ─► a user        (a device flow, which becomes a Step)
//! ```
//!
//! Layer 1 in ten lines:
//!
//! ```
//! use entra_proto::{Application, Authority, ClientSecret, Guid, Target, Timestamp, TokenResponse};
//! # use http::{HeaderMap, StatusCode};
//!
//! let authority: Authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?;
//! let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
//! let request = app.client_credentials(Target::resource("https://database.windows.net/")?)?;
//!
//! let http = request.encode(Guid::from_random([7; 16])); // 16 random bytes of yours
//! assert_eq!(http.uri().path(), "/contoso.onmicrosoft.com/oauth2/v2.0/token");
//! assert!(http.body().as_bytes().ends_with(b"&scope=https%3A%2F%2Fdatabase.windows.net%2F%2F.default&client_secret=qWgdYAmab0YSkuL1qKv5bPX"));
//!
//! // ... send it, and when the answer is there:
//! let body = br#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0eXAi"}"#;
//! let token = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body, Timestamp::from_secs(1_767_225_600))?;
//! assert_eq!(token.access_token.authorization(), "Bearer eyJ0eXAi");
//! # Ok::<(), entra_proto::Error>(())
//! ```
//!
//! Layer 2 is shown at [`Step`](acquire::Step); the rules that turn an API's audience into a scope and back stand at [`Target`], and
//! [`KnownApi`] lists the audiences of Microsoft's APIs. What an API says where it does not take a token is a [`Challenge`](claims::Challenge); a
//! [`ClaimsChallenge`](claims::ClaimsChallenge) among them is answered by asking for a token with its claims.
//!
//! A person with a browser is sent to the URL of an [`AuthorizeRequest`](authorize::AuthorizeRequest), always with PKCE; the [`Redirect`](authorize::Redirect) that comes back is
//! believed by whoever started that sign-in, the [`PendingAuthorization`](authorize::PendingAuthorization), and by nobody else. An administrator consents for his
//! tenant by an [`AdminConsentRequest`](authorize::AdminConsentRequest). A person without a browser at hand is shown the code of a [`DeviceCodeRequest`](device::DeviceCodeRequest).
//!
//! The root has the types that most programs name. The others are in modules by subject:
//! - [`acquire`], [`acquired`], [`device`]: the acquisition machine, and the device flow above it
//! - [`assertion`], [`authorize`], [`claims`]: certificates and federation, users in a browser, claims and challenges
//! - [`cache`], [`endpoint`], [`environment`], [`error`]: keys and freshness, hosts, variables, errors
//!
//! # Features
//! - `proptest`: the module `strategies`, for property tests of a stack that embeds this crate.
//!
//! # What is not here
//! HTTP, TLS, clocks, randomness, caches and keys. No session of a web server and no cookie: keep a sign-in in yours. No
//! check of signatures: an [`IdToken`](authorize::IdToken) comes straight from the token endpoint, and an access token is its API's to check. No implicit
//! flow, no hybrid one, and no password grant, which RFC 9700, section 2.4, forbids: it shows users' passwords to the application. This crate knows no RSA, and its
//! `#![forbid(unsafe_code)]` is the workspace's.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod access_token;
pub mod acquire;
pub mod acquired;
mod application;
pub mod assertion;
mod authority;
pub mod authorize;
mod body;
pub mod cache;
mod cache_key;
mod challenge;
pub mod claims;
mod claims_challenge;
mod claims_request;
mod client_id;
mod cloud;
mod credential;
mod default_scope;
pub mod device;
pub mod endpoint;
pub mod environment;
pub mod error;
mod federated;
mod form;
mod grant;
mod grants;
mod guid;
mod issued;
mod known_api;
mod loopback;
mod pasted;
mod post;
mod printable;
pub mod report;
mod resource;
mod response;
mod retry_after;
mod scope;
mod scope_list;
mod secrecy;
mod secret;
mod secret_doubt;
mod secret_text;
mod signer;
#[cfg(feature = "proptest")]
pub mod strategies;
mod target;
mod target_identity;
mod tenant;
mod time;
mod token_request;
mod token_response;
mod unverified_claims;

pub use access_token::AccessToken;
pub use application::Application;
pub use authority::{Authority, EndpointVersion};
pub use body::Body;
pub use client_id::ClientId;
pub use cloud::Cloud;
pub use credential::ClientCredential;
pub use error::Error;

pub use guid::Guid;
pub use known_api::KnownApi;
pub use resource::Resource;
pub use scope::{Scope, Scopes};
pub use secret::ClientSecret;
pub use target::Target;
pub use tenant::Tenant;
pub use time::Timestamp;
pub use token_request::TokenRequest;
pub use token_response::TokenResponse;
