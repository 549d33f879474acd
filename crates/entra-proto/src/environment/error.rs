//! The errors of reading an application's settings from environment variables.

use std::ffi::OsString;
use std::fmt;

use super::{
    AUTHORITY_HOST, CLIENT_CERTIFICATE_PASSWORD, CLIENT_CERTIFICATE_PATH, CLIENT_ID, CLIENT_SECRET,
    FEDERATED_TOKEN_FILE, TENANT_ID, misnamed,
};
use crate::error::{Diagnose, Error};
use crate::federation::variables::advice as federation_advice;

/// An error in the environment variables. It never contains the value of a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A required variable is not set.
    Unset {
        /// The name of the variable.
        variable: &'static str,
        /// A variable that is set instead and not read.
        instead: Option<&'static str>,
        /// True if the variable is set but empty.
        is_empty: bool,
    },
    /// No variable names a credential.
    NoCredential {
        /// A variable that was probably meant to, and the one that is read instead.
        instead: Option<(&'static str, &'static str)>,
    },
    /// A value is not UTF-8.
    NotUnicode {
        /// The variable.
        variable: &'static str,
    },
    /// Two variables are set that exclude each other.
    Contradiction {
        /// One variable.
        one: &'static str,
        /// The other variable.
        other: &'static str,
    },
    /// A variable is set that has a meaning only together with another one.
    Incomplete {
        /// The variable that is set.
        set: &'static str,
        /// The variable that is not set.
        unset: &'static str,
    },
    /// A value is invalid.
    Invalid {
        /// The variable.
        variable: &'static str,
        /// The reason.
        error: Error,
    },
}

impl EnvironmentError {
    pub(crate) fn invalid(variable: &'static str, error: Error) -> Self {
        Self::Invalid { variable, error }
    }

    pub(super) fn unset(lookup: &impl Fn(&str) -> Option<OsString>, variable: &'static str) -> Self {
        Self::Unset {
            variable,
            instead: misnamed(lookup, variable),
            is_empty: lookup(variable).is_some(),
        }
    }

    pub(super) fn no_credential(lookup: &impl Fn(&str) -> Option<OsString>) -> Self {
        let has_password = lookup(CLIENT_CERTIFICATE_PASSWORD).is_some_and(|password| !password.is_empty());
        let password = has_password.then_some((CLIENT_CERTIFICATE_PASSWORD, CLIENT_CERTIFICATE_PATH));
        let mut variables = [CLIENT_SECRET, CLIENT_CERTIFICATE_PATH, FEDERATED_TOKEN_FILE].into_iter();
        let other = variables.find_map(|variable| Some((misnamed(lookup, variable)?, variable)));
        Self::NoCredential {
            instead: password.or(other),
        }
    }

    /// Returns the remedy, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unset { variable, .. } => Some(match *variable {
                TENANT_ID => "set it to the tenant's ID, or to a domain of the tenant such as contoso.onmicrosoft.com",
                CLIENT_ID => {
                    "set it to the application (client) ID, shown on the overview page of the app registration"
                }
                _ => federation_advice(variable).unwrap_or("set it"),
            }),
            Self::NoCredential { .. } => Some(
                "set AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or, for workload identity, \
                 AZURE_FEDERATED_TOKEN_FILE",
            ),
            Self::NotUnicode { .. } => Some("set it again, as plain text"),
            Self::Contradiction { .. } => Some("unset one of them"),
            Self::Incomplete { .. } => Some("set both, or none of them"),
            Self::Invalid { error, variable } => match (error.hint(), *variable) {
                (Some(hint), _) => Some(hint),
                (None, AUTHORITY_HOST) => Some("set it to public, usgovernment, china, or the address of a cloud"),
                (None, _) => None,
            },
        }
    }
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset {
                variable,
                instead: Some(other),
                ..
            } => write!(f, "{variable} is not set; {other} is set but not read"),
            Self::Unset {
                variable,
                is_empty: true,
                ..
            } => write!(f, "{variable} is set but empty"),
            Self::Unset { variable, .. } => write!(f, "{variable} is not set"),
            Self::NoCredential {
                instead: Some((CLIENT_CERTIFICATE_PASSWORD, path)),
            } => write!(
                f,
                "no variable names a credential: {CLIENT_CERTIFICATE_PASSWORD} is set, {path} is not"
            ),
            Self::NoCredential {
                instead: Some((other, variable)),
            } => write!(
                f,
                "no variable names a credential: {other} is set but not read, {variable} is not set"
            ),
            Self::NoCredential { instead: None } => f.write_str("no variable names a credential"),
            Self::NotUnicode { variable } => write!(f, "{variable} is not UTF-8"),
            Self::Contradiction { one, other } => {
                write!(f, "{one} and {other} are both set, and only one of them can be used")
            }
            Self::Incomplete { set, unset } => write!(f, "{set} is set, but {unset} is not"),
            Self::Invalid { variable, error } => write!(f, "{variable}: {error}"),
        }
    }
}

impl std::error::Error for EnvironmentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid { error, .. } => error.source(),
            _ => None,
        }
    }
}

impl Diagnose for EnvironmentError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}
