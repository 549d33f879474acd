//! The error for a response that is neither a token nor a readable error response.

use std::fmt;

use crate::body::MAX_RESPONSE;
use crate::error::hints::{CUT_RESPONSE, FOREIGN_RESPONSE};
use crate::error::{Diagnose, Secrets};

/// A response that is neither a token nor a readable error response.
///
/// Since the body may contain a token, the error contains at most the token type of it, cut, and
/// only if that cannot be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseError {
    /// The problem of the response.
    pub problem: ResponseProblem,
    /// The kind of response that was requested.
    pub requested: Requested,
    /// The HTTP status of the response.
    pub status: u16,
    /// The media type of its `Content-Type` header, without parameters.
    pub content_type: Option<String>,
}

/// The problem of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// It has no body.
    Empty,
    /// Its body is longer than [`MAX_RESPONSE`](crate::acquire::MAX_RESPONSE) and was not read.
    TooLarge,
    /// Its JSON ends too early.
    Truncated,
    /// Its body is not JSON.
    NotJson {
        /// The line of the first error, from 1.
        line: usize,
        /// The column of the first error, from 1.
        column: usize,
    },
    /// Its body is JSON, but not an object in which each known member has the right type and occurs
    /// once.
    WrongShape {
        /// The line of the first error, from 1.
        line: usize,
        /// The column of the first error, from 1.
        column: usize,
    },
    /// This member, which contains a secret, is not a string.
    NotAString(&'static str),
    /// It is a success without an access token, or with an empty one.
    NoToken,
    /// Its access token contains white space, control characters or non-ASCII characters, which no
    /// header may contain.
    InvalidToken,
    /// It is an error response that contains an access token.
    TokenInErrorResponse,
    /// Its ID token does not contain the nonce that was sent: it belongs to another sign-in.
    Nonce,
    /// It cannot start a device flow: it has no device code, no user code, or no URL that a user
    /// can open.
    NoDeviceCode,
    /// Its lifetime is negative or not a number of seconds.
    InvalidLifetime,
    /// It does not state the lifetime of its token.
    NoLifetime,
    /// Its token has expired, by the local clock.
    Expired,
    /// The token has this type, not Bearer; the type is `?` if it is not a short word of letters.
    TokenType(String),
    /// It is a redirect, which is never followed because the request contains a credential. The
    /// value is the host of the target, if it is clear.
    Redirect(Option<String>),
}

/// The kind of response that was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requested {
    /// A token.
    Token,
    /// A token for an authorization code, which is valid for one request only.
    TokenForCode,
    /// The codes that start a device flow.
    DeviceCode,
    /// A token of a managed identity, from the platform under the workload.
    ManagedIdentity,
}

impl ResponseError {
    /// Returns whether the same request may succeed later: if the response was cut, and the request
    /// used up no authorization code.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_cut() && self.requested != Requested::TokenForCode
    }

    /// Returns what to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self.problem {
            _ if self.is_cut() && self.requested == Requested::TokenForCode => {
                "start the sign-in again, because the code may be used up; if the error persists, look for a proxy that cuts responses"
            }
            ResponseProblem::Empty | ResponseProblem::Truncated => CUT_RESPONSE,
            ResponseProblem::NotJson { .. } | ResponseProblem::Redirect(_) => FOREIGN_RESPONSE,
            ResponseProblem::Nonce => "do not use the response, and start the sign-in again",
            _ => "check the authority: Entra sends no such response",
        })
    }

    /// Returns the same error without these secrets.
    pub(super) fn redacted(mut self, secrets: &Secrets) -> Self {
        self.content_type.iter_mut().for_each(|text| secrets.redact(text));
        match &mut self.problem {
            ResponseProblem::TokenType(text) | ResponseProblem::Redirect(Some(text)) => secrets.redact(text),
            _ => {}
        }
        self
    }

    fn is_cut(&self) -> bool {
        matches!(self.problem, ResponseProblem::Empty | ResponseProblem::Truncated)
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.requested {
            Requested::DeviceCode => "the device-code endpoint's response ",
            Requested::ManagedIdentity => "the response ",
            Requested::Token | Requested::TokenForCode => "the token endpoint's response ",
        })?;
        match &self.problem {
            ResponseProblem::Empty => f.write_str("is empty")?,
            ResponseProblem::TooLarge => write!(f, "is longer than {} MiB", MAX_RESPONSE >> 20)?,
            ResponseProblem::Truncated => f.write_str("ends too early")?,
            ResponseProblem::NotJson { line, column } => write!(f, "is not JSON (line {line}, column {column})")?,
            ResponseProblem::WrongShape { line, column } => {
                write!(
                    f,
                    "has a member of the wrong type or a repeated member (line {line}, column {column})"
                )?;
            }
            ResponseProblem::NotAString(member) => write!(f, "has a member {member} that is not a string")?,
            ResponseProblem::NoToken => f.write_str("has no access token")?,
            ResponseProblem::InvalidToken => {
                f.write_str("has an access token with characters that no header may contain")?
            }
            ResponseProblem::InvalidLifetime => f.write_str("has a lifetime that is not a number of seconds")?,
            ResponseProblem::NoLifetime => f.write_str("does not state the lifetime of its token")?,
            ResponseProblem::Expired => f.write_str("has a token that has expired, by the local clock")?,
            ResponseProblem::Nonce => f.write_str("has an ID token with a nonce other than the one that was sent")?,
            ResponseProblem::NoDeviceCode => f.write_str("has no device code, user code or verification URL")?,
            ResponseProblem::TokenInErrorResponse => f.write_str("is an error response with an access token in it")?,
            ResponseProblem::TokenType(kind) => write!(f, "has a token of type \"{kind}\", not Bearer")?,
            ResponseProblem::Redirect(Some(host)) => write!(f, "redirects to {host}, which is not followed")?,
            ResponseProblem::Redirect(None) => f.write_str("is a redirect, which is not followed")?,
        }
        write!(f, " (status {}", self.status)?;
        if let Some(content_type) = &self.content_type {
            write!(f, ", {content_type}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for ResponseError {}

impl Diagnose for ResponseError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}
