//! Validates Microsoft Entra access tokens at a web API.
//!
//! Most programs want the crate `entra` with its feature `validate`, which re-exports this crate
//! together with a transport. A web API on axum or tower wants `entra-tower` (or the feature `axum`
//! of `entra`): its layer reads the token of each request, and sends the response to an invalid
//! one. Use this crate directly with another web framework, or to choose each part yourself.
//!
//! The primary types are:
//!
//! - [`Api`]: the tokens that the API accepts, and the texts of its challenges.
//! - [`Validator`]: validates tokens, and fetches the signing keys over a transport.
//!   [`blocking::Validator`] does the same without a runtime.
//! - [`Principal`]: the caller that a valid token names: an application, a user or an agent.
//! - [`Rejection`]: the reason for which a request is rejected. [`Api::response`] makes the HTTP
//!   response of it.
//!
//! ```text
//!   Authorization ─► bearer_token ─► Api::start ─► NeedKeys::judge ─► Principal
//!                         │              │          ▲      │
//!                         ▼              ▼          │      ▼
//!                     Rejection      Rejection   KeySet  Rejection
//!                                                   │
//!                                               KeyCache
//!                                                   │
//!           Fetch: your HTTP client gets the metadata, then the JWKS
//!
//!   Rejection ─► Api::response (RFC 6750)
//!   Validator, blocking::Validator: all of it over entra-transport
//! ```
//!
//! # Example
//! ```no_run
//! use entra_proto::report::ReportFor;
//! use entra_validate::{Api, Audience, Permissions, Principal, Tenants};
//! use entra_validate::{Errors, Validator, bearer_token};
//! use http::{Request, Response, StatusCode};
//!
//! /// Returns the API: its audience, the tenants that may call it, and the
//! /// permissions of which a caller needs one.
//! fn api() -> Result<Api, entra_proto::Error> {
//!     let client_id = "11112222-bbbb-3333-cccc-4444dddd5555".parse()?;
//!     let audience = Audience::app(client_id);
//!     let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
//!     let (scopes, roles) = (["ToDoList.Read"], ["ToDoList.Read.All"]);
//!     let permissions = Permissions::any_of(scopes, roles)?;
//!     Api::new(audience, Tenants::One(tenant), permissions)
//! }
//!
//! async fn to_dos(
//!     validator: &Validator,
//!     request: Request<String>,
//! ) -> Response<String> {
//!     let query = request.uri().query();
//!     let caller = match bearer_token(request.headers(), query) {
//!         Ok(token) => validator.validate(token).await,
//!         Err(rejection) => Err(rejection),
//!     };
//!     let body = match caller {
//!         // Store a user's data under the tenant and the object ID together.
//!         Ok(Principal::User(user)) => format!("a user of {}", user.application),
//!         Ok(Principal::App(_)) => "all lists".to_owned(),
//!         Ok(_) => {
//!             let mut response = Response::new(String::new());
//!             *response.status_mut() = StatusCode::FORBIDDEN;
//!             return response;
//!         }
//!         Err(rejection) => {
//!             // For the API's own log only.
//!             eprintln!("{:#}", ReportFor::<Errors>::of(&rejection));
//!             return validator.api().response(&rejection);
//!         }
//!     };
//!     Response::new(body)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use entra_transport::{Body, transport_fn};
//! # let transport = transport_fn(|_| async {
//! #     Ok(entra_transport::Response::new(Body::default()))
//! # });
//! // The transport is for example entra_transport_hyper::HyperTransport::new()?
//! let validator = Validator::new(api()?, transport);
//! # Ok(())
//! # }
//! ```
//!
//! # Rules
//! [`Rule`] lists the rules in their order. Each is one function of `rules.rs`.
//! [`Validator::report`] shows the outcome of each of them, from the code that decides. Before the
//! signature is verified, only `alg`, `typ`, `crit` and the values that select the key (`kid`,
//! `ver`, `tid` and `iss`) are used. The address of the keys never depends on a token.
//!
//! # Agents
//! The caller of an API may be an agent identity, the identity of an AI agent in Entra: it acts for
//! itself, for a user who signed in, or as its own user account ([`Acting`]). Its tokens differ
//! from those of applications and users in the claims `xms_act_fct`, `xms_sub_fct` and
//! `xms_par_app_azp` only. It is always a [`Principal::Agent`], and [`Api::with_agents`] sets
//! whether the API accepts it.
//!
//! # Keys
//! [`KeyCache`] decides when keys are fetched, and how long they are used during an outage.
//! [`Profile`] lists the differences between Entra's tokens and RFC 9068.
//!
//! # Features
//! - `async` (default): [`Validator`].
//! - `tokio` (default): key fetches are tasks, and continue when their callers are dropped.
//! - `blocking`: [`blocking::Validator`], without a runtime.
//! - `aws-lc-rs` (default), `ring`: the cryptography. One of them is required, except for
//!   WebAssembly, where every token is rejected without one. If both are enabled, aws-lc-rs is
//!   used: it verifies faster, because it caches parsed keys.
//!
//! # What is not here
//! - No HTTP server and no middleware: `entra-tower` has a layer and an extractor.
//! - No validation of ID tokens: a client that signs users in receives them directly from the token
//!   endpoint, see `entra-proto`.
//! - No proofs of possession: a token that is bound to a key is rejected.
//! - No tokens for Microsoft Graph: only Graph can validate them.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod agents;
mod api;
mod audience;
mod base64url;
mod bearer;
#[cfg(feature = "blocking")]
pub mod blocking;
mod challenge;
mod claims;
mod claims_challenge;
mod errors;
#[cfg(feature = "async")]
mod flight;
mod hints;
mod issuer;
mod keys;
mod metadata;
mod object;
mod permissions;
mod principal;
mod profile;
mod rejection;
mod report;
mod rule;
mod rules;
#[cfg(any(feature = "async", feature = "blocking"))]
mod shared;
mod tenants;
mod token;
mod validation;
#[cfg(feature = "async")]
mod validator;
mod verify;
mod words;

pub use agents::Agents;
pub use api::{Api, MAX_SKEW};
pub use audience::Audience;
pub use bearer::bearer_token;
pub use errors::Errors;
pub use keys::{
    FORCED_REFRESH_INTERVAL, Fetch, FetchError, FetchStep, Fetched, KeyCache, KeySet, LAST_KNOWN_GOOD, Lookup,
    MAX_KEYS, Metadata, REFRESH_INTERVAL,
};
pub use metadata::ResourceMetadata;
pub use permissions::Permissions;
pub use principal::{Acting, Agent, App, Principal, User};
pub use profile::Profile;
pub use rejection::Rejection;
pub use report::{Outcome, Report};
pub use rule::Rule;
pub use tenants::Tenants;
pub use validation::{NeedKeys, Step};
#[cfg(feature = "async")]
pub use validator::Validator;
