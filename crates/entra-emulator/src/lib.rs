//! A local token service for tests that behaves like Microsoft Entra ID (Azure AD).
//!
//! The primary type is [`Emulator`]: a tenant with registered applications, users and APIs, in the
//! test's process, in memory or on a loopback port. It enforces Entra's rules. A test receives a
//! token only if the tenant exists, the application is registered and has consent there, its
//! credential is right and valid now, and `resource` or `scope` suit the endpoint. Any other
//! request gets the AADSTS code and the error body that Entra would send.
//!
//! [`Emulator::builder`] configures tenants ([`Tenant`], [`User`], [`Group`]), applications
//! ([`App`], [`Secret`], [`KeyCredential`]) and APIs ([`Api`]); [`Config`] reads the same from
//! JSON. [`Fault`] scripts failures, [`Clock`] is the time of the emulator, and [`RequestEvent`]
//! is the record of one request. [`Forge`] creates tokens with any claims and defects.
//!
//! Programs that acquire tokens use the crate `entra` instead. The command `entra emulator` of
//! `entra-cli` runs this emulator without Rust code.
//!
//! # In a test
//!
//! ```
//! use std::time::Duration;
//! use entra_emulator::{App, Emulator, Fault};
//!
//! let app = App::new("daemon").secret("s3cret");
//! let app = app.grant(Emulator::GRAPH, "User.Read.All");
//! // Listens on a free port of 127.0.0.1. Dropping the emulator stops it.
//! let emulator = Emulator::builder().app(app).start();
//! // The settings of the program under test:
//! let settings = [
//!     ("AZURE_AUTHORITY_HOST", emulator.base_url()),
//!     ("AZURE_TENANT_ID", emulator.tenant_id()),
//!     ("AZURE_CLIENT_ID", emulator.client_id()),
//!     ("AZURE_CLIENT_SECRET", emulator.client_secret()),
//! ];
//! // The next token request fails, and tokens issued so far expire.
//! let outage = Fault::status(503).retry_after(Duration::from_secs(2));
//! emulator.fault(outage.on("/oauth2/v2.0/token"));
//! emulator.clock().advance(Duration::from_secs(7_200));
//! // After the test: each request, and its errors.
//! for request in emulator.requests() {
//!     println!("{request}");
//! }
//! # let _ = settings;
//! ```
//!
//! No test waits for a lifetime to end, because lifetimes follow [`Emulator::clock`]. Only latency
//! faults and the calls of webhooks take real time.
//!
//! ```text
//!  your code --http--> server thread -+
//!                                     +-> router -> faults -> token endpoints
//!  your test --handle()---------------+     |                 authorize, consent
//!      ^                                    |                 discovery, keys
//!      |                                    |                 Graph, activity feed
//!      +-- requests(), clock(), fault() ----+
//!                                           |
//!  any language --http--> control API ------+
//! ```
//!
//! # Without sockets
//!
//! The emulator is a function from request to response. The server is a thin layer around it, and
//! [`Emulator::handle`] calls it without sockets:
//!
//! ```
//! use entra_emulator::Emulator;
//!
//! let emulator = Emulator::builder().build();
//! let body = format!(
//!     "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
//!     emulator.client_id(),
//!     emulator.client_secret(),
//!     "https://graph.microsoft.com/.default",
//! );
//! let request = http::Request::post(emulator.token_url_v2())
//!     .header("content-type", "application/x-www-form-urlencoded")
//!     .body(body.into_bytes())
//!     .unwrap();
//! let response = emulator.handle(request);
//! assert_eq!(response.status(), 200);
//! let client_id = emulator.requests()[0].client_id.clone();
//! assert_eq!(client_id.as_deref(), Some(emulator.client_id()));
//! ```
//!
//! # Users
//!
//! [`Emulator::approve`] and [`Emulator::decline`] act as a user with a browser:
//!
//! ```
//! use entra_emulator::{App, Emulator};
//!
//! let app = App::new("web")
//!     .secret("s3cret")
//!     .redirect_uri("https://app.example/cb")
//!     .request_scope(Emulator::GRAPH, "User.Read");
//! let emulator = Emulator::builder().app(app).build();
//! let url = format!(
//!     "{}?client_id={}&response_type=code&scope=User.Read&state=xyz{}",
//!     emulator.authorize_url_v2(),
//!     emulator.client_id(),
//!     "&redirect_uri=https://app.example/cb",
//! );
//! let redirect = emulator.approve(&url, "Alex Wilber").unwrap();
//! assert!(redirect.parameter("code").is_some());
//! let again = url + "&prompt=consent";
//! let redirect = emulator.decline(&again, "Alex Wilber").unwrap();
//! assert_eq!(redirect.parameter("error").unwrap(), "access_denied");
//! ```
//!
//! # From other languages
//!
//! Tests in other languages use the control API, on its own port, which is closed by default
//! ([`EmulatorBuilder::control`]). The command prints its URL and key:
//!
//! ```text
//! entra emulator --port 8500 --control 8401 > emulator.env &
//! curl --retry 9 --retry-connrefused -sS http://127.0.0.1:8500/healthz
//! . ./emulator.env
//! echo "Authorization: Bearer $ENTRA_EMULATOR_CONTROL_KEY" |
//!     curl -sS -H @- "$ENTRA_EMULATOR_CONTROL/v1/requests"
//! ```
//!
//! [`Emulator::handle_control`] documents the whole API:
//!
//! | path | purpose |
//! |---|---|
//! | `/v1/requests` | the recorded requests, with a description of each error |
//! | `/v1/faults` | failures: statuses, AADSTS errors, latency, broken bodies, resets |
//! | `/v1/clock` | the time: set, advanced, frozen |
//! | `/v1/revocations` | revoked tokens, sessions and consents |
//! | `/v1/approvals` | users who accept or decline |
//! | `/v1/signing-keys` | key rotation |
//! | `/v1/tokens` | forged tokens: any claims, signed in any way ([`Forge`]) |
//! | `/v1/assertions` | assertions of the second issuer ([`AssertionForge`]) |
//! | `/v1/activity` | new content in the activity feed |
//! | `/v1/reset` | the state at the start |
//!
//! # What is emulated
//!
//! - The token endpoints of v1 and v2: client credentials, authorization codes with PKCE, refresh
//!   tokens, on-behalf-of and device codes. The client authenticates with a secret, with an
//!   assertion signed by the key of a registered certificate ([`App::certificate`]), with an
//!   assertion of another issuer ([`App::federated_credential`]), or not at all if it is public
//!   ([`App::public_client`]). Every password is rejected as wrong.
//! - Federated credentials: issuer, subject, audience and claims matching expressions. An emulator
//!   with sockets reads the keys of a registered issuer from its metadata, over `https` or on
//!   loopback. A second issuer ([`EmulatorBuilder::second_issuer`]) issues assertions like GitHub
//!   Actions, Azure Pipelines, Google and a cluster.
//! - Agent identities ([`App::agent_of`]): tokens of a blueprint for its agents (`fmi_path`), of
//!   the agents, and of their user accounts (`user_fic`).
//! - `authorize`, `adminconsent` and the page for device codes, in a browser or by
//!   [`Emulator::approve`]. Consent is state: it adds the application to the tenant, and later
//!   tokens have the consented roles and scopes.
//! - Discovery documents, user realm discovery, signing keys and their rotation.
//! - Microsoft Graph: `/v1.0/users`, `/v1.0/me`, `/v1.0/groups` with their members,
//!   `/v1.0/applications`, `/v1.0/servicePrincipals` with their app roles, `/v1.0/organization`
//!   and UserInfo. Of the query options: `$filter` (`eq`, `ne`, `ge`, `le`, `in`, `startsWith`,
//!   `endsWith`, `any`, `and`, `or`, `not`), `$orderby`, `$select`, `$top` and `$count`, with the
//!   header `ConsistencyLevel: eventual` where Graph requires it. Throttling is set by
//!   [`EmulatorBuilder::graph_requests_per_minute`].
//! - The Office 365 Management Activity API: subscriptions with their webhooks, content with any
//!   number of records ([`ActivityFeed`]), limits and error codes.
//! - Managed Desktop: devices, users and elevation details.
//! - The services of the platform that issue tokens for managed identities: see below.
//!
//! Each API verifies its tokens. [`Emulator::revoke_tokens`] revokes them and causes claims
//! challenges.
//!
//! An unsupported path, query option or header of an API is rejected with status 501,
//! `not_emulated`, and a message that names it, and so is an unsupported endpoint of Entra.
//! Parameters without effect on Entra's own endpoints are ignored and recorded. `authorize` ignores
//! those for the look of its pages (`ui_locales`, `display`, `mkt`) and hints (`acr_values`,
//! `id_token_hint`), as OpenID Connect allows. Unknown parameters also cause a lint
//! ([`Lint::UnknownParameter`]).
//!
//! Two paths bypass the rules and are not recorded: `/` is a page that shows the registrations and
//! the last requests, with advice about each error; `/healthz` is for probes.
//!
//! # Managed identities
//!
//! The program under test seems to run on a [`Machine`] with a system-assigned and a user-assigned
//! [`ManagedIdentity`], or with those of [`EmulatorBuilder::managed_identity`].
//! [`Emulator::managed_identity_environment`] returns the variables of a source, which the platform
//! would set:
//!
//! | source | path | proof of the client |
//! |---|---|---|
//! | [`Imds`](ManagedIdentitySource::Imds) | `/metadata/identity/oauth2/token` | `Metadata: true` |
//! | [`AppService`](ManagedIdentitySource::AppService), 2019-08-01 | `/managed-identity/app-service/msi/token` | `X-IDENTITY-HEADER` |
//! | [`AppService2017`](ManagedIdentitySource::AppService2017), 2017-09-01 | `/managed-identity/app-service-2017/msi/token` | `secret` |
//! | [`AzureMl`](ManagedIdentitySource::AzureMl) | `/managed-identity/azure-ml/msi/token` | `secret` |
//! | [`CloudShell`](ManagedIdentitySource::CloudShell), tokens of its user | `/managed-identity/cloud-shell/oauth2/token` | `Metadata: true` |
//! | [`Arc`](ManagedIdentitySource::Arc) | `/managed-identity/arc/metadata/identity/oauth2/token` | the key in the file that the challenge names |
//! | [`ServiceFabric`](ManagedIdentitySource::ServiceFabric), TLS only | `/managed-identity/service-fabric/metadata/identity/oauth2/token` | `Secret` |
//!
//! The tokens contain `idtyp` and `xms_mirid`, and live a day. Each source takes its own parameters
//! and rejects a request in its own format; a parameter of another source is ignored, as by the
//! service, and causes a lint. `/metadata/instance` has the region. IMDS v2, with tokens bound to a
//! key, is not emulated.
//!
//! # What is not here
//!
//! - Passwords and sessions: the pages ask for the account every time.
//! - Guests: a user belongs to one tenant. App roles of users.
//! - The registration setting that enables ID tokens from `authorize` (AADSTS700054).
//! - Signing out, and SAML assertions for on-behalf-of.
//! - Of federated credentials: the delay until a change takes effect, the cache of an issuer's
//!   keys, and the restriction of flexible credentials to GitHub, GitLab and Terraform Cloud. Every
//!   assertion causes two requests to its issuer, unless the configuration has its keys.
//! - Of agent identities: their creation, and the permissions that they inherit from a blueprint.
//! - Certificates that are trusted by their subject name.
//! - Calls of webhooks, except those of [`ActivityFeed::plain_webhooks`].
//!
//! ID tokens of v1 are signed, although the service may omit the signature. If Entra's response to
//! an error is not known for certain, [`Aadsts::known`] says so.
//!
//! The signing keys are public. Never let anything but a test trust these tokens.
//!
//! # Features
//!
//! | feature | default | purpose |
//! |---|---|---|
//! | `tls` | yes | TLS with a generated certificate authority (CA): [`EmulatorBuilder::tls`] |
//!
//! # The code
//!
//! Each layer imports only the layers below it, and the modules of one layer do not import each
//! other; `cargo xtask shape` checks it. The exception is `builder`, which stands beside the
//! layers: it and `emulator` import each other. Small modules that any layer may import, such as
//! `aadsts`, `form` and `time`, are not listed.
//!
//! ```text
//!  emulator            the handle of a test, and its `builder`
//!  server              sockets, TLS, calls of webhooks
//!  control             the control API
//!  headless, forge     users without a browser; forged tokens
//!  router              dispatch of a request, its fault and its record
//!  managed_identity    sources of tokens for managed identities
//!  protocol            rules of the token service
//!  api                 APIs that accept its tokens
//!  landing             the page at `/`
//!  bearer              validation of the access token of a request
//!  exchange            one request and its intermediate results
//!  state               directory, grants, consents, keys, clock, requests, faults
//!  config              the configuration by users of the crate
//! ```
//!
//! | to change | look at |
//! |---|---|
//! | the configuration | `config/`; defaults and checks in `state/directory/` |
//! | the state between requests, and its limits | `state/` |
//! | the dispatch of paths | `router.rs` |
//! | an error of the service: AADSTS code, status, text | `aadsts.rs` |
//! | the authentication of a client | `protocol/token/{client,client_auth,assertion}.rs` |
//! | the tenant of a path | `tenant_path.rs` |
//! | one grant | its file in `protocol/token/`, or `protocol/device.rs` |
//! | the claims of a token | `protocol/token/{mint,user,id_token}.rs` |
//! | the effect of a consent | `protocol/authorize/consent.rs`, `state/permissions.rs` |
//! | the metadata and the keys | `protocol/discovery.rs` |
//! | the validation of tokens by an API | `bearer.rs`; `api/*/bearer.rs` or `api/*/mod.rs` |
//! | a collection of Graph | `api/graph/resource.rs`, and the file of the collection |
//! | a query option of Graph | `api/graph/{query,filter}.rs` |
//! | the activity feed | `state/{feed,subscriptions}.rs`, `api/activity/` |
//! | the calls of webhooks | `server/webhooks.rs` |
//! | a lint of requests | `state/recorder/lint.rs` |
//! | a fault | `state/fault/`, for other languages `control/faults.rs` |
//! | an operation of the control API | `control/`, documented in `control/contract.md` |
//! | a defect of forged tokens | `forge/defect.rs` |
//! | the verification of federated credentials | `protocol/token/federated.rs` |
//! | the reading of an issuer's keys | `server/issuers.rs` |
//! | the second issuer | `second_issuer/`, `state/second_issuer.rs`, `forge/assertion.rs` |
//! | agent identities | `state/directory/agents.rs`, `protocol/token/user_fic.rs` |
//! | the identities of the machine | `config/{machine,managed_identity}.rs`, `state/directory/machine.rs` |
//! | a source of their tokens | its file in `managed_identity/` |
//! | the pages | `protocol/authorize/pages.rs`, `landing/`, their style in `html.rs` |

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
mod managed_identity;
mod protocol;
mod redact;
mod router;
mod second_issuer;
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
    ActivityFeed, Api, App, ClaimsMatchingExpression, Config, ContentType, DelegatedPermission, FederatedCredential,
    Group, IssuerKeys, Issuers, Machine, ManagedDevice, ManagedIdentity, ManagedIdentitySource, NextPageHeader,
    Permission, Secret, Tenant, TokenVersion, UpdateRing, User, UserType,
};
pub use crate::emulator::{AssertionSource, Emulator};
pub use crate::error::Error;
pub use crate::forge::{AssertionForge, Defect, Forge, SignatureAlgorithm};
pub use crate::headless::{ErrorPage, Redirect};
pub use crate::state::clock::Clock;
pub use crate::state::fault::{Cut, Delivery, Fault};
pub use crate::state::recorder::{Channel, Endpoint, Lint, Parameter, Purpose, RequestEvent};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
