use zeroize::Zeroizing;

use crate::bundle::Bundle;
use crate::error::Error;

pub(crate) fn open(_: &[u8], _: &str, _: &mut Bundle) -> Result<(), Error> {
    Err(Error::unsupported("a PFX file", ADVICE))
}

#[derive(Default)]
pub(crate) struct Allowance(());

impl Allowance {
    #[expect(clippy::needless_pass_by_ref_mut, reason = "with the feature it counts")]
    pub(crate) fn spend_on_key(&mut self, _: &[u8]) -> Result<(), Error> {
        Err(Error::unsupported("an encrypted private key", ADVICE))
    }
}

pub(crate) fn private_key(_: &[u8], _: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    Err(Error::unsupported("an encrypted private key", ADVICE))
}

const ADVICE: &str = "build entra-credential with its feature `pfx`, or use a PEM file without a password";
