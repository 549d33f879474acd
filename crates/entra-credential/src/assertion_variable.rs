//! An environment variable with a federated token.

use std::env;
use std::ffi::OsString;
use std::fmt;

use entra_proto::assertion::ClientAssertion;
use entra_proto::error::may_be_secret;

use crate::assertion_text::{TextProblem, assertion_in};
use crate::error::Error;

/// An environment variable with an assertion that a CI system issues for a job, for example GitLab
/// with `id_tokens`.
///
/// The variable is read for each token request. Most systems do not renew it: the assertion is
/// valid for some minutes, or as long as the job.
///
/// ```
/// use entra_credential::AssertionVariable;
/// use entra_proto::{Application, Authority};
///
/// // In .gitlab-ci.yml:
/// // id_tokens: { ENTRA_TOKEN: { aud: "api://AzureADTokenExchange" } }
/// let variable = AssertionVariable::new("ENTRA_TOKEN");
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.com".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(authority, client_id, variable);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AssertionVariable {
    name: String,
}

impl AssertionVariable {
    /// Creates a reader of the variable with this name. Nothing is read yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the assertion in the variable. What surrounds it is ignored, as in a
    /// [file](crate::FederatedTokenFile::assertion).
    ///
    /// # Errors
    /// Returns an error if the variable is not set, or does not hold a JWT of at most 64 KiB.
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        self.assertion_from(|name| env::var_os(name))
    }

    /// Returns the assertion in the variable, whose value `lookup` returns.
    ///
    /// # Errors
    /// Returns an error as [`assertion`](Self::assertion) does.
    pub fn assertion_from(&self, lookup: impl Fn(&str) -> Option<OsString>) -> Result<ClientAssertion, Error> {
        let error = |problem, advice| Error::Assertion {
            place: self.shown(),
            problem,
            advice,
        };
        let Some(value) = lookup(&self.name) else {
            return Err(error("is not set", "declare the token in the definition of the job"));
        };
        assertion_in(value.as_encoded_bytes()).map_err(|problem| {
            let advice = match problem {
                TextProblem::Empty => "check that the job may have the token: it may be for protected branches only",
                TextProblem::Json => "set the variable to the token in it, alone",
                _ => "set the variable to the token itself, not to a path or a key",
            };
            error(problem.problem(), advice)
        })
    }

    /// Returns the name for an error. The token itself may have been given as the name.
    fn shown(&self) -> String {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if may_be_secret(&self.name) || self.name.len() > 100 || !self.name.bytes().all(is_name) {
            "the variable with the assertion (its name may be a secret)".to_owned()
        } else {
            format!("the variable {}", self.name)
        }
    }
}

impl fmt::Debug for AssertionVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionVariable({})", self.shown())
    }
}
