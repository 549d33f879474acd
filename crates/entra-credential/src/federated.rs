//! Files, variables and commands as assertion sources.

use entra_proto::assertion::{
    AssertionSource, AsyncAssertionSource, BoxFuture, ClientAssertion, FederatedCredential, SignerError,
};
use entra_proto::report::ReportFor;
use entra_proto::{ClientCredential, Error};

use crate::assertion_command::AssertionCommand;
use crate::assertion_variable::AssertionVariable;
use crate::token_file::FederatedTokenFile;

impl AssertionSource for FederatedTokenFile {
    /// Returns the current assertion in the file. The platform that writes the file determines its
    /// audience.
    fn assertion(&self, _audience: &str) -> Result<ClientAssertion, Error> {
        Self::assertion(self).map_err(|error| signer_error(&error))
    }
}

impl AssertionSource for AssertionVariable {
    /// Returns the assertion in the variable. The CI system determines its audience.
    fn assertion(&self, _audience: &str) -> Result<ClientAssertion, Error> {
        Self::assertion(self).map_err(|error| signer_error(&error))
    }
}

impl AssertionSource for AssertionCommand {
    /// Runs the command on this thread. Its arguments determine the audience of the assertion.
    fn assertion(&self, _audience: &str) -> Result<ClientAssertion, Error> {
        Self::assertion(self).map_err(|error| signer_error(&error))
    }
}

impl AsyncAssertionSource for AssertionCommand {
    /// Runs the command on a thread of its own. Its arguments determine the audience of the
    /// assertion.
    fn assertion<'a>(&'a self, _audience: &'a str) -> BoxFuture<'a, Result<ClientAssertion, Error>> {
        Box::pin(async { self.assertion_async().await.map_err(|error| signer_error(&error)) })
    }
}

impl From<FederatedTokenFile> for ClientCredential {
    fn from(file: FederatedTokenFile) -> Self {
        FederatedCredential::new(file).into()
    }
}

impl From<AssertionVariable> for ClientCredential {
    fn from(variable: AssertionVariable) -> Self {
        FederatedCredential::new(variable).into()
    }
}

impl From<AssertionCommand> for ClientCredential {
    /// The credential serves blocking and async clients.
    fn from(command: AssertionCommand) -> Self {
        FederatedCredential::for_any_client(command).into()
    }
}

fn signer_error(error: &crate::Error) -> Error {
    let failed = SignerError::new(ReportFor::<crate::Error>::of(error).to_string());
    match error.hint() {
        Some(hint) => failed.with_hint(hint),
        None => failed,
    }
    .into()
}
