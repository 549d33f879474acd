//! Validates Microsoft Entra access tokens at a web API.
//!
//! The primary types are [`Api`], which says what tokens the API accepts, and [`Validator`], which
//! validates them and fetches the signing keys for it over a transport. A valid token gives a
//! [`Principal`]: an application, a user or an agent. An invalid one gives a [`Rejection`], which
//! knows its HTTP response.
//!
//! ```text
//!   Authorization ──► bearer_token ──► Api::start ──► Step::NeedKeys ──► NeedKeys::judge ──► Principal
//!                          │               │                │                 │
//!                          ▼               ▼                ▼                 ▼
//!                      Rejection       Rejection        KeyCache          Rejection ──► Api::response (RFC 6750)
//!                                                           │
//!                                                Fetch ··· your HTTP client ··· metadata, then JWKS
//!
//!   Validator, blocking::Validator: all of it over a transport of entra-transport
//! ```
//!
//! ```no_run
//! use entra_proto::report::ReportFor;
//! use entra_validate::{Api, Audience, Errors, Permissions, Principal, Tenants, Validator, bearer_token};
//! use http::{Request, Response, StatusCode};
//!
//! /// The API: its audience, the tenants that may call it, and the permissions of which a caller needs one.
//! fn api() -> Result<Api, entra_proto::Error> {
//!     let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
//!     let tenants = Tenants::One("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?);
//!     let permissions = Permissions::any_of(["ToDoList.Read"], ["ToDoList.Read.All"])?;
//!     Api::new(audience, tenants, permissions)
//! }
//!
//! async fn to_dos(validator: &Validator, request: Request<String>) -> Response<String> {
//!     let caller = match bearer_token(request.headers(), request.uri().query()) {
//!         Ok(token) => validator.validate(token).await,
//!         Err(rejection) => Err(rejection),
//!     };
//!     let body = match caller {
//!         // Data of a user lies under the tenant and the object ID together.
//!         Ok(Principal::User(user)) => format!("the list of the user who came through {}", user.application),
//!         Ok(Principal::App(_)) => "all lists".to_owned(),
//!         Ok(_) => return Response::builder().status(StatusCode::FORBIDDEN).body(String::new()).unwrap(),
//!         Err(rejection) => {
//!             eprintln!("{:#}", ReportFor::<Errors>::of(&rejection)); // for the API's own log only
//!             return validator.api().response(&rejection);
//!         }
//!     };
//!     Response::new(body)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let transport = entra_transport::transport_fn(|_| async { Ok(entra_transport::Response::new(entra_transport::Body::default())) });
//! let validator = Validator::new(api()?, transport); // entra_transport_hyper::HyperTransport::new()?
//! # Ok(())
//! # }
//! ```
//!
//! # The rules
//! [`Rule`] lists them in their order. Each is one function of `rules.rs`; [`Validator::report`]
//! shows how each of them ended, from the code that decides. Nothing of a token is believed before
//! its signature is verified, but what selects the keys: `kid`, `ver`, `tid` and `iss`. The address
//! of the keys never depends on a token.
//!
//! # The keys
//! [`KeyCache`] says when keys are fetched, and how long they go on through an outage. [`Profile`]
//! says where Entra's tokens differ from RFC 9068.
//!
//! # Features
//! - `async` (default): [`Validator`]. `tokio` (default): key fetches are tasks that outlive their
//!   callers.
//! - `blocking`: [`blocking::Validator`], without a runtime.
//! - `aws-lc-rs` (default), `ring`: the cryptography. One of them is needed; aws-lc-rs wins where
//!   both are on, and verifies faster, as it keeps parsed keys.
//!
//! # What is not here
//! No HTTP server and no middleware: `entra-tower` has a layer. No validation of ID tokens: a
//! sign-in gets one straight from the token endpoint, see entra-proto. No proofs of possession: a
//! token that is bound to a key is rejected. No Microsoft Graph: only Graph can validate its
//! tokens.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

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
#[cfg(feature = "async")]
mod validator;
mod verify;
mod words;

pub use api::{Api, MAX_SKEW, NeedKeys, Step};
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
#[cfg(feature = "async")]
pub use validator::Validator;
