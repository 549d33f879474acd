//! The error about a response that cannot be used.

use std::fmt;

use crate::body::MAX_RESPONSE;
use crate::error::{Diagnose, Secrets};

/// A response that is neither a token nor an error response that can be read. Of its body it holds a token type at the most, cut
/// short, and only where it cannot be a secret: the rest may be a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseError {
    /// What is wrong with the answer.
    pub problem: ResponseProblem,
    /// What was asked for.
    pub requested: Requested,
    /// Its HTTP status.
    pub status: u16,
    /// The media type of its `Content-Type`, where it has one, without parameters.
    pub content_type: Option<String>,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// It has no body.
    Empty,
    /// Its body is longer than [`MAX_RESPONSE`](crate::acquire::MAX_RESPONSE), and was not read.
    TooLarge,
    /// Its JSON ends too early.
    Truncated,
    /// Its body is not JSON.
    NotJson {
        /// The line of the first fault, from 1.
        line: usize,
        /// The column of the first fault, from 1.
        column: usize,
    },
    /// Its body is JSON, but not an object whose known members have the right types and stand there once.
    WrongShape {
        /// The line of the first fault, from 1.
        line: usize,
        /// The column of the first fault, from 1.
        column: usize,
    },
    /// This member, which holds a secret, is something else than a string.
    NotAString(&'static str),
    /// It is a success without an access token, or with an empty one.
    NoToken,
    /// Its token holds white space, control characters or something beyond ASCII, and would make no header.
    UnfitToken,
    /// It is a refusal with an access token in it.
    TokenInRefusal,
    /// Its ID token does not carry the nonce that was sent: it belongs to another sign-in.
    Nonce,
    /// It starts no device flow: it has no device code, no user code, or no address that a person could open.
    NoDeviceCode,
    /// Its lifetime is negative, or no count of seconds.
    OddLifetime,
    /// The token is of another type than Bearer: this one; `?` where that is no short word of letters.
    TokenType(String),
    /// It redirects elsewhere, which is never followed: the request holds a credential. The host it names, where that is clear.
    Redirect(Option<String>),
}

/// What an answer was asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requested {
    /// A token.
    Token,
    /// A token, with an authorization code, which is good for one request.
    TokenForCode,
    /// The codes that start a device flow.
    DeviceCode,
}

impl ResponseError {
    /// Whether the same request may succeed a little later: where the answer was cut short, and no authorization code was spent for it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_cut() && self.requested != Requested::TokenForCode
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self.problem {
            _ if self.is_cut() && self.requested == Requested::TokenForCode => {
                "start the sign-in again, since its code may be spent; if it stays so, look for a proxy that cuts responses"
            }
            ResponseProblem::Empty | ResponseProblem::Truncated => {
                "try again; if it stays so, look for a proxy that cuts responses"
            }
            ResponseProblem::NotJson { .. } | ResponseProblem::Redirect(_) => {
                "look for a proxy or a sign-in portal between this machine and the service, and check the authority"
            }
            ResponseProblem::Nonce => "do not use it, and start the sign-in again",
            _ => "check the authority: Entra sends no such response",
        })
    }

    /// The same error without these secrets in it.
    pub(super) fn redacted(mut self, secrets: &Secrets) -> Self {
        self.content_type.iter_mut().for_each(|text| secrets.blot(text));
        match &mut self.problem {
            ResponseProblem::TokenType(text) | ResponseProblem::Redirect(Some(text)) => secrets.blot(text),
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
                    "has a member of the wrong type, or one twice (line {line}, column {column})"
                )?;
            }
            ResponseProblem::NotAString(member) => write!(f, "has a member {member} that is not a string")?,
            ResponseProblem::NoToken => f.write_str("has no access token")?,
            ResponseProblem::UnfitToken => {
                f.write_str("has an access token with characters that no header may hold")?
            }
            ResponseProblem::OddLifetime => f.write_str("has a lifetime that is no count of seconds")?,
            ResponseProblem::Nonce => f.write_str("has an ID token with another nonce than the one that was sent")?,
            ResponseProblem::NoDeviceCode => f.write_str("has no device code, user code or verification address")?,
            ResponseProblem::TokenInRefusal => f.write_str("is an error response with an access token in it")?,
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
