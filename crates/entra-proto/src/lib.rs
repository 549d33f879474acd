//! The Microsoft Entra ID (Azure AD) token protocol as plain data and pure functions: no I/O, no
//! clock, no randomness.
//!
//! **Most programs want the crate `entra`**, which acquires, caches and refreshes tokens. This
//! crate is the layer below it, for programs that bring their own HTTP stack: it builds the request
//! of every grant, decodes every response, explains every error, and decides when to try again. Any
//! HTTP client can send the requests, on any runtime or on none; the crates `entra-transport-*`
//! connect hyper, reqwest and ureq.
//!
//! # Overview
//! The primary types are:
//! - [`Application`]: who requests tokens, made of an [`Authority`] (a [`Cloud`] and a [`Tenant`]),
//!   a [`ClientId`] and a [`ClientCredential`]. Each grant has a method that creates its request.
//! - [`Target`]: the API that a token is for, as a [`Resource`] or as [`Scopes`].
//! - [`TokenRequest`] and [`TokenResponse`]: one request to the token endpoint, and its response
//!   with an [`AccessToken`].
//! - [`Step`](acquire::Step): the next step of an acquisition, which may take several requests,
//!   pauses and signatures.
//!
//! ```text
//! layer 1: plain data
//!   Cloud + Tenant ─► Authority ─┐
//!   ClientId, ClientCredential ──┴► Application ─┐
//!   Resource or Scopes ─► Target ────────────────┴► TokenRequest
//!
//!   TokenRequest::encode ─► your HTTP client ─► TokenRequest::decode
//!                                               ─► TokenResponse or Error
//!
//!   The grants:
//!     client_credentials ───────────────────────────────────► TokenRequest
//!     refresh (RefreshToken), on_behalf_of (UserAssertion) ─► TokenRequest
//!     agent, agent_user (AgentUser) ────────────────────────► TokenRequest
//!     authorize ─► URL, browser, Redirect
//!               ─► PendingAuthorization::redeem ────────────► TokenRequest
//!     device_code ─► code, another device ──────────────────► Step
//!
//!   Identity + Host ─► ManagedIdentity ─► ManagedIdentityRequest (layer 2)
//!
//! layer 2: the acquisition machine, with retries
//!   TokenRequest::start ─► Step ─┬► Sign, Assert ─► your key or issuer ─┐
//!                           ▲    ├► Exchange ─────► your HTTP client ───┤
//!                           │    ├► Pause ────────► your clock ─────────┤
//!                           │    └► Done ─► TokenResponse               │
//!                           └───────────────────────────────────────────┘
//! ```
//!
//! # Example
//! Layer 1: encode a request, send it, decode the response.
//!
//! ```
//! use entra_proto::{
//!     Application, Authority, Body, ClientSecret, Guid, Target, Timestamp,
//! };
//! use http::Response;
//!
//! let authority: Authority =
//!     "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?;
//! let app = Application::new(authority, client_id, secret);
//! let request =
//!     app.client_credentials(Target::resource("https://database.windows.net/")?)?;
//!
//! let http = request.encode(Guid::from_random([7; 16])); // 16 random bytes
//! assert_eq!(http.uri().path(), "/contoso.onmicrosoft.com/oauth2/v2.0/token");
//!
//! // Send it with any HTTP client. This is the response:
//! let body =
//!     r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0eXAi"}"#;
//! let response = Response::new(Body::from(body.to_owned()));
//!
//! let now = Timestamp::from_secs(1_767_225_600);
//! let token = request.decode(&response, now)?;
//! assert_eq!(token.access_token.authorization(), "Bearer eyJ0eXAi");
//! # Ok::<(), entra_proto::Error>(())
//! ```
//!
//! Layer 2, with retries and signatures, has an example at [`Step`](acquire::Step) and a
//! walkthrough at [`acquire`].
//!
//! # Without a secret
//! A [`ManagedIdentity`](managed_identity::ManagedIdentity) gets its tokens from the platform under
//! the workload: App Service, virtual machines, Azure Arc and others. Its token may also be the
//! client assertion of an application
//! ([`AcquiredCredential::of_managed_identity`](acquired::AcquiredCredential::of_managed_identity)).
//!
//! # Users
//! - With a browser: an [`AuthorizeRequest`](authorize::AuthorizeRequest) creates the URL, always
//!   with PKCE. The [`PendingAuthorization`](authorize::PendingAuthorization) of that sign-in
//!   validates the [`Redirect`](authorize::Redirect) that comes back.
//! - On another device: a [`DeviceCodeRequest`](device::DeviceCodeRequest) shows a code.
//! - Administrators, who consent for a tenant: an
//!   [`AdminConsentRequest`](authorize::AdminConsentRequest).
//!
//! # APIs
//! [`Target`] documents the rules that turn an API's audience into a scope and back, and
//! [`KnownApi`] lists the audiences of Microsoft's APIs. An API that rejects a token responds with
//! a [`Challenge`](claims::Challenge). If it is a [`ClaimsChallenge`](claims::ClaimsChallenge),
//! request a token with its claims.
//!
//! # Modules
//! The root contains the types that most programs name. The modules contain the others by subject:
//! - [`acquire`], [`acquired`], [`device`]: the acquisition machine, credentials that are tokens
//!   themselves, and the device flow
//! - [`agents`], [`regions`]: agent identities and their users; regional token endpoints
//! - [`assertion`], [`authorize`], [`claims`]: certificates and federation; sign-in and consent in
//!   a browser; claims and challenges
//! - [`cache`], [`endpoint`], [`environment`]: cache keys and freshness; hosts and endpoints;
//!   environment variables
//! - [`error`], [`report`]: errors, and their presentation to users
//! - [`federation`], [`managed_identity`]: assertions of other issuers; tokens of the platform
//!   under the workload
//!
//! # Features
//! - `proptest`: the module `strategies`, for property tests of a stack that embeds this crate.
//!
//! # What is not here
//! - HTTP, TLS, clocks, randomness, caches and key storage.
//! - Web sessions and cookies: store a pending sign-in in your own.
//! - Signatures: a [`Signer`](assertion::Signer) signs assertions, because this crate contains no
//!   RSA. It does not verify signatures either: an [`IdToken`](authorize::IdToken) comes directly
//!   from the token endpoint, and an access token is for its API to verify (`entra-validate`).
//! - The implicit and the hybrid flow, and the password grant, which RFC 9700, section 2.4, forbids
//!   because it exposes users' passwords to the application.
//! - `unsafe` code, which the whole workspace forbids.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod access_token;
pub mod acquire;
pub mod acquired;
mod agent_user;
pub mod agents;
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
pub mod federation;
mod form;
mod grant;
mod grants;
mod guid;
mod issued;
mod known_api;
mod loopback;
pub mod managed_identity;
mod pasted;
mod post;
mod printable;
pub mod regions;
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
pub use error::top::Error;
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
