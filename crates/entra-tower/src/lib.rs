//! Tower middleware that adds a Microsoft Entra ID access token to each request
//! (`Authorization: Bearer <token>`), and, with the feature `validate`, a layer for web APIs that
//! validates such tokens.
//!
//! Most programs want the crate `entra` with its feature `tower`, which re-exports this crate
//! together with a client and its transport. Use this crate directly to choose each part yourself.
//!
//! The primary types are:
//!
//! - [`BearerLayer`]: the layer for clients of an API. It is made from a
//!   [`TokenSource`](entra_client::TokenSource) (a client and one API) and from the origins that
//!   the token may be sent to.
//! - [`Bearer`]: the service that the layer makes. While the token is fresh, it takes no lock,
//!   allocates nothing and awaits nothing. Without a token, it waits for the one request that
//!   serves all callers. If the API rejects the token, it gets another one.
//! - `RequireToken`, `RequirePermissions` and `Caller`: the layers and the axum extractor for web
//!   APIs.
//! - [`BearerError`]: the error of a request, with advice for users ([`Report`]).
//!
//! ```text
//!   request ─► Bearer ─► listed origin? ─ no ─► error, or sent without token
//!                │ yes
//!                ├─ cached token ─────────────► add header ─► inner service
//!                └─ none ─► await the source ─────┘ ▲               │
//!                                                   │               ▼
//!                           once, if the request    │            response
//!                           was copied              │               │
//!                                                   │               ├─► caller
//!                             await another token ──┘               │
//!                                 ▲                                 ▼
//!                                 └─ report the token, ◄─ 401, or grpc-status 16
//!                                    or record the claims
//! ```
//!
//! # Example
//! ```
//! use entra_client::Client;
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_tower::BearerLayer;
//! use http::{Request, Response};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! # use entra_transport::{Body, transport_fn};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let transport = transport_fn(|_| async {
//! #     let body = r#"{"access_token":"t","expires_in":3599}"#;
//! #     Ok(entra_transport::Response::new(Body::from(body.to_owned())))
//! # });
//! # let inner = tower::service_fn(|request: Request<String>| async move {
//! #     assert_eq!(request.headers()["authorization"], "Bearer t");
//! #     Ok::<_, std::io::Error>(Response::new("[]"))
//! # });
//!
//! let tenant = "contoso.onmicrosoft.com";
//! let authority = format!("https://login.microsoftonline.com/{tenant}").parse()?;
//! let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
//! // The transport is for example entra-transport-hyper.
//! let client = Client::new(app.with_capabilities(&["cp1"]), transport);
//!
//! let graph = client.source(&Target::resource("https://graph.microsoft.com")?)?;
//! let layer = BearerLayer::new(graph, ["https://graph.microsoft.com"])?.replay();
//! // The inner service is for example hyper's client.
//! let mut api = ServiceBuilder::new().layer(layer).service(inner);
//!
//! let url = "https://graph.microsoft.com/v1.0/users";
//! let request = Request::get(url).body(String::new())?;
//! let response = api.ready().await?.call(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Make one layer for each API, and clone it or its services: all clones share what they learn
//! about the API. A layer that is made for each request learns nothing.
//!
//! # Rejected tokens
//! A rejection affects the rejected request only. Other requests use the cached token until a newer
//! one arrives, or the API has accepted a token with other claims.
//!
//! - **A `401` without claims**, or `grpc-status: 16` among the headers: the layer reports the
//!   token to the client as rejected, and requests a newer one. Until it arrives, which may take
//!   as long as an outage of the token service, other requests use the cached token.
//! - **A `401` with a claims challenge** that names the cloud of the tokens: the layer sends the
//!   request again with a token that has these claims. If it has no copy of the request, the next
//!   request for that path tries such a token. Once the API has accepted it, all paths use it,
//!   except those for which the API has accepted other claims: two authentication contexts have
//!   two tokens. Until then, and if the token service issues no such token or the API rejects it,
//!   requests use the earlier token.
//! - A challenge that names no authority or another one, or claims that cannot be parsed, change
//!   nothing.
//!
//! If many requests are rejected with one token, the first reports it, and one token request serves
//! them all. In a minute, each path causes at most two token requests by rejections and five by new
//! claims, and all paths of a layer together at most ten of each kind. A layer remembers the claims
//! of 7 challenges, 64 KiB in total, and 64 paths. A path that the layer knows nothing about uses
//! the claims of its latest sibling (`/users/1`, `/users/2`). Each method of a path counts as a
//! separate path.
//!
//! By default, a rejected request is not sent again: its caller gets the `401`, and the *next*
//! request for the path has another token. To send the rejected request itself again, the layer
//! must copy each request beforehand, at a cost: [`BearerLayer::replay`] copies requests with a
//! body that is `Clone`, and [`BearerLayer::replay_with`] those whose body a function can copy. The
//! copy is sent once, on a clone of the service, and the caller gets the second response.
//!
//! If no other token is available, the caller gets the `401` of the API. If the connection of that
//! response had to be released while the layer awaited the token, the layer sends the copy with the
//! same token as before. So no request is sent more than twice. Without copies, each path has to
//! receive a `401` before the layer knows that the path requires other claims, or that it rejects a
//! token with the claims that another path required.
//!
//! # Readiness
//! A [`Bearer`] is ready when its inner service is. While a token is awaited, it holds no permit,
//! slot or response of the inner service, and takes a new permit once the token has arrived. So a
//! stack with a limit can serve both the API and the token service.
//!
//! # Origins of the token
//! The token is sent to the listed origins, and over plain `http` to loopback addresses only. It
//! replaces an `Authorization` header of the request. The layer sees the URI of a request, and not
//! what the inner service does with it:
//!
//! - The inner service must not follow redirects, or the header goes along. Put the layer inside of
//!   the service that follows them (`tower_http::follow_redirect`), so that each hop is compared
//!   with the origins.
//! - tonic's `Channel` sends everything to the endpoint that it was made with. Make the generated
//!   client with that origin (`with_origin`). Without it the URIs are relative, and match no
//!   origin.
//!
//! # Web APIs
//! The feature `validate` is for the server side. The layer `RequireToken` passes on requests whose
//! token `entra-validate` accepts, and `RequirePermissions` requires the scopes and roles of a
//! route. `Caller` is the extractor of axum. `RequireToken` and `Caller` have example programs.
//!
//! ```text
//!   request ─► trace, timeout, CORS
//!                ─► RequireToken ──────────► RequirePermissions ─► handler
//!                     │                        │                   (Caller)
//!                     ▼                        ▼
//!                     400, 401, 403, 503       403
//! ```
//!
//! The order of layers:
//!
//! - Outside of `RequireToken`: traces, timeouts, limits by address, and CORS, without which a
//!   browser cannot read a rejection. A log of requests there must not contain `Authorization`.
//! - Inside: expensive operations, such as limits by caller, decompression and caches. A cache
//!   outside would return one caller's response to another, or to a client without a token.
//! - In axum, `Router::layer` covers the routes added before it and their fallback. It covers
//!   neither routes added later nor the fallback of a router that this one is merged into. There, a
//!   handler with a `Caller` rejects requests, and a handler without one serves them.
//!
//! The responses to errors:
//!
//! | cause | response |
//! |---|---|
//! | no token, or a scheme other than `Bearer` | 401, a challenge without an error |
//! | two `Authorization` headers, or a token in the query | 400 `invalid_request` |
//! | a `Bearer` token that is empty or has invalid characters | 400 `invalid_request` |
//! | an invalid token | 401 `invalid_token` |
//! | a caller or a permission that is not accepted | 403 `insufficient_scope` |
//! | no signing keys, and no earlier ones | 503 with `Retry-After` |
//! | no `RequireToken` around `RequirePermissions` or `Caller` | 500, and an error in the log |
//!
//! A request without a token, or with a token of wrong form, issuer or algorithm, causes no fetch
//! of keys. All tokens with unknown key IDs together cause one in five minutes. Rejections have no
//! body: the reason is in the log (`tracing`), with the name of the rule and never with the token.
//!
//! `OPTIONS` requests pass without a token, since browsers send preflights without one, and so do
//! requests for open paths. A handler that serves every method therefore serves `OPTIONS` to all
//! clients. `RequireToken::with_guarded_options` requires a token there, too.
//!
//! A tonic server takes the layer unchanged (`Server::builder().layer(..)`). Rejections are HTTP
//! responses there, too, without a `grpc-status`: gRPC clients read the status 401 as
//! `UNAUTHENTICATED`, 403 as `PERMISSION_DENIED` and 503 as `UNAVAILABLE`, as the protocol maps
//! them. A bearer layer around the client's channel sees the challenge, for which a gRPC status has
//! no field.
//!
//! # Features
//! None is enabled by default.
//!
//! - `reqwest`: `ReqwestService`, a reqwest client as an inner service.
//! - `reqwest-middleware`: `ReqwestMiddleware`, the same rules as a middleware of that crate.
//! - `ureq`: `BearerMiddleware`, the same rules as a middleware of ureq.
//! - `validate`: `RequireToken` and `RequirePermissions`, for web APIs.
//! - `axum`: `validate`, and the extractor `Caller`.
//! - `aws-lc-rs`, `ring`: the cryptography for `validate`, which requires one of them. With both,
//!   aws-lc-rs is used.
//!
//! # What is not here
//! - Retries, other than the one above: `tower::retry`.
//! - Signed requests and proof-of-possession tokens.
//! - The cache of tokens: `entra-client`. The validation of tokens: `entra-validate`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bearer;
mod challenge;
mod error;
mod future;
mod layer;
mod origins;
mod path_id;
mod rate_limit;
mod rejection;
mod replay;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
#[cfg(feature = "reqwest")]
mod reqwest_service;
#[cfg(feature = "validate")]
mod server;
mod shared;
mod table;
#[cfg(feature = "ureq")]
mod ureq_middleware;

pub use bearer::Bearer;
pub use error::{BearerError, Errors, OriginError, Report};
pub use future::ResponseFuture;
pub use layer::{BearerLayer, UnlistedOrigin};
pub use replay::{CloneBody, CopyBody, NoReplay, Replay};
#[cfg(feature = "reqwest-middleware")]
pub use reqwest_middleware::ReqwestMiddleware;
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
