//! RSA private keys.

use crate::MIN_KEY_BITS;
use crate::crypto::{KeyPair, MAX_KEY_BITS, MIN_EXPONENT};
use crate::der::{CONTEXT_0, Der, DerError, INTEGER, OCTET_STRING, OID, SEQUENCE, bits};
use crate::error::Error;
use crate::x509::{self, EC, RSA, curve, key_type};

/// An RSA key pair that has been read and checked.
pub(crate) struct PrivateKey {
    pub(crate) pair: KeyPair,
    pub(crate) bits: usize,
    public: x509::PublicKey,
}

impl PrivateKey {
    /// Reads a private key in DER: PKCS#8 (RFC 5208, RFC 5958) or PKCS#1 (RFC 8017, appendix
    /// A.1.2).
    pub(crate) fn parse(der: &[u8]) -> Result<Self, Error> {
        Self::pkcs1(pkcs1_of(der)?)
    }

    /// Returns true if the certificate is for this key.
    pub(crate) fn belongs_to(&self, certificate: &x509::Certificate) -> bool {
        self.public == certificate.key
    }

    fn pkcs1(der: &[u8]) -> Result<Self, Error> {
        if der.len() > LONGEST_KEY {
            return Err(Error::Damaged(KEY));
        }
        let (modulus, exponent) = public_numbers(der).map_err(Error::der(KEY))?;
        let bits = bits(modulus);
        if bits < MIN_KEY_BITS {
            return Err(Error::KeyTooShort { bits });
        }
        if bits > MAX_KEY_BITS {
            return Err(Error::unsupported(
                format!("an RSA key of {bits} bits"),
                "make one of 2048 to 4096 bits",
            ));
        }
        if exponent.len() <= 8 && exponent.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) < MIN_EXPONENT
        {
            return Err(Error::unsupported(
                "an RSA key with so small a public exponent",
                "make one with the exponent 65537",
            ));
        }
        // This also checks that the numbers of the key match.
        let pair = KeyPair::from_der(der).map_err(|_| Error::Damaged(KEY))?;
        let public = x509::PublicKey::Rsa {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        };
        Ok(Self { pair, bits, public })
    }
}

/// Returns the PKCS#1 form of a key in any form.
fn pkcs1_of(der: &[u8]) -> Result<&[u8], Error> {
    let damaged = Error::der(KEY);
    let whole = Der::new(der).element(SEQUENCE).map_err(&damaged)?;
    let mut parts = Der::new(whole.value);
    parts.element(INTEGER).map_err(&damaged)?;
    match parts.peek() {
        // RSA keys have nine numbers, DSA keys six.
        Some(INTEGER) if integers(parts) == 5 => Err(Error::KeyType("DSA".to_owned())),
        Some(INTEGER) => Ok(whole.whole),
        Some(OCTET_STRING) => Err(sec1_type(parts).map_or_else(damaged, Error::KeyType)),
        _ => {
            let mut algorithm = parts.inside(SEQUENCE).map_err(&damaged)?;
            let oid = algorithm.value(OID).map_err(&damaged)?;
            if oid != RSA {
                return Err(Error::KeyType(key_type(oid, algorithm)));
            }
            parts.value(OCTET_STRING).map_err(damaged)
        }
    }
}

/// Returns the number of INTEGERs that follow.
fn integers(mut parts: Der<'_>) -> usize {
    std::iter::from_fn(|| parts.element(INTEGER).ok()).take(9).count()
}

/// Returns the type of a key in the form for elliptic curves (RFC 5915).
fn sec1_type(mut parts: Der<'_>) -> Result<String, DerError> {
    parts.element(OCTET_STRING)?;
    match parts.optional(CONTEXT_0)? {
        Some(parameters) => Ok(curve(Der::new(parameters.value).value(OID)?)),
        None => Ok(key_type(EC, Der::new(&[]))),
    }
}

/// Returns the modulus and the exponent of a PKCS#1 key.
fn public_numbers(der: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let mut numbers = Der::new(der).inside(SEQUENCE)?;
    numbers.element(INTEGER)?; // the version
    Ok((numbers.natural()?, numbers.natural()?))
}

/// The most bytes of a key. The longest valid key has 4.7 kB; longer numbers are not computed with.
const LONGEST_KEY: usize = 8 * 1024;
const KEY: &str = "the private key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_curves_are_named_in_every_form() {
        let sec1 = [0x30, 15, 2, 1, 1, 4, 1, 0, 0xa0, 7, 6, 5, 0x2b, 0x81, 0x04, 0x00, 0x22];
        assert!(matches!(PrivateKey::parse(&sec1), Err(Error::KeyType(name)) if name == "EC P-384"));
        let bare = [0x30, 6, 2, 1, 1, 4, 1, 0];
        assert!(matches!(PrivateKey::parse(&bare), Err(Error::KeyType(name)) if name == "EC"));
        let ed25519 = [0x30, 12, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0];
        assert!(matches!(PrivateKey::parse(&ed25519), Err(Error::KeyType(name)) if name == "Ed25519"));
    }
}
