//! A Microsoft Entra token service on loopback that refuses what Entra refuses.
//!
//! A test that gets a token here got it for the right reasons: the tenant exists, the app is known in it, the secret is
//! the right one and not expired, `resource` and `scope` are used where they belong, and the API's permissions were
//! consented to. Everything else gets the AADSTS number and the error body that Entra would send.
//!
//! ```text
//!  your code ──http──▶ server thread ─┐
//!                                      ├─▶ router ─▶ faults ─▶ token endpoint  v1, v2
//!  your test ──handle()───────────────┘     │                  authorize, consent, device pages
//!       ▲                                    │                  discovery, keys
//!       │                                    │                  Graph, Office 365 activity feed
//!       ├── requests(), clock(), fault() ────┤
//!  any language ──http──▶ control API ───────┘
//! ```
//!
//! The emulator is a function from request to response. The server is a thin layer around it, and
//! [`Emulator::handle`] calls it without any socket:
//!
//! ```
//! use entra_emulator::Emulator;
//!
//! let emulator = Emulator::builder().build();
//! let body = format!(
//!     "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://graph.microsoft.com/.default",
//!     emulator.client_id(),
//!     emulator.client_secret(),
//! );
//! let request = http::Request::post(emulator.token_url_v2())
//!     .header("content-type", "application/x-www-form-urlencoded")
//!     .body(body.into_bytes())
//!     .unwrap();
//! let response = emulator.handle(request);
//! assert_eq!(response.status(), 200);
//! assert_eq!(emulator.requests()[0].client_id.as_deref(), Some(emulator.client_id()));
//! ```
//!
//! [`Emulator::start`] puts the same thing on a free port of 127.0.0.1; dropping it stops it. Nothing sleeps: expired
//! tokens and secrets come from [`Emulator::clock`], trouble from [`Emulator::fault`].
//!
//! Tests in other languages use the control API, on a port of its own that is off by default
//! ([`EmulatorBuilder::control`]). [`Emulator::handle_control`] has the whole contract:
//!
//! | path | what it is for |
//! |---|---|
//! | `/v1/requests` | the requests that came, and what was wrong with each, in words |
//! | `/v1/faults` | what goes wrong: statuses, AADSTS errors, `Retry-After`, latency, broken bodies, resets |
//! | `/v1/clock` | the time: set, advanced, frozen |
//! | `/v1/revocations`, `/v1/approvals`, `/v1/signing-keys` | revoked tokens, users who accept or decline, key rotation |
//! | `/v1/tokens` | forged tokens: any claims, signed in any way ([`Forge`]) |
//! | `/v1/reset` | the state at the start |
//!
//! What is judged, on v1 and v2:
//!
//! - the token endpoints: client credentials, authorization codes with PKCE, refresh tokens, on-behalf-of, device codes; with
//!   a secret, an assertion signed by the key of a registered certificate ([`App::certificate`]), or as a public client
//!   ([`App::public_client`]). Passwords are always refused, as wrong ones.
//! - `authorize`, `adminconsent` and the page for device codes, in a browser or by [`Emulator::approve`]. Consent is state:
//!   it adds the app to the tenant, and tokens made afterwards carry the roles and scopes that were agreed to.
//! - discovery documents, user realm discovery (`UserRealm`), signing keys and their rotation.
//! - of Graph `/v1.0/users`, `/v1.0/me`, `/v1.0/groups` with their members, `/v1.0/applications`,
//!   `/v1.0/servicePrincipals` with their app roles, `/v1.0/organization` and UserInfo; of the Office 365 Management Activity API
//!   subscriptions with their webhooks, contents with any number of records ([`ActivityFeed`]), limits and error codes; of Managed Desktop devices, users and elevation details. Each checks its tokens;
//!   revoked tokens and the claims challenges about them come from [`Emulator::revoke_tokens`], throttling of Graph from
//!   [`EmulatorBuilder::graph_requests_per_minute`].
//! - of Graph's query options `$filter` (`eq`, `ne`, `ge`, `le`, `in`, `startsWith`, `endsWith`, `any`, `and`, `or`, `not`),
//!   `$orderby`, `$select`, `$top` and `$count`, with the header `ConsistencyLevel: eventual` where Graph needs it.
//!
//! No option of an API and no path is ignored: what Graph or Entra may do and the emulator does not is status 501,
//! `not_emulated`, with words that name it. Parameters of `authorize` for the look of its pages (`ui_locales`, `display`,
//! `mkt`) and hints that decide nothing (`acr_values`, `id_token_hint`) are ignored, as OpenID Connect allows; unknown ones
//! are in the record ([`Lint::UnknownParameter`]).
//!
//! ```
//! use entra_emulator::{App, Emulator};
//!
//! let app = App::new("web").secret("s3cret").redirect_uri("https://app.example/cb");
//! let emulator = Emulator::builder().app(app.request_scope(Emulator::GRAPH, "User.Read")).build();
//! let url = format!(
//!     "{}?client_id={}&response_type=code&redirect_uri=https://app.example/cb&scope=User.Read&state=xyz",
//!     emulator.authorize_url_v2(),
//!     emulator.client_id(),
//! );
//! let redirect = emulator.approve(&url, "Alex Wilber").unwrap();
//! assert!(redirect.parameter("code").is_some());
//! let redirect = emulator.decline(&(url + "&prompt=consent"), "Alex Wilber").unwrap();
//! assert_eq!(redirect.parameter("error").as_deref(), Some("access_denied"));
//! ```
//!
//! What is not judged, and leaves no trace in the record: `/` is a page for people, with what is registered and with the last
//! requests, what was wrong about each and what to do; `/healthz` tells probes that the emulator answers.
//!
//! What is not here: passwords and sessions (the pages ask each time who signs in), guests (a user is known in one tenant),
//! app roles of users, the switch of a registration without which `authorize` gives no ID tokens (AADSTS700054), signing
//! out, SAML assertions for on-behalf-of, federated credentials (an assertion of another issuer is refused with
//! AADSTS700211), certificates trusted by their subject's name, and calls of webhooks but those of
//! [`ActivityFeed::plain_webhooks`]. ID tokens of v1 are signed; the service may leave that out. Where Entra's response to
//! a mistake is not known, [`Aadsts::known`] says so.
//!
//! Its signing keys are public. Never let anything but a test trust its tokens.
//!
//! # The code
//!
//! Each floor uses those below it, and the rooms of one floor know nothing of one another; `cargo xtask shape` checks it.
//!
//! ```text
//!  emulator, builder          the handle of a test
//!  server                     sockets, TLS, calls of webhooks
//!  control                    the control API
//!  headless, forge            users without a browser; forged tokens
//!  router                     the rules that answer a request; faults; the record of it
//!  protocol | api | landing   the rules: the token service; APIs that take its tokens; the page at `/`
//!  exchange, bearer           one request with everything that is worked out about it; the token that it carries
//!  state                      plain records: directory, grants, consents, keys, clock, requests, faults
//!  config                     what users of the crate configure
//! ```
//!
//! | to change | look at |
//! |---|---|
//! | what can be configured | `config/`, its defaults in `state/directory/fill.rs`, its checks in `state/directory/check.rs` |
//! | what is remembered between requests, and how much of it | `state/` |
//! | which path leads to which rules | `router.rs` |
//! | an error of the service: number, status, text | `aadsts.rs` |
//! | who may request a token: client, tenant, secret, assertion | `protocol/token/{client,client_auth,assertion}.rs`, `tenant_path.rs` |
//! | one grant | its file in `protocol/token/`, or `protocol/device.rs` |
//! | the claims of a token | `protocol/token/{mint,user,id_token}.rs` |
//! | what a consent asks for, and what it gives | `protocol/authorize/consent.rs`, `state/permissions.rs` |
//! | the metadata and the keys | `protocol/discovery.rs` |
//! | what an API requires of a token | `bearer.rs`, then `api/*/bearer.rs` or `api/*/mod.rs` |
//! | a collection of Graph, or a query option | `api/graph/resource.rs` and the collection's file; `query.rs`, `filter.rs` |
//! | the activity feed and its webhooks | `state/{feed,subscriptions}.rs`, `api/activity/`, `server/webhooks.rs` |
//! | a finding about a request | `state/recorder/lint.rs` |
//! | a fault | `state/fault/`, for other languages `control/faults.rs` |
//! | an operation of the control API | `control/`, described in `control/contract.md` |
//! | a defect of forged tokens | `forge/defect.rs` |
//! | the pages | `protocol/authorize/pages.rs`, `landing/`, their look in `html.rs` |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod aadsts;
mod activity_errors;
mod api;
mod bearer;
mod builder;
mod certificate;
mod clouds;
mod config;
mod control;
mod emulator;
mod error;
mod exchange;
mod forge;
mod form;
mod headless;
mod host;
mod html;
mod landing;
mod protocol;
mod redact;
mod router;
mod seed;
mod server;
mod state;
mod tenant_path;
mod time;
mod well_known;

pub use crate::aadsts::{Aadsts, Known};
pub use crate::builder::EmulatorBuilder;
pub use crate::certificate::KeyCredential;

pub use crate::config::{
    ActivityFeed, Api, App, Config, ContentType, DelegatedPermission, Group, Issuers, ManagedDevice, NextPageHeader,
    Permission, Secret, Tenant, TokenVersion, UpdateRing, User, UserType,
};
pub use crate::emulator::Emulator;
pub use crate::error::Error;
pub use crate::forge::{Defect, Forge, SignatureAlgorithm};
pub use crate::headless::{ErrorPage, Redirect};
pub use crate::state::clock::Clock;
pub use crate::state::fault::{Cut, Delivery, Fault};
pub use crate::state::recorder::{Channel, Endpoint, Lint, Parameter, Purpose, RequestEvent};
