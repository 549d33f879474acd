//! Workload identity federation: an assertion of another issuer in place of a secret.
//!
//! An application trusts an issuer by a federated credential, which names the issuer, the subject
//! and the audience of the assertions that Entra accepts. [`PresentedAssertion`] reads these claims
//! of an assertion, names its [`Workload`], lists the [problems](AssertionProblem) that Entra would
//! reject it for, and writes the [`Registration`] of the matching federated credential.

mod entra_subject;
mod github_subject;
mod presented;
mod problem;
mod registration;
mod workload;

pub use entra_subject::EntraSubject;
pub use github_subject::{GitHubContext, GitHubSubject};
pub use presented::PresentedAssertion;
pub use problem::AssertionProblem;
pub use registration::Registration;
pub use workload::Workload;
