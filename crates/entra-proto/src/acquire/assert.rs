//! The step that fetches an assertion of another issuer.

use std::fmt;

use crate::acquire::Step;
use crate::acquire::exchange::Exchange;
use crate::acquire::leg::{Current, Run, TokenLeg};
use crate::error::{Error, LegError};
use crate::federated::FederatedCredential;
use crate::secret::ClientAssertion;

/// An assertion of another issuer that must be fetched.
pub struct Assert {
    pub(super) run: Run,
    pub(super) leg: TokenLeg,
    pub(super) credential: FederatedCredential,
}

impl Assert {
    /// Returns the audience that the assertion must have.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.credential.audience()
    }

    /// Returns the credential whose assertion is fetched.
    #[must_use]
    pub fn credential(&self) -> &FederatedCredential {
        &self.credential
    }

    /// Continues with this assertion.
    #[must_use]
    pub fn with(mut self, assertion: ClientAssertion) -> Step {
        self.leg.request = self.leg.request.with_assertion(assertion);
        Step::Exchange(Exchange::new(self.run, Current::Token(self.leg)))
    }

    /// Continues with the assertion, or ends the acquisition with the failure to get one.
    ///
    /// # Errors
    /// Returns the given failure. If an acquisition takes several requests, the error names the
    /// request.
    pub fn done(self, assertion: Result<ClientAssertion, Error>) -> Result<Step, Error> {
        match assertion {
            Ok(assertion) => Ok(self.with(assertion)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Fetches the assertion from the credential's own source and continues.
    ///
    /// # Errors
    /// Returns the source's error. Returns an error if the source is async: in that case, await
    /// [`assertion_async`](FederatedCredential::assertion_async) of the
    /// [credential](Self::credential) and pass its output to [`done`](Self::done).
    pub fn fetch(self) -> Result<Step, Error> {
        let assertion = self.credential.assertion();
        self.done(assertion)
    }

    /// Ends the acquisition without an assertion. If it takes several requests, the error names the
    /// request.
    #[must_use]
    pub fn failed(self, error: Error) -> Error {
        LegError::of(self.leg.name(&self.run), error)
    }
}

impl fmt::Debug for Assert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assert({})", self.audience())
    }
}
