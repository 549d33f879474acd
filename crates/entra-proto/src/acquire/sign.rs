//! The step that signs an assertion.

use std::fmt;

use crate::acquire::Step;
use crate::acquire::exchange::Exchange;
use crate::acquire::leg::{Current, Run, TokenLeg};
use crate::assertion::{CertificateCredential, UnsignedAssertion};
use crate::error::{Error, LegError};
use crate::signer::SignerError;

/// An assertion that waits for its signature.
pub struct Sign {
    pub(super) run: Run,
    pub(super) leg: TokenLeg,
    pub(super) credential: CertificateCredential,
    pub(super) unsigned: UnsignedAssertion,
}

impl Sign {
    /// Returns the assertion to sign, with its algorithm and the certificate whose key must sign.
    #[must_use]
    pub fn assertion(&self) -> &UnsignedAssertion {
        &self.unsigned
    }

    /// Returns the credential that signs.
    #[must_use]
    pub fn credential(&self) -> &CertificateCredential {
        &self.credential
    }

    /// Continues with this signature.
    #[must_use]
    pub fn signed(mut self, signature: &[u8]) -> Step {
        let assertion = self.unsigned.signed(signature);
        self.leg.request = self.leg.request.with_assertion(assertion);
        Step::Exchange(Exchange::new(self.run, Current::Token(self.leg)))
    }

    /// Continues with the signature, or ends the acquisition with the failure to get one.
    ///
    /// # Errors
    /// Returns the given failure. If an acquisition takes several requests, the error names the
    /// request.
    pub fn done(self, signature: Result<Vec<u8>, SignerError>) -> Result<Step, Error> {
        match signature {
            Ok(signature) => Ok(self.signed(&signature)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Signs with the credential's own signer and continues.
    ///
    /// # Errors
    /// Returns the signer's error. Returns an error if the signer is async: in that case, await
    /// [`sign_async`](CertificateCredential::sign_async) of the [credential](Self::credential) and
    /// pass its output to [`done`](Self::done).
    pub fn sign(self) -> Result<Step, Error> {
        let signature = self.credential.sign(&self.unsigned);
        self.done(signature)
    }

    /// Ends the acquisition without a signature. If it takes several requests, the error names the
    /// request.
    #[must_use]
    pub fn failed(self, error: SignerError) -> Error {
        LegError::of(self.leg.name(&self.run), error.into())
    }
}

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sign({:?})", self.unsigned)
    }
}
