//! Microsoft Entra tokens on the requests of any tower service: `Authorization: Bearer <token>`.
//!
//! The primary type is [`BearerLayer`]. It is made of a [`TokenSource`](entra_client::TokenSource) - a client and one API - and of the
//! origins that the token may be sent to. While the token is fresh, its service [`Bearer`] takes no lock, allocates nothing and awaits
//! nothing. Without a token, it waits for the one request that serves all callers. If the API rejects the token, it gets another one.
//!
//! ```text
//!   request ─► Bearer ─► one of the origins? ── no ──► rejected, or passed on without the token
//!                │ yes
//!                ├─ a token at hand ─────────► insert the header ──► inner service ──► response ──► yours
//!                └─ none ──► await the source ──────┘    ▲                               │ 401, or grpc-status 16
//!                                                        │                               ▼
//!                                                        │              report the token, or note the claims
//!                                 once, with the copy ───┴── await another token ◄───────┴──► without a copy: yours
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
//! let graph = client.source(&Target::resource("https://graph.microsoft.com")?)?;
//! let layer = BearerLayer::new(graph, ["https://graph.microsoft.com"])?.replay();
//! let mut api = ServiceBuilder::new().layer(layer).service(inner); // hyper's client, say
//!
//! let request = Request::get("https://graph.microsoft.com/v1.0/users").body(String::new())?;
//! let response = api.ready().await?.call(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Make one layer for an API, and clone it or its services: all clones share what they learn of the API. A layer that is made for each
//! request learns nothing.
//!
//! # When the API rejects the token
//! One response speaks for its own request only. Other requests go on with the token at hand until there is something better for them.
//!
//! - **A `401` without claims**, or `grpc-status: 16` among the headers: the token is reported to the client as rejected, and a newer one
//!   is requested. Until that is there, which may be the end of an outage, other requests use the token that they have.
//! - **A `401` with a claims challenge** in the name of the cloud that the tokens come from: the request is sent again with a token that
//!   has these claims; where there is no copy of it, the next request for that path tries such a token. Once the API has accepted it,
//!   it serves all paths, but for those where the API has accepted other claims: two authentication contexts have two tokens. Until
//!   then, and if the token service has no such token or the API rejects it, requests use the token from before.
//! - A challenge in the name of another authority or of none, or with claims that cannot be read, changes nothing.
//!
//! Of many requests that are rejected with one token, the first reports it, and one token request serves them all. Each path leads to at
//! most two token requests a minute by rejections and to five by new claims; all paths of a layer lead to ten each. A layer remembers the
//! claims of 7 challenges, 64 KiB of them, and 64 paths. Paths beside each other (`/users/1`, `/users/2`) share what they learn; the methods of
//! one path count as paths of their own.
//!
//! So the *next* request for the path has another token. To have the rejected one sent again as well, there must be a copy of it, which
//! is made of every request beforehand, at a price: [`BearerLayer::replay`] does so for bodies that are `Clone`,
//! [`BearerLayer::replay_with`] for some of them. It is sent again once, on a clone of the service, and the second response is returned.
//! If no other token comes, the response is the API's own `401`; where that had to give its connection back while the token was awaited,
//! the request is sent again with the token that it had. So no request is sent more than twice. Without copies, each path finds out by a
//! `401` of its own that it needs other claims, or that it takes no token with claims which another path asked for.
//!
//! # Readiness
//! A [`Bearer`] is ready when its inner service is. While a token is awaited, it holds no permit, slot or response of the inner service;
//! it takes a new place once the token is there. So a stack with a limit can serve both the API and the token service.
//!
//! # Where the token goes
//! To the origins that were named, and over plain `http` to this very machine only. It replaces an `Authorization` header that the
//! request has. The layer sees where a request is meant to go, and not what the inner service does with it:
//!
//! - The service inside must not follow redirects, or the header goes along. Put the layer inside of what follows them
//!   (`tower_http::follow_redirect`): so each hop is compared with the origins.
//! - tonic's `Channel` sends everything to the endpoint that it was made with. Make its generated client with that very origin
//!   (`with_origin`): without it the URIs are relative, and the layer sends none of them.
//!
//! # At a web API
//! The feature `validate` is the other side: the layer `RequireToken` lets requests pass whose token `entra-validate` accepts, and
//! `RequirePermissions` asks for the scopes and roles of a route. `Caller` is the extractor of axum.
//!
//! ```text
//!   request ─► trace, timeout ─► CORS ─► RequireToken ─► RequirePermissions ─► handler (Caller)
//!                                            │                  │
//!                                            ▼                  ▼
//!                                   400, 401, 403, 503         403
//! ```
//!
//! `RequireToken` and `Caller` have programs to start from.
//!
//! The order of layers:
//! - Outside of `RequireToken`: traces, timeouts, limits by address, and CORS, without which a browser does not see why it was rejected.
//!   A log of requests there must not hold `Authorization`.
//! - Inside: what costs something, such as limits by caller, decompression and caches. A cache outside would give one caller's response
//!   to another, or to nobody in particular.
//! - In axum, `Router::layer` covers the routes added before it and their fallback; routes added later are not covered, and neither is
//!   a fallback of a router that this one is merged into. A handler with a `Caller` rejects requests there, one without serves them.
//!
//! What fails, and how:
//!
//! | cause | response |
//! |---|---|
//! | no token, or a scheme other than `Bearer` | 401, a challenge without an error |
//! | two `Authorization` headers, a token in the query, something else behind `Bearer` | 400 `invalid_request` |
//! | a token that is not valid | 401 `invalid_token` |
//! | a caller or a permission that is not accepted | 403 `insufficient_scope` |
//! | no signing keys, and none of before | 503 with `Retry-After` |
//! | `RequireToken` is missing around `RequirePermissions` or `Caller` | 500, and an error in the log |
//!
//! A request without a token, or with one of wrong form, issuer or algorithm, costs no fetch of keys, and all tokens with unknown key
//! IDs together one in five minutes. Rejections have no body; why is in the log (`tracing`), with the name of the rule and never with
//! the token. `OPTIONS` passes without a token, since browsers send preflights without one, and so do the paths that were opened.
//! A handler that serves every method serves `OPTIONS` to everyone, then: `RequireToken::with_guarded_options` asks for a token there, too.
//!
//! A tonic server takes the layer as it is (`Server::builder().layer(..)`). Rejections are responses of HTTP there, too, without a
//! `grpc-status`: clients of gRPC read the status 401 as `UNAUTHENTICATED`, 403 as `PERMISSION_DENIED` and 503 as `UNAVAILABLE`, as the
//! protocol maps them, and a bearer layer around the client's channel sees the challenge, which no gRPC status has a place for.
//!
//! # Features
//! - `reqwest`: `ReqwestService` makes a reqwest client a service to put the layer around.
//! - `ureq`: `BearerMiddleware` does for threads what the layer does.
//! - `validate`: `RequireToken` and `RequirePermissions`, for web APIs. `axum`: the same with the extractor `Caller`.
//!
//! # What is not here
//! Retries but for the one above, signed requests and PoP tokens.

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
#[cfg(feature = "validate")]
mod server;
mod shared;
mod table;
#[cfg(feature = "ureq")]
mod ureq_middleware;

pub use bearer::Bearer;
pub use error::{BearerError, BuildError, Errors, Report};
pub use future::ResponseFuture;
pub use layer::{BearerLayer, UnlistedOrigin};
pub use replay::{CloneBody, CopyBody, NoReplay, Replay};
#[cfg(feature = "reqwest")]
pub use reqwest_service::{ReqwestFuture, ReqwestService};
#[cfg(feature = "axum")]
pub use server::Caller;
#[cfg(feature = "validate")]
pub use server::{
    Permitted, PermittedFuture, Protected, ProtectedFuture, Publish, Published, RequirePermissions, RequireToken,
    Unpublished,
};
#[cfg(feature = "ureq")]
pub use ureq_middleware::BearerMiddleware;
