//! Microsoft Entra ID access tokens for daemons and services: one dependency for the client, its credentials and a transport.
//!
//! The primary type is [`Client`], which acquires tokens, caches them and refreshes them;
//! [`blocking::Client`] does so without a runtime. [`Application`] says who asks and with which
//! credential, [`Target`] says what for.
//!
//! ```no_run
//! # #[cfg(feature = "hyper")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = entra::Client::from_env()?;
//! let graph = entra::Target::resource("https://graph.microsoft.com")?;
//! let token = client.token(&graph).await?; // from the service, and from the cache from then on
//! let header = token.authorization(); // Bearer ey..
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "hyper"))]
//! # fn main() {}
//! ```
//!
//! # The environment
//! `from_env` reads the variables that the Azure SDKs share. An empty variable counts as unset.
//!
//! | variable | meaning |
//! |---|---|
//! | `AZURE_TENANT_ID` | the tenant: its ID, or a domain of it |
//! | `AZURE_CLIENT_ID` | the application (client) ID |
//! | `AZURE_CLIENT_SECRET` | the client secret |
//! | `AZURE_CLIENT_CERTIFICATE_PATH` | instead of it, a file with the certificate and its private key, PEM or PFX |
//! | `AZURE_CLIENT_CERTIFICATE_PASSWORD` | the password of that file, if it has one |
//! | `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN` | `1` or `true` to send the certificate chain |
//! | `AZURE_FEDERATED_TOKEN_FILE` | instead of both, a file with another issuer's assertion (workload identity) |
//! | `AZURE_AUTHORITY_HOST` | the cloud, if it is not the public one, or an emulator on this machine |
//!
//! A secret and a certificate together are an error. Either of them takes precedence over the federated
//! token file, which Kubernetes sets by itself. The transport is reqwest if its feature is on, else
//! hyper; the blocking client uses ureq.
//!
//! # Settings in the program
//!
//! ```
//! use entra::{Application, ClientSecret, Target};
//!
//! let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?; // from a vault of yours
//! let application = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
//! # #[cfg(feature = "ureq")] {
//! let client = entra::blocking::Client::new(application, entra::UreqTransport::new()?);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A certificate ([`credential::ClientCertificate`]) stands in the place of the secret.
//!
//! # Features
//! - `reqwest`, `hyper`: a transport for the async client, which then runs on tokio. `ureq`: one for the blocking client.
//! - `pfx`: PFX files, and private keys under a password. PEM files need no feature.
//! - `tenants`: the module `tenants`, a store for the tenants that consented and for sealed secrets of theirs.
//! - `tower`: the module `tower`, bearer tokens on the requests of any tower service.
//! - `validate`: the module `validate`, access tokens validated at a web API. `axum`: with an extractor for axum.
//! - `aws-lc-rs` (default) or `ring`: the cryptography. `native-roots` (default), `webpki-roots`: the trusted certificate authorities.
//! - `coarse-clock` (default): reads Linux's coarse clocks.
//!
//! # What is not here
//! The rest of the crates below: depend on `entra-client` and `entra-proto` to write a transport, a store or a driver of your own.

mod environment;
mod failure;

pub use entra_client::{
    BuildError, Client, ClientBuilder, Consent, ConsentFlow, Error, PendingConsent, Policy, SignIn, Token,
    TokenOptions, TokenSource, User, blocking,
};
pub use entra_credential as credential;
pub use entra_proto::{
    Application, Authority, ClientCredential, ClientId, ClientSecret, Cloud, EndpointVersion, Guid, KnownApi, Resource,
    Scope, Scopes, Target, Tenant, Timestamp, assertion, authorize, claims, device, endpoint, error,
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
