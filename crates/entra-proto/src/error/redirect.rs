//! The error for a redirect that does not belong to the request that was started.

use std::fmt;

use crate::error::Diagnose;
use crate::guid::Guid;
use crate::printable::excerpt;

/// A redirect that does not belong to the request that was started. Use nothing of it.
///
/// The error contains no code, no state and no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectError {
    /// The problem of the redirect.
    pub problem: RedirectProblem,
}

/// The problem of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectProblem {
    /// It is longer than 256 KiB.
    TooLarge,
    /// It is not percent-encoded UTF-8.
    NotEncoded,
    /// It was copied from a document or the source of a page: it has `&amp;` in place of `&`.
    HtmlEscaped,
    /// It has this parameter twice; the name is `?` if it is not a parameter of Entra.
    Duplicate(String),
    /// It has no state. The value is its `error`, if that is an error code.
    NoState(Option<String>),
    /// Its state differs from the one that was sent: it belongs to another sign-in, or to none.
    WrongState,
    /// Its `iss`, cut, differs from the authority of the request (RFC 9207, section 2.4); it is `?`
    /// if it is not a URL.
    WrongIssuer(String),
    /// It has neither a code nor an error.
    NoCode,
    /// Its code is empty, too long, or contains characters other than visible ASCII.
    InvalidCode,
    /// It reports consent without the ID of the tenant.
    NoTenant,
    /// It reports consent in this tenant, which is not the tenant of the request.
    WrongTenant(Guid),
    /// It does not report that consent was granted.
    NoConsent,
}

impl RedirectError {
    /// Returns what to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match &self.problem {
            RedirectProblem::HtmlEscaped => {
                "replace each &amp; with &, or copy the URL from the address bar of the browser"
            }
            RedirectProblem::NoState(_) | RedirectProblem::WrongState => {
                "accept only redirects of sign-ins that this program started in the same browser, and each only once"
            }
            RedirectProblem::WrongIssuer(_) => "do not use the redirect: it comes from another authority",
            RedirectProblem::WrongTenant(_) => "have an administrator of the requested tenant grant consent",
            RedirectProblem::NoCode => {
                "pass the query of the redirect, its fragment (response_mode=fragment) or its body (response_mode=form_post)"
            }
            _ => "start the sign-in again, and pass the redirect unchanged",
        })
    }
}

impl From<RedirectProblem> for RedirectError {
    fn from(problem: RedirectProblem) -> Self {
        Self { problem }
    }
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the redirect ")?;
        match &self.problem {
            RedirectProblem::TooLarge => f.write_str("is longer than 256 KiB"),
            RedirectProblem::NotEncoded => f.write_str("is not percent-encoded UTF-8"),
            RedirectProblem::HtmlEscaped => f.write_str("is escaped as HTML: it has &amp; in place of &"),
            RedirectProblem::Duplicate(name) => write!(f, "has the parameter {} twice", excerpt(name, 40)),
            RedirectProblem::NoState(None) => f.write_str("has no state"),
            RedirectProblem::NoState(Some(error)) => write!(f, "has no state (its error is {})", excerpt(error, 60)),
            RedirectProblem::WrongState => f.write_str("has a state other than the one that was sent"),
            RedirectProblem::WrongIssuer(issuer) => write!(f, "comes from another issuer: {}", excerpt(issuer, 100)),
            RedirectProblem::NoCode => f.write_str("has neither a code nor an error"),
            RedirectProblem::InvalidCode => f.write_str("contains an invalid authorization code"),
            RedirectProblem::NoTenant => f.write_str("does not contain the ID of a tenant"),
            RedirectProblem::WrongTenant(tenant) => {
                write!(f, "comes from another tenant than the one that was requested: {tenant}")
            }
            RedirectProblem::NoConsent => f.write_str("does not contain admin_consent=True"),
        }
    }
}

impl std::error::Error for RedirectError {}

impl Diagnose for RedirectError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}
