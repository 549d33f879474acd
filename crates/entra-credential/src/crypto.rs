//! The cryptography of this crate: aws-lc-rs, or ring if only that one is selected. Both have the
//! same interface here.

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as provider;

pub(crate) use provider::rand::SystemRandom;
pub(crate) use provider::rsa::KeyPair;
pub(crate) use provider::{digest, signature};
#[cfg(feature = "pfx")]
pub(crate) use provider::{hmac, pbkdf2};

/// The longest RSA key that signs, in bits. It takes 50 times as long as the shortest one. ring
/// accepts at most 4096 bits.
#[cfg(feature = "aws-lc-rs")]
pub(crate) const MAX_KEY_BITS: usize = 8192;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) const MAX_KEY_BITS: usize = 4096;

/// The smallest public exponent of a key that signs. ring accepts none below 65537.
#[cfg(feature = "aws-lc-rs")]
pub(crate) const MIN_EXPONENT: u64 = 3;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) const MIN_EXPONENT: u64 = 65537;
