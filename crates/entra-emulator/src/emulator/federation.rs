//! The second issuer, which issues assertions for federated credentials.

use crate::emulator::Emulator;
use crate::forge::AssertionForge;
use crate::state::second_issuer::SecondIssuer;
use crate::well_known::TOKEN_EXCHANGE;

impl Emulator {
    /// Begins an assertion of the second issuer. By default, it is that of a GitHub Actions job,
    /// for [`TOKEN_EXCHANGE`](Self::TOKEN_EXCHANGE).
    ///
    /// # Panics
    /// Panics without [`EmulatorBuilder::second_issuer`](crate::EmulatorBuilder::second_issuer).
    pub fn assertion(&self) -> AssertionForge<'_> {
        AssertionForge::new(self.state(), self.second_issuer())
    }

    /// Returns the URL of the second issuer, the `iss` of its assertions.
    ///
    /// # Panics
    /// Panics without [`EmulatorBuilder::second_issuer`](crate::EmulatorBuilder::second_issuer).
    pub fn second_issuer_url(&self) -> &str {
        &self.second_issuer().url
    }

    fn second_issuer(&self) -> &SecondIssuer {
        match &self.state().second_issuer {
            Some(issuer) => issuer,
            None => panic!("the emulator has no second issuer: call `second_issuer` on its builder"),
        }
    }

    /// The identifier URI of the token exchange: `api://AzureADTokenExchange`. Its tokens are the
    /// assertions of federated credentials.
    pub const TOKEN_EXCHANGE: &'static str = TOKEN_EXCHANGE;
}
