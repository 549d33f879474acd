//! The reader of PFX files without the feature `pfx`.

use zeroize::Zeroizing;

use crate::contents::{Allowance, Bundle};
use crate::error::Error;

pub(crate) fn open(_: &[u8], _: &str, _: &mut Bundle) -> Result<(), Error> {
    Err(Error::unsupported("a PFX file", ADVICE))
}

pub(crate) fn spend_on_key(_: &mut Allowance, _: &[u8]) -> Result<(), Error> {
    Err(Error::unsupported("an encrypted private key", ADVICE))
}

pub(crate) fn private_key(_: &[u8], _: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    Err(Error::unsupported("an encrypted private key", ADVICE))
}

const ADVICE: &str = "build entra-credential with its feature `pfx`, or use a PEM file without a password";
