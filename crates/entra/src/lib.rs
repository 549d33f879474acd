//! Access tokens from Microsoft Entra ID (Azure AD) for daemons, services and web APIs.
//!
//! The primary type is [`Client`], which acquires tokens, caches them and refreshes them. It is
//! created from an [`Application`]: a client ID, an authority and a credential. A [`Target`] names
//! the API that a token is for, and a [`Token`] is the value of an `Authorization` header.
//! [`blocking::Client`] does the same without an async runtime.
//!
//! This crate is what most programs need: it re-exports the crates below it, and creates a client
//! from the environment. The guides are in [`_docs`] of this documentation, and in the folder
//! `crates/entra/docs` of the repository.
//!
//! # A program
//!
//! ```no_run
//! # #[cfg(any(feature = "hyper", feature = "reqwest"))]
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), entra::Report> {
//!     let client = entra::Client::from_env()?;
//!     let graph = entra::Target::resource("https://graph.microsoft.com")?;
//!     let token = client.token(&graph).await?; // later calls: from the cache
//!     let header = token.authorization(); // "Bearer ey..."
//! #   let _ = header;
//!     Ok(())
//! }
//! # #[cfg(not(any(feature = "hyper", feature = "reqwest")))]
//! # fn main() {}
//! ```
//!
//! Call `token` before every request and do not cache tokens yourself.
//! Concurrent callers share one token request, tokens are refreshed in the background, and an
//! unexpired token is used while Entra is unavailable.
//!
//! # The environment
//!
//! `from_env` reads the variables that the Azure SDKs share. An empty variable counts as unset.
//!
//! | variable | meaning |
//! |---|---|
//! | `AZURE_TENANT_ID` | the tenant: its ID, or a domain of it |
//! | `AZURE_CLIENT_ID` | the application (client) ID |
//! | `AZURE_CLIENT_SECRET` | the client secret |
//! | `AZURE_CLIENT_CERTIFICATE_PATH` | instead: a PEM or PFX file with certificate and key |
//! | `AZURE_CLIENT_CERTIFICATE_PASSWORD` | the password of that file, if it has one |
//! | `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN` | `1` or `true` to send the certificate chain |
//! | `AZURE_FEDERATED_TOKEN_FILE` | instead of both: a file with another issuer's assertion |
//! | `AZURE_AUTHORITY_HOST` | the cloud, if not the public one, or a local emulator |
//! | `AZURE_REGIONAL_AUTHORITY_NAME` | the region of the token endpoint, if not the global one |
//! | `AZURE_TOKEN_CREDENTIALS` | the credentials to look for: `prod`, `dev`, or one of them |
//!
//! The credentials form a strict [`Chain`]. The first one that is not absent is used, and a
//! rejected one is never replaced by another:
//!
//! | credential | absent if | value of `AZURE_TOKEN_CREDENTIALS` |
//! |---|---|---|
//! | environment | no secret or certificate is set | `EnvironmentCredential` |
//! | workload identity | no federated token file is set | `WorkloadIdentityCredential` |
//! | managed identity | the machine has none | `ManagedIdentityCredential` |
//! | Azure CLI | not installed, or no user | `AzureCliCredential` |
//! | Azure Developer CLI | not installed, or no user | `AzureDeveloperCliCredential` |
//!
//! `prod`, the default, is the first three, and `dev` is the last two. A secret and a certificate
//! together are an error, and so are variables that are set without those that belong to them. The
//! managed identity is the system-assigned one, unless `AZURE_CLIENT_ID` names another. Only a
//! machine without configured credentials is asked for its managed identity, with one request of
//! at most one second. [`Client::chain`](entra_client::client::Client::chain) says which credential
//! was chosen, and why others are absent.
//!
//! In a cluster of Azure Kubernetes Service with identity bindings, the token requests of a
//! workload identity go to the cluster's proxy (`AZURE_KUBERNETES_TOKEN_PROXY` and the variables
//! beside it).
//!
//! The value `TryAutoDetect` of `AZURE_REGIONAL_AUTHORITY_NAME` means the region of the machine.
//! Unless `REGION_NAME` names it, only a request can detect it, and `from_env` sends none: call
//! `find_region` or [`blocking::find_region`] before it. Otherwise the global endpoint is used,
//! with a warning in the log. Tokens of managed identities have no region.
//!
//! The async client uses reqwest if that feature is on, and hyper otherwise; the blocking client
//! uses ureq. [`principal_from_env`] and [`token_proxy_from_env`] are for a transport of yours, and
//! [`chain_from_env`] for another order of credentials.
//!
//! # Settings in the program
//!
//! ```
//! use entra::{Application, ClientSecret};
//!
//! let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
//! let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?; // from a vault
//! let application = Application::new(authority, client_id, secret);
//! # #[cfg(feature = "ureq")] {
//! let transport = entra::UreqTransport::new()?;
//! let client = entra::blocking::Client::new(application, transport);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A certificate ([`credential::ClientCertificate`]) takes the place of the secret, and so does an
//! assertion of another issuer ([`federation`]) or the managed identity of the machine
//! ([`managed_identity`]). A managed identity is also a principal of its own:
//!
//! ```no_run
//! # #[cfg(feature = "ureq")] {
//! use entra::managed_identity::Identity;
//! use entra::{UreqTransport, blocking::Client};
//!
//! let transport = UreqTransport::new()?;
//! let client = Client::managed_identity(Identity::system(), transport);
//! # }
//! # Ok::<(), entra::Report>(())
//! ```
//!
//! # Errors
//!
//! Every error states the problem in its `Display` and the remedy in `hint()`. A `main` that
//! returns `Result<(), Report>` prints both: see [`Report`]. [`Error::class`] says who has to act.
//! The types of the protocol return a [`ProtocolError`] for an invalid input.
//!
//! # Crate features
//!
//! Without a transport feature there is no `from_env`, and [`Client`] needs a transport of yours.
//!
//! - `reqwest`, `hyper`: a transport for the async client, which then runs on tokio.
//! - `ureq`: the transport of the blocking client.
//! - `pfx`: PFX files, and private keys under a password. PEM files work without it.
//! - `tenants`: the module `tenants`, a store for the tenants that consented and their secrets.
//! - `tower`: the module `tower`, bearer tokens on the requests of any tower service.
//! - `reqwest-middleware`: `reqwest` and `tower`, with a middleware of that crate.
//! - `validate`: the module `validate`, validation of access tokens at a web API.
//! - `axum`: `tower` and `validate`, with an extractor for axum.
//! - `aws-lc-rs` (default), `ring`: the cryptography. One of them is needed.
//! - `native-roots` (default), `webpki-roots`: the trusted certificate authorities, those of the
//!   system or Mozilla's list. With both, the list is used only if the system has none and neither
//!   `SSL_CERT_FILE` nor `SSL_CERT_DIR` is set.
//! - `coarse-clock` (default): reads Linux's coarse clocks, which makes a cached token cheaper.
//!
//! # The crates below
//!
//! | crate | use it alone for |
//! |---|---|
//! | `entra-proto` | the protocol without I/O: your own HTTP client, runtime or platform |
//! | `entra-client` | the client over your own transport; observer, store, runtime |
//! | `entra-transport` | a transport of your own; `entra-transport-conformance` tests it |
//! | `entra-credential` | certificate files and signatures without the client |
//! | `entra-tower`, `entra-validate`, `entra-tenants` | the modules of these names |
//! | `entra-azure-core` | the clients of the Azure SDK, with the tokens of a client |
//! | `entra-object-store` | Azure Blob Storage in `object_store`, likewise |
//! | `entra-redis` | connections of redis-rs, likewise |
//! | `entra-emulator` | tests: a local token service (a dev-dependency) |
//!
//! # What is not here
//!
//! The password grant, and tokens that are bound to the key of a client certificate.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(doc, not(doctest)))]
pub mod _docs;
mod chain;
mod developer;
mod environment;
mod failure;
mod region;

pub use chain::{chain_from_env, principal_from_env, token_proxy_from_env};
pub use developer::{AzureCli, AzureDeveloperCli};
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub use entra_client::find_region;
pub use entra_client::{
    Absence, BuildError, Chain, ChainReport, Client, ClientBuilder, Consent, ConsentFlow, Error, PendingConsent,
    Policy, Principal, SignIn, Token, TokenChanges, TokenOptions, TokenSource, User, blocking,
};
pub use entra_credential as credential;
pub use entra_proto::{
    Application, Authority, ClientCredential, ClientId, ClientSecret, Cloud, EndpointVersion, Error as ProtocolError,
    Guid, KnownApi, Resource, Scope, Scopes, Target, Tenant, Timestamp, acquired, agents, assertion, authorize, claims,
    device, endpoint,
    environment::{CredentialSource, TokenProxySettings},
    error, federation, managed_identity, regions,
};
#[cfg(feature = "tenants")]
pub use entra_tenants as tenants;
#[cfg(feature = "tower")]
pub use entra_tower as tower;
pub use entra_transport as transport;
#[cfg(feature = "hyper")]
pub use entra_transport_hyper::HyperTransport;
#[cfg(feature = "reqwest")]
pub use entra_transport_reqwest::ReqwestTransport;
#[cfg(feature = "ureq")]
pub use entra_transport_ureq::UreqTransport;
#[cfg(feature = "validate")]
pub use entra_validate as validate;
pub use environment::application_from_env;
pub use failure::{Errors, FromEnvError, Report};
