//! The cryptography under this crate: aws-lc-rs, or ring where that one alone is chosen. What is
//! used of the two has one interface.

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as provider;

pub(crate) use provider::rand::SystemRandom;
pub(crate) use provider::rsa::KeyPair;
pub(crate) use provider::{digest, signature};
#[cfg(feature = "pfx")]
pub(crate) use provider::{hmac, pbkdf2};

/// The longest RSA key that signs, in bits: signing with it takes 50 times as long as with the
/// shortest. ring takes none beyond 4096 bits.
#[cfg(feature = "aws-lc-rs")]
pub(crate) const MAX_KEY_BITS: usize = 8192;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) const MAX_KEY_BITS: usize = 4096;

/// The smallest public exponent of a key that signs. ring takes none below 65537.
#[cfg(feature = "aws-lc-rs")]
pub(crate) const MIN_EXPONENT: u64 = 3;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) const MIN_EXPONENT: u64 = 65537;
