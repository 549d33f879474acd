//! The error about a redirect that is not a response to the request that was sent.

use std::fmt;

use crate::error::Diagnose;
use crate::guid::Guid;
use crate::printable::excerpt;

/// A redirect that does not answer what was asked: nothing in it is to be used. It holds no code, no state and no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectError {
    /// What is wrong with it.
    pub problem: RedirectProblem,
}

/// What is wrong with a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectProblem {
    /// It is longer than 256 KiB.
    TooLarge,
    /// It is not percent-encoded UTF-8.
    NotEncoded,
    /// It was copied out of a document or a page's source: `&amp;` stands for `&`.
    HtmlEscaped,
    /// This parameter stands there twice; `?` where it is not one of Entra's.
    Duplicate(String),
    /// It has no state. Its `error`, where that is an error code.
    NoState(Option<String>),
    /// Its state is another one: nobody here asked for it, or it belongs to another sign-in.
    WrongState,
    /// Its `iss`, cut, is not the authority that was asked (RFC 9207, section 2.4); `?` where it is no URL.
    WrongIssuer(String),
    /// It has neither a code nor an error.
    NoCode,
    /// Its code is empty, too long, or holds anything but visible ASCII.
    UnfitCode,
    /// It tells of consent without naming the tenant by its id.
    NoTenant,
    /// It tells of consent in this tenant, and another one was asked.
    WrongTenant(Guid),
    /// It does not say that the consent was given.
    NoConsent,
}

impl RedirectError {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match &self.problem {
            RedirectProblem::HtmlEscaped => "write & for each &amp;, or copy the URL from the browser's address bar",
            RedirectProblem::NoState(_) | RedirectProblem::WrongState => {
                "take only redirects of sign-ins that were started here, in the same browser, and each once"
            }
            RedirectProblem::WrongIssuer(_) => "do not use it: another authority has answered",
            RedirectProblem::WrongTenant(_) => "let an administrator of the tenant that was asked consent",
            RedirectProblem::NoCode => {
                "hand in what stands behind the ? of the redirect, behind its # (response_mode=fragment), or its body (form_post)"
            }
            _ => "start the sign-in again, and hand in the redirect as it came",
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
            RedirectProblem::HtmlEscaped => f.write_str("is escaped as HTML: &amp; stands in it for &"),
            RedirectProblem::Duplicate(name) => write!(f, "has the parameter {} twice", excerpt(name, 40)),
            RedirectProblem::NoState(None) => f.write_str("has no state"),
            RedirectProblem::NoState(Some(error)) => write!(f, "has no state (its error is {})", excerpt(error, 60)),
            RedirectProblem::WrongState => f.write_str("has another state than the one that was sent"),
            RedirectProblem::WrongIssuer(issuer) => write!(f, "is of another issuer: {}", excerpt(issuer, 100)),
            RedirectProblem::NoCode => f.write_str("has neither a code nor an error"),
            RedirectProblem::UnfitCode => f.write_str("has a code that is none"),
            RedirectProblem::NoTenant => f.write_str("names no tenant by its id"),
            RedirectProblem::WrongTenant(tenant) => {
                write!(f, "is of another tenant than the one that was asked: {tenant}")
            }
            RedirectProblem::NoConsent => f.write_str("does not say admin_consent=True"),
        }
    }
}

impl std::error::Error for RedirectError {}

impl Diagnose for RedirectError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}
