//! Workload identity federation: an assertion of another issuer in place of a secret.
//!
//! An application trusts an issuer by a federated credential, which names the issuer, the subject
//! and the audience of the assertions that Entra accepts.
//!
//! # Sources of assertions
//! [`GitHubActions`], [`AzurePipelines`] and [`HttpSource`] request an assertion from another
//! service. Each converts into a [`ClientCredential`](crate::ClientCredential) whose request the
//! acquisition sends first (see [`AssertionExchange`](crate::acquired::AssertionExchange)). Each
//! token request gets a new assertion. Other sources are an
//! [`AssertionSource`](crate::assertion::AssertionSource): `entra-credential` implements it for
//! files, variables and commands.
//!
//! # Reading of assertions
//! [`PresentedAssertion`] reads the claims that decide which federated credential matches, names
//! the [`Workload`], lists the [problems](AssertionProblem) that Entra would reject the assertion
//! for, and writes the [`Registration`] of the matching federated credential.

mod azure_pipelines;
mod endpoint;
mod entra_subject;
mod github_actions;
mod github_subject;
mod http_source;
mod presented;
mod problem;
mod registration;
mod reply;
pub(crate) mod variables;
mod workload;

pub use azure_pipelines::AzurePipelines;
pub use entra_subject::EntraSubject;
pub use github_actions::GitHubActions;
pub use github_subject::{GitHubContext, GitHubSubject};
pub use http_source::HttpSource;
pub use presented::PresentedAssertion;
pub use problem::AssertionProblem;
pub use registration::Registration;
pub use workload::Workload;
