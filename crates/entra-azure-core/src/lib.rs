//! A credential for the clients of the Azure SDK for Rust ([`azure_core`]), whose tokens come from
//! the cache of [`entra_client`].
//!
//! The clients of Storage, Key Vault, Cosmos DB and others take an `Arc<dyn TokenCredential>`. With
//! this crate it is any principal of [`entra_client`]: an application with a secret, certificate or
//! federated assertion, a managed identity, a chain, an agent, a user. All SDK clients of a program
//! and its other code then share one cache.
//!
//! Most programs make the client with the crate `entra`, whose `Client` is the one of
//! [`entra_client`].
//!
//! The primary types are:
//!
//! - [`EntraCredential`]: the credential. It returns cached tokens at once, and sends one token
//!   request for all clients that wait for the same token.
//! - [`ReplaceRejected`]: a policy for the clients' pipelines. It sends a request again with
//!   another token if the API rejects the first one, and satisfies claims challenges (continuous
//!   access evaluation, CAE).
//!
//! ```text
//!   SDK client ─► ReplaceRejected ─► retries ─► bearer policy ─► HTTP
//!                    ▲       │                   │ has a copy
//!                    │ 401   │ again, with       │ of the token
//!                    │       ▼ the reason        ▼
//!                    └────── context ─────────► EntraCredential
//!                                                │
//!                                                ▼
//!                                              Client: the cache
//! ```
//!
//! # Example
//! ```no_run
//! use std::sync::Arc;
//! use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
//! use entra_azure_core::{EntraCredential, ReplaceRejected};
//! use entra_client::Client;
//! # use entra_proto::managed_identity::Identity;
//! # use entra_transport::Transport;
//! # type Error = Box<dyn std::error::Error>;
//! # async fn run(transport: impl Transport + 'static) -> Result<(), Error> {
//!
//! // The principal is an application, a managed identity or a chain. The
//! // transport is for example entra-transport-hyper.
//! let client = Client::managed_identity(Identity::system(), transport);
//! let credential = Arc::new(EntraCredential::new(client));
//!
//! let mut options = BlobServiceClientOptions::default();
//! let policies = &mut options.client_options.per_call_policies;
//! policies.push(Arc::new(ReplaceRejected::new(&credential)));
//!
//! let url = "https://contoso.blob.core.windows.net".parse()?;
//! let storage = BlobServiceClient::new(url, Some(credential), Some(options))?;
//! let blob = storage.blob_client("invoices", "2026.csv");
//! if blob.exists().await? {
//!     println!("the invoices of 2026 are there");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Caching
//! The bearer policy of `azure_core` keeps a copy of the token for each SDK client, until five
//! minutes before its `expires_on`. It has no time of refresh. So `expires_on` here is the end of
//! the token, or, if the client refreshes the token in the background before that, five minutes
//! after the time of that refresh: the SDK then asks again, gets the cached token at once, and a
//! minute later the new one. While refreshes fail, the SDK asks once a minute, and gets the old
//! token until its true end. Do not show `expires_on` to users as the end of a token.
//!
//! The client of Cosmos DB has no copy: it asks before every request.
//!
//! A cached token takes two allocations: the future of the trait's method, and the copy of the
//! token for the SDK. The SDK's copies are not overwritten when they are dropped.
//!
//! # Rejected tokens
//! Without [`ReplaceRejected`], an API's rejection (status 401) is unknown to the credential. The
//! SDK drops its copy of the token and asks again, gets the same cached token, and the caller gets
//! the 401 until the token is refreshed. With the policy:
//!
//! - **A 401 without claims**: the token is reported to the client as rejected, and the request is
//!   sent again with a newer one. One token request serves all rejected requests.
//! - **A 401 with a claims challenge** that names the cloud of the tokens: the request is sent
//!   again with a token that has these claims. Such a token has its own cache entry. Declare the
//!   capability with `Application::with_capabilities(&["cp1"])`, or APIs send no such challenge.
//! - A challenge that names no authority or another one, or claims that cannot be parsed, change
//!   nothing.
//!
//! If no other token is available, the caller gets the 401, and the reason is in the log
//! (`tracing`). A request with a body that cannot be read twice is not repeated. A request is sent
//! three times at most: the second repetition is for the case that another request, sent at the
//! same time, put the rejected token back into the copy of the SDK.
//!
//! The pipeline of `azure_core` limits this:
//!
//! - The trait passes neither claims nor a tenant. The policy passes the rejection in the context
//!   of the request, which the clients of Storage and Key Vault hand on. A client that makes its
//!   own context for token requests gets no other token.
//! - The tenant of a Key Vault challenge is not passed. The credential's client has one tenant: for
//!   another, use `client.tenant(..)`.
//! - A token with claims is used until the SDK's copy expires, or is rejected. The next one is
//!   requested without the claims, is rejected if they are still required, and replaced.
//! - The client of Cosmos DB takes no policies. After a 401, call `forget` of the credential's
//!   client for the target, and send the request again.
//! - The client of Key Vault sends the rejected token twice before the policy sees the response.
//! - An API that requires other claims each time causes a token request each time.
//! - The SDK keeps one `WWW-Authenticate` header of several.
//!
//! # Errors
//! If there is no token, a request fails with an error of the kind
//! [`Credential`](azure_core::error::ErrorKind::Credential), which the SDK does not retry: the
//! client has already retried, and caches the failure for a short time. The SDK wraps the error,
//! and its text is then "non-transport error occurred which will not be retried". So show the
//! sources of an error, or its report:
//!
//! ```
//! use entra_client::{Error, Report};
//!
//! fn show(error: &azure_core::Error) {
//!     // With the error code of the service, its IDs, and advice.
//!     eprintln!("{:#}", Report::of(error));
//!     if Error::find(error).is_some_and(Error::is_retryable) {
//!         eprintln!("the token service is busy or unreachable");
//!     }
//! }
//! ```
//!
//! While the SDK's copy of a token is unexpired, a failed refresh causes no error.
//!
//! # Features
//! None. This crate uses the traits of `azure_core` only, without its HTTP client, TLS and tokio.
//! The crates of the SDK enable them by their default features.
//!
//! It is for the stable releases of the SDK: a crate that requires a pre-release of `azure_core`
//! (1.2.0-beta.1) cannot be a dependency of the same program.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod credential;
mod policy;
mod rejection;
mod targets;

pub use credential::EntraCredential;
pub use policy::ReplaceRejected;
