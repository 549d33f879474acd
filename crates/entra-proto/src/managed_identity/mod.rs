//! Managed identities: tokens that the platform under a workload issues, without any secret.
//!
//! A [`ManagedIdentity`] is an [`Identity`], system-assigned or user-assigned, on a [`Host`]. The
//! host is the machine: its environment variables and two of its files. The variables determine the
//! [`Source`] of the tokens, which [`ManagedIdentity::detect`] reports with its reasons. The
//! acquisition of a [`ManagedIdentityRequest`] reads them again, because a platform may replace
//! their values while the process runs.
//!
//! The first source whose variables are set is used:
//!
//! | source | detected by | request | client ID | object ID | resource ID |
//! |---|---|---|---|---|---|
//! | Service Fabric | `IDENTITY_ENDPOINT`, `IDENTITY_HEADER`, `IDENTITY_SERVER_THUMBPRINT` | GET, `Secret` | - | `principalId` | - |
//! | App Service | `IDENTITY_ENDPOINT`, `IDENTITY_HEADER` | GET, `X-IDENTITY-HEADER` | `client_id` | `object_id` | `mi_res_id` |
//! | Azure ML | `MSI_ENDPOINT`, `MSI_SECRET` | GET, `secret` | `clientid` | - | - |
//! | Cloud Shell | `MSI_ENDPOINT` | POST | - | - | - |
//! | Azure Arc | `IDENTITY_ENDPOINT`, `IMDS_ENDPOINT`, or the agent's program | two GETs | `client_id` | `object_id` | `msi_res_id` |
//! | IMDS | nothing else | GET | `client_id` | `object_id` | `msi_res_id` |
//!
//! An identity that a source does not accept is an error before anything is sent.
//!
//! # The walk
//! Each request is an exchange of the [acquisition machine](crate::acquire), with a [`LocalRoute`]:
//! the permission to use plain `http` to this machine or its link-local addresses, without a proxy.
//!
//! ```text
//!  start: read the variables
//!    │ IMDS, in a chain  ┌───────┐ no response, or that of a container host
//!    ├──────────────────►│ Probe ├──────────────────────────────► absent
//!    │                   └───┬───┘
//!    │ otherwise             │ any other response
//!    ▼                       ▼
//!  ┌───────────────────────────┐ busy, or no response  ┌───────┐
//!  │          Request          ├──────────────────────►│ Pause │
//!  └──▲──┬─────────────────┬───┘                       └─▲───┬─┘
//!     │  │ Azure Arc: 401  │ a token                     │   │
//!     │  ▼ read the key    │                             │   │
//!     │ ┌────────────────┐ │                             │   │
//!     │ │Request with key├─┼─────────────────────────────┘   │
//!     │ └──────┬─────────┘ │                                 │
//!     └────────┼───────────┼─────────────────────────────────┘
//!              │ a token   │
//!              ▼           ▼
//!         check the identity of the token ──► Done, or the client assertion
//!                                             of a waiting request
//! ```
//!
//! - **Probe**: only if a request is [probing](ManagedIdentityRequest::probing), as in a chain of
//!   credentials. It has no header, so the service rejects it, and one second to connect. It is
//!   never repeated. After it, a response that is not JSON means that another service responds in
//!   place of IMDS, and that there is no managed identity.
//! - **Azure Arc**: the agent responds with the path of a key that only administrators can read.
//!   The file that is opened has a path of this crate's own, in the agent's folder, whatever the
//!   response names. A success without a challenge proves nothing, so it is an error. Each attempt
//!   begins at the challenge, because a key is for one request.
//! - **Service Fabric**: the certificate of the server is pinned, so that the secret is sent only
//!   to the server that the platform named.
//! - **The identity**: a token of another identity than the requested one is dropped. The agent of
//!   Azure Arc must name the identity, because older agents ignore the one in the request.
//! - **Pauses**: each source has its schedule. IMDS: 1, 2 and 4 s, and ten seconds up to seven
//!   times while it is upgraded (status 410). The others: three times 1 s. A longer `Retry-After`
//!   takes precedence, and a [`RetryPolicy`](crate::acquire::RetryPolicy) stricter than the default
//!   limits all of it.
//!
//! A token of Cloud Shell is one of the user who signed in
//! ([`Source::issues_user_tokens`]), so it authenticates no application.
//!
//! # Example
//! See [`ManagedIdentity`].

mod arc;
mod call;
mod detection;
mod host;
mod identity;
mod moment;
mod principal;
mod refusal;
mod reply;
mod request;
mod retry;
mod route;
mod source;
mod variables;
mod walk;

pub use detection::{Detection, Evidence};
pub use host::{Host, Platform};
pub use identity::Identity;
pub use principal::{ManagedIdentity, ResourceIdParameter};
pub use request::ManagedIdentityRequest;
pub use route::LocalRoute;
pub use source::Source;

pub(crate) use retry::{Failure, Failures, UPGRADE_DEADLINE};
pub(crate) use walk::{Turn, Walk};
