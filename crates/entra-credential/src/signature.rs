//! The signatures of certificates.

use crate::crypto::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use crate::der::{BIT_STRING, CONTEXT_0, Der, DerError, OID, SEQUENCE};
use crate::x509::{Certificate, EC, RSA};

/// The result of verifying a signature with the key of a possible issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The signature was made with this key.
    Verified,
    /// The signature was made with another key.
    Failed,
    /// The algorithm of the signature is not verified here.
    Unknown,
}

impl Verdict {
    /// Verifies that `certificate` was signed with the key of `issuer`.
    pub(crate) fn of(certificate: &Certificate, issuer: &Certificate) -> Self {
        Self::verify(certificate, issuer).unwrap_or(Self::Failed)
    }

    fn verify(certificate: &Certificate, issuer: &Certificate) -> Result<Self, DerError> {
        let mut parts = Der::new(&certificate.der).inside(SEQUENCE)?;
        let signed = parts.element(SEQUENCE)?.whole;
        let mut algorithm = parts.inside(SEQUENCE)?;
        let oid = algorithm.value(OID)?;
        let [0, signature @ ..] = parts.value(BIT_STRING)? else {
            return Err(DerError::Damaged);
        };
        let mut info = Der::new(&issuer.key_info).inside(SEQUENCE)?;
        let mut kind = info.inside(SEQUENCE)?;
        let key_oid = kind.value(OID)?;
        let [0, key @ ..] = info.value(BIT_STRING)? else {
            return Err(DerError::Damaged);
        };
        let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.oid == oid) else {
            return Ok(Self::Unknown);
        };
        if scheme.key != key_oid {
            return Ok(Self::Failed);
        }
        let parameters = if key_oid == EC { kind.value(OID)? } else { &[] };
        let verifier = match scheme.hash {
            Hash::OfParameters => pss(algorithm)?,
            hash => verifier(key_oid, hash, parameters),
        };
        let Some(verifier) = verifier.filter(|_| key_oid != RSA || key.len() > SHORTEST_RSA_KEY) else {
            return Ok(Self::Unknown);
        };
        match UnparsedPublicKey::new(verifier, key).verify(signed, signature) {
            Ok(()) => Ok(Self::Verified),
            Err(_) => Ok(Self::Failed),
        }
    }
}

/// An algorithm of a certificate's signature (RFC 3279, RFC 4055, RFC 5758, RFC 8410).
struct Scheme {
    oid: &'static [u8],
    key: &'static [u8],
    hash: Hash,
}

#[derive(Clone, Copy, PartialEq)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    /// The algorithm determines the hash.
    Own,
    /// The parameters name the hash: RSASSA-PSS.
    OfParameters,
}

fn verifier(key: &[u8], hash: Hash, curve: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (key, hash, curve) {
        (RSA, Hash::Sha1, _) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (RSA, Hash::Sha256, _) => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (RSA, Hash::Sha384, _) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (RSA, Hash::Sha512, _) => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (EC, Hash::Sha256, P256) => &signature::ECDSA_P256_SHA256_ASN1,
        (EC, Hash::Sha384, P256) => &signature::ECDSA_P256_SHA384_ASN1,
        (EC, Hash::Sha256, P384) => &signature::ECDSA_P384_SHA256_ASN1,
        (EC, Hash::Sha384, P384) => &signature::ECDSA_P384_SHA384_ASN1,
        (ED25519, Hash::Own, _) => &signature::ED25519,
        _ => return None,
    })
}

/// Returns the verifier of RSASSA-PSS with these parameters (RFC 4055, section 3.1): one hash for
/// all of it, and a salt of its length.
fn pss(mut algorithm: Der<'_>) -> Result<Option<&'static dyn VerificationAlgorithm>, DerError> {
    let mut parameters = algorithm.inside(SEQUENCE)?;
    let Some(hash) = parameters.optional(CONTEXT_0)? else {
        return Ok(None);
    };
    let hash = Der::new(hash.value).inside(SEQUENCE)?.value(OID)?;
    parameters.optional(CONTEXT_0 + 1)?; // MGF1 of the same hash, or the signature does not verify
    let salt = match parameters.optional(CONTEXT_0 + 2)? {
        Some(salt) => Der::new(salt.value).natural()?.to_vec(),
        None => vec![20],
    };
    Ok(match (hash, salt.as_slice()) {
        (SHA256, [32]) => Some(&signature::RSA_PSS_2048_8192_SHA256),
        (SHA384, [48]) => Some(&signature::RSA_PSS_2048_8192_SHA384),
        (SHA512, [64]) => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    })
}

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];

/// The fewest bytes of an RSA key that verifies: 1024 bits.
const SHORTEST_RSA_KEY: usize = 128;

const SCHEMES: &[Scheme] = &[
    scheme(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], RSA, Hash::Sha1),
    scheme(
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        RSA,
        Hash::OfParameters,
    ),
    scheme(
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
        RSA,
        Hash::Sha256,
    ),
    scheme(
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c],
        RSA,
        Hash::Sha384,
    ),
    scheme(
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d],
        RSA,
        Hash::Sha512,
    ),
    scheme(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], EC, Hash::Sha256),
    scheme(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], EC, Hash::Sha384),
    scheme(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], EC, Hash::Sha512),
    scheme(ED25519, ED25519, Hash::Own),
];

const fn scheme(oid: &'static [u8], key: &'static [u8], hash: Hash) -> Scheme {
    Scheme { oid, key, hash }
}
