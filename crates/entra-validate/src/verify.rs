//! Verification of RS256 signatures (RFC 7518, section 3.3): by aws-lc-rs, or by ring if only
//! `ring` is enabled.
//!
//! The crate jsonwebtoken chooses its cryptography by features that all crates of a program share,
//! and by a default of the process. So only the tests use it, and a program's own use of it does
//! not change because of this crate.

// For WebAssembly both libraries require an extra C compiler. Without a library the crate compiles
// there, and rejects every token.
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring", target_family = "wasm")))]
compile_error!("entra-validate needs one of its features `aws-lc-rs` and `ring`");

/// A parsed public key.
pub(crate) struct VerificationKey(imp::Key);

impl VerificationKey {
    /// Creates an RSA key from a modulus and an exponent in big-endian bytes. Returns `None` if
    /// they are out of bounds.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let modulus = without_zeros(modulus);
        let exponent = without_zeros(exponent);
        let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !(MIN_BITS..=MAX_BITS).contains(&bits) || !is_odd(modulus) {
            return None;
        }
        // At least 65537, in at most 32 bits: a longer exponent makes each verification slower.
        // There are no leading zeros, so three bytes are at least 65536, and an odd number is more.
        if !(3..=4).contains(&exponent.len()) || !is_odd(exponent) {
            return None;
        }
        imp::key(modulus, exponent).map(Self)
    }

    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        imp::verifies(&self.0, signed, signature)
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

const MIN_BITS: usize = 2048;
/// Entra's keys have 2048 bits. A verification with 4096 bits takes four times as long, and an
/// attacker would choose the longest.
const MAX_BITS: usize = 4096;

#[cfg(feature = "aws-lc-rs")]
mod imp {
    use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

    pub(super) type Key = ParsedPublicKey;

    pub(super) fn key(modulus: &[u8], exponent: &[u8]) -> Option<Key> {
        let components = RsaPublicKeyComponents {
            n: modulus,
            e: exponent,
        };
        components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
    }

    pub(super) fn verifies(key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        key.verify_sig(signed, signature).is_ok()
    }
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
mod imp {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

    /// ring has no parsed form of an RSA key.
    pub(super) type Key = RsaPublicKeyComponents<Box<[u8]>>;

    pub(super) fn key(modulus: &[u8], exponent: &[u8]) -> Option<Key> {
        Some(RsaPublicKeyComponents {
            n: modulus.into(),
            e: exponent.into(),
        })
    }

    pub(super) fn verifies(key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
    }
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
mod imp {
    pub(super) type Key = ();

    pub(super) fn key(_: &[u8], _: &[u8]) -> Option<Key> {
        None
    }

    pub(super) fn verifies((): &Key, _: &[u8], _: &[u8]) -> bool {
        false
    }
}
