//! The errors of the protocol: the problem, the hint, and the service's error response as data.
//!
//! `Display` of each type shows the problem only. The advice is [`Diagnose::hint`], the causes are
//! `source()`, and a [`Report`](crate::report::Report) shows all of it.

pub(crate) mod aadsts;
mod class;
mod diagnose;
mod error_response;
pub mod hints;
mod input;
mod leg;
mod managed_identity;
mod redaction;
mod redirect;
mod response;
mod service;
pub(crate) mod top;

pub use crate::printable::printable;
pub use crate::secrecy::may_be_secret;
pub use crate::secret_doubt::SecretDoubt;
pub use aadsts::Aadsts;
pub use class::ErrorClass;
pub use diagnose::Diagnose;
pub(crate) use error_response::{ErrorResponse, is_error_code, is_page, is_word, shown_of_body};
pub use input::{Input, InputError};
pub use leg::{Leg, LegError};
pub use managed_identity::{ManagedIdentityError, ManagedIdentityErrorKind};
pub(crate) use redaction::Secrets;
pub use redirect::{RedirectError, RedirectProblem};
pub use response::{Requested, ResponseError, ResponseProblem};
pub(crate) use service::MAX_TEXT;
pub use service::ServiceError;
pub(crate) use top::Error;

/// Returns the problem and the hint in one line.
#[cfg(test)]
pub(crate) fn in_full(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
