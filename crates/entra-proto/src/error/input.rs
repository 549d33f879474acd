//! The error for an invalid input of the caller.

use std::fmt;

use crate::error::{Diagnose, ErrorClass};
use crate::printable::excerpt;
use crate::secrecy::may_be_secret;

/// An invalid input: its kind, the problem, and what to use instead. Nothing was sent.
///
/// The value is part of the message, cut and escaped, unless it may be a secret.
///
/// ```
/// use entra_proto::error::{ErrorClass, Input};
/// use entra_proto::{Error, Tenant};
///
/// let Err(Error::Input(error)) = "not a tenant".parse::<Tenant>() else {
///     panic!("the text is a tenant");
/// };
/// assert_eq!(error.input(), Input::Tenant);
/// assert_eq!(error.class(), ErrorClass::Tenant);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputError {
    input: Input,
    value: Option<String>,
    problem: String,
    hint: Option<String>,
}

/// The kinds of input that an [`InputError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Input {
    /// An access token.
    AccessToken,
    /// An administrator's consent.
    AdminConsent,
    /// An authority: the URL of a tenant at a cloud.
    Authority,
    /// A claims request.
    Claims,
    /// A client assertion.
    ClientAssertion,
    /// A client ID.
    ClientId,
    /// A client secret.
    ClientSecret,
    /// The credential of an application.
    Credential,
    /// A device code.
    DeviceCode,
    /// A grant.
    Grant,
    /// A GUID.
    Guid,
    /// An ID token.
    IdToken,
    /// A managed identity.
    Identity,
    /// The origin of a server.
    Origin,
    /// A pending admin consent, as it was stored.
    PendingConsent,
    /// A pending sign-in, as it was stored.
    PendingSignIn,
    /// The prompt of a sign-in.
    Prompt,
    /// A redirect URI.
    RedirectUri,
    /// A refresh token.
    RefreshToken,
    /// A region.
    Region,
    /// A resource.
    Resource,
    /// A scope or a list of scopes.
    Scope,
    /// A sign-in.
    SignIn,
    /// A tenant.
    Tenant,
    /// A token.
    Token,
    /// A user.
    User,
    /// A user's token to exchange in an on-behalf-of request.
    UserAssertion,
    /// Any other input, by its name.
    Other(&'static str),
}

impl InputError {
    /// Creates an error for an input. `problem` continues the sentence that the input's name
    /// begins, for example "is empty".
    #[must_use]
    pub fn new(input: Input, problem: impl Into<String>) -> Self {
        Self {
            input,
            value: None,
            problem: problem.into(),
            hint: None,
        }
    }

    /// Adds the value to the message, cut and escaped, unless it may be a misplaced secret.
    pub(crate) fn value(mut self, value: &str) -> Self {
        self.value = quotable(value);
        self
    }

    /// Sets the hint: what to do about the error.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the kind of the invalid input.
    #[must_use]
    pub fn input(&self) -> Input {
        self.input
    }

    /// Returns the class of the error: what has to be fixed.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.input {
            Input::Scope | Input::Resource => ErrorClass::Scope,
            Input::Tenant | Input::Authority => ErrorClass::Tenant,
            Input::User => ErrorClass::Grant,
            _ => ErrorClass::Request,
        }
    }

    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} \"{value}\" {}", self.input, self.problem),
            None => write!(f, "{} {}", self.input, self.problem),
        }
    }
}

impl std::error::Error for InputError {}

impl Diagnose for InputError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The name of the input, with which the message of an error begins.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessToken => "access token",
            Self::AdminConsent => "admin consent",
            Self::Authority => "authority",
            Self::Claims => "claims",
            Self::ClientAssertion => "client assertion",
            Self::ClientId => "client ID",
            Self::ClientSecret => "client secret",
            Self::Credential => "credential",
            Self::DeviceCode => "device code",
            Self::Grant => "grant",
            Self::Guid => "GUID",
            Self::IdToken => "ID token",
            Self::Identity => "managed identity",
            Self::Origin => "origin",
            Self::PendingConsent => "pending consent",
            Self::PendingSignIn => "pending sign-in",
            Self::Prompt => "prompt",
            Self::RedirectUri => "redirect URI",
            Self::RefreshToken => "refresh token",
            Self::Region => "region",
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::SignIn => "sign-in",
            Self::Tenant => "tenant",
            Self::Token => "token",
            Self::User => "user",
            Self::UserAssertion => "user assertion",
            Self::Other(name) => name,
        })
    }
}

/// Returns an invalid value as an error may show it, cut and escaped, or `None` if it may be a
/// secret.
fn quotable(value: &str) -> Option<String> {
    (!may_be_secret(value)).then(|| excerpt(value, SHOWN))
}

/// The most characters of an invalid value that an error shows.
const SHOWN: usize = 100;
