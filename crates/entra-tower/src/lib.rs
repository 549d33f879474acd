//! Microsoft Entra tokens on the requests of any tower service: `Authorization: Bearer <token>`, and nothing to think about after that.
//!
//! [`BearerLayer`] is made of a [`TokenSource`](entra_client::TokenSource) - a client and one API - and of the origins that the token
//! may be sent to. While the token is fresh, [`Bearer`] takes no lock, allocates nothing and awaits nothing. Where there is none, it
//! waits for the one request that serves everybody. Where the API refuses the token, it sees to it that the next one is another.
//!
//! ```text
//!   request ─► Bearer ─► one of the origins? ── no ──► refused, or passed on without the token
//!                │ yes
//!                ├─ a token at hand ─────────► insert the header ──► inner service ──► answer ──► yours
//!                └─ none ──► await the source ──────┘    ▲                               │ 401, or grpc-status 16
//!                                                        │                               ▼
//!                                                        │              drop the token, remember the claims
//!                                 once, with the copy ───┴── await another token ◄───────┴──► else yours, too
//! ```
//!
//! ```
//! use entra_client::Client;
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_tower::BearerLayer;
//! use http::{Request, Response};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! # use entra_transport::{Body, transport_fn};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let transport = transport_fn(|_| async { Ok(Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned()))) });
//! # let inner = tower::service_fn(|request: Request<String>| async move {
//! #     assert_eq!(request.headers()["authorization"], "Bearer t");
//! #     Ok::<_, std::io::Error>(Response::new("[]"))
//! # });
//!
//! let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
//! let client = Client::new(app.with_capabilities(&["cp1"]), transport); // over entra-transport-hyper, say
//!
//! let graph = client.source(&Target::resource("https://graph.microsoft.com")?, None)?;
//! let layer = BearerLayer::new(graph, ["https://graph.microsoft.com"])?.replay();
//! let mut api = ServiceBuilder::new().layer(layer).service(inner); // hyper's client, say
//!
//! let request = Request::get("https://graph.microsoft.com/v1.0/users").body(String::new())?;
//! let answer = api.ready().await?.call(request).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Make one layer for an API, and clone it or what it made: all clones share what they learn of the API. A layer that is made for each
//! request learns nothing.
//!
//! # Where the API refuses the token
//! - **A `401` with a claims challenge** in the name of the cloud that the tokens come from: the token is dropped and the claims are
//!   remembered, so that every later request goes with a token that has them. Where the service will not give one, they are forgotten.
//! - **Any other `401`**, or `grpc-status: 16` among the headers: the token is dropped, and the next one is like it.
//! - A challenge in the name of another authority or of none, or with claims that cannot be read, changes nothing.
//!
//! Of many requests that are refused with one token, the first drops it, and one request to the token service serves them all. An API
//! that refuses whatever it gets is no reason to ask that service again and again: refusals without claims lead there once a minute,
//! and those with claims five times. In between, and in every case without a replay, the `401` is handed on.
//!
//! So the *next* request has another token. To have the refused one sent again as well, there must be a copy of it, which is made
//! beforehand of every request, at a price: [`BearerLayer::replay`] does so for bodies that are `Clone`, [`BearerLayer::replay_with`]
//! for some of them. It is sent again once, on a clone of the service; what is answered then is handed on. Where no other token is to be
//! had, the first answer is: the `401` itself.
//!
//! # Where the token goes
//! To the origins that were named, and over plain `http` to this very machine only. An `Authorization` that is on a request already is
//! replaced. The layer sees where a request is meant to go, and not what becomes of it:
//!
//! - The service inside must not follow redirects, or the header goes along. Put the layer inside of what follows them
//!   (`tower_http::follow_redirect`): so each hop is held against the origins.
//! - tonic's `Channel` sends everything to the endpoint that it was made with. Make its generated client with that very origin
//!   (`with_origin`): without it the URIs are relative, and refused.
//!
//! # Features
//! - `reqwest`: `ReqwestService` makes a reqwest client a service to put the layer around.
//! - `ureq`: `BearerMiddleware` does for threads what the layer does.
//!
//! # What is not here
//! Retries but for the one above, signed requests and PoP tokens, checking tokens at a web API.

mod bearer;
mod challenge;
mod error;
mod future;
mod layer;
mod origins;
mod pace;
mod place;
mod refusal;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest_service;
mod shared;
mod table;
#[cfg(feature = "ureq")]
mod ureq_middleware;

pub use bearer::Bearer;
pub use error::{BearerError, BuildError};
pub use future::ResponseFuture;
pub use layer::{BearerLayer, Elsewhere};
pub use replay::{CloneBody, CopyBody, NoReplay, Replay};
#[cfg(feature = "reqwest")]
pub use reqwest_service::{ReqwestFuture, ReqwestService};
#[cfg(feature = "ureq")]
pub use ureq_middleware::BearerMiddleware;
