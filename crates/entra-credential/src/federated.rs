use std::error::Error as _;

use entra_proto::{AssertionSource, ClientAssertion, Error, SignerError};

use crate::token_file::FederatedTokenFile;

impl AssertionSource for FederatedTokenFile {
    /// The assertion that is in the file now. Which audience it is for, the platform decides that wrote it.
    fn assertion(&self, _audience: &str) -> Result<ClientAssertion, Error> {
        Self::assertion(self).map_err(|error| {
            let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
            let told = SignerError::new(format!("{}{cause}", error.problem()));
            match error.hint() {
                Some(hint) => told.with_hint(hint),
                None => told,
            }
            .into()
        })
    }
}
