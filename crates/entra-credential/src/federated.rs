//! The federated token file as an assertion source.

use entra_proto::Error;
use entra_proto::assertion::{AssertionSource, ClientAssertion, SignerError};
use entra_proto::report::ReportFor;

use crate::token_file::FederatedTokenFile;

impl AssertionSource for FederatedTokenFile {
    /// Returns the current assertion in the file. The platform that writes the file determines its
    /// audience.
    fn assertion(&self, _audience: &str) -> Result<ClientAssertion, Error> {
        Self::assertion(self).map_err(|error| {
            let report = ReportFor::<crate::Error>::of(&error);
            let failed = SignerError::new(report.to_string());
            match error.hint() {
                Some(hint) => failed.with_hint(hint),
                None => failed,
            }
            .into()
        })
    }
}
