//! A credential provider for Azure Blob Storage in [`object_store`], whose tokens come from the
//! cache of [`entra_client`].
//!
//! The crate `object_store` has credentials of its own for Azure. Use this one if a program also
//! gets tokens for other APIs, so that all of them have one cache and one place of settings, or for
//! what only `entra_client` has: chains, certificates, agents, users, and one token request for all
//! stores and callers.
//!
//! Most programs make the client with the crate `entra`, whose `Client` is the one of
//! [`entra_client`].
//!
//! The primary type is [`EntraCredentialProvider`]: the provider that a store takes.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use entra_client::Client;
//! use entra_object_store::EntraCredentialProvider;
//! use object_store::azure::MicrosoftAzureBuilder;
//! # use entra_proto::{Application, ClientSecret};
//! # use entra_transport::{Body, Response, transport_fn};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let transport = transport_fn(|_| async {
//! #     let body = r#"{"access_token":"t","expires_in":3599}"#;
//! #     Ok(Response::new(Body::from(body.to_owned())))
//! # });
//! # let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
//! # let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! # let secret = ClientSecret::new("s3cret")?;
//! # let app = Application::new(authority.parse()?, client_id, secret);
//!
//! // The principal is an application, a managed identity or a chain. The
//! // transport is for example entra-transport-hyper.
//! let client = Client::new(app, transport);
//! let provider = Arc::new(EntraCredentialProvider::new(&client)?);
//!
//! let builder = MicrosoftAzureBuilder::new()
//!     .with_account("contoso")
//!     .with_container_name("invoices")
//!     .with_credentials(provider.clone());
//! // let store = builder.build()?; // with the feature `azure` of object_store
//! # drop(builder);
//! # Ok(())
//! # }
//! ```
//!
//! # Tokens
//! A store asks for a credential before every request, and keeps none. So the rules of
//! [`entra_client`] hold unchanged: the token is refreshed in the background before it expires, all
//! stores and callers share one token request, and an unexpired token is used while the service is
//! down. A cached token takes one allocation, the future of the trait's method.
//!
//! # Rejected tokens
//! A store does not tell its provider that Azure rejected a token, and does not read the challenge
//! of the response. If an operation fails with [`object_store::Error::Unauthenticated`], call
//! [`EntraCredentialProvider::invalidate`] and start the operation again. There are no tokens with
//! the claims of a challenge.
//!
//! # Errors
//! If there is no token, the operation fails with [`object_store::Error::Generic`]. Its text has
//! the error code of the service (`AADSTS7000215`) and advice. [`entra_client::Error::find`]
//! returns the client's error, with its class and its time of retry. The store does not retry this
//! error: the client has already retried, and caches the failure for a short time.
//!
//! # Features
//! None. This crate enables the feature `azure-base` of `object_store`, which has the types of
//! Azure without an HTTP client and without cryptography. Programs enable `azure` beside it.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod provider;

pub use provider::EntraCredentialProvider;
