//! What the layer and the middleware need of their token sources.

use std::time::Duration;

use entra_client::{Error, Token, TokenSource};
use entra_proto::{Application, ClaimsRequest};

/// A source of tokens, async or blocking.
pub(crate) trait Source: Clone {
    fn current(&mut self) -> Option<&Token>;
    fn prefetch(&self);
    fn number(&self) -> u64;
    fn reject(&self, number: u64) -> bool;
    fn claims(&self) -> Option<&ClaimsRequest>;
    fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error>;
    fn application(&self) -> &Application;
    /// By the monotonic clock.
    fn now(&self) -> Duration;
}

/// Forwards to the methods of the same names.
macro_rules! source {
    ($source:ty) => {
        impl Source for $source {
            #[inline]
            fn current(&mut self) -> Option<&Token> {
                <$source>::current(self)
            }

            fn prefetch(&self) {
                <$source>::prefetch(self);
            }

            #[inline]
            fn number(&self) -> u64 {
                <$source>::generation(self)
            }

            fn reject(&self, number: u64) -> bool {
                <$source>::reject(self, number)
            }

            fn claims(&self) -> Option<&ClaimsRequest> {
                <$source>::claims(self)
            }

            fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
                <$source>::with_claims(self, claims)
            }

            fn application(&self) -> &Application {
                <$source>::application(self)
            }

            fn now(&self) -> Duration {
                <$source>::now(self).monotonic
            }
        }
    };
}

source!(TokenSource);
#[cfg(feature = "ureq")]
source!(entra_client::blocking::TokenSource);
