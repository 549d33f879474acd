//! The MAC of a PFX file: that of RFC 7292, section 4, or PBMAC1 (RFC 9579).

use std::num::NonZeroU32;

use zeroize::Zeroizing;

use crate::crypto::{digest, hmac, pbkdf2};
use crate::der::{Der, DerError, INTEGER, OCTET_STRING, OID, Oid, SEQUENCE};
use crate::error::Error;
use crate::pkcs12::{ADVICE, Password, Purpose};

/// A MAC that was read but not computed yet.
pub(crate) struct Mac<'a> {
    key: KeyDerivation,
    algorithm: hmac::Algorithm,
    salt: &'a [u8],
    expected: &'a [u8],
    /// The rounds of key derivation that checking it takes.
    pub(crate) rounds: u64,
}

enum KeyDerivation {
    Pkcs12(&'static digest::Algorithm),
    Pbkdf2(pbkdf2::Algorithm, usize),
}

impl<'a> Mac<'a> {
    /// Reads the contents of a MacData.
    pub(crate) fn read(mac: Der<'a>) -> Result<Self, Error> {
        let read = Self::parse(mac).map_err(Error::der("the PFX file"))?;
        read.map_err(|algorithm| Error::unsupported(format!("its MAC ({})", name(algorithm)), ADVICE))
    }

    /// Returns true if it is the MAC of `content` under this password.
    pub(crate) fn is_sound(&self, content: &[u8], password: &str, pkcs12: &Password) -> bool {
        let key = match self.key {
            KeyDerivation::Pkcs12(hash) => pkcs12.derive(hash, self.salt, Purpose::Mac, self.rounds, hash.output_len()),
            KeyDerivation::Pbkdf2(algorithm, length) => {
                let mut key = Zeroizing::new(vec![0; length]);
                let rounds = u32::try_from(self.rounds).ok().and_then(NonZeroU32::new);
                let Some(rounds) = rounds else {
                    return false;
                };
                pbkdf2::derive(algorithm, rounds, self.salt, password.as_bytes(), &mut key);
                key
            }
        };
        let key = hmac::Key::new(self.algorithm, &key);
        hmac::verify(&key, content, self.expected).is_ok()
    }

    /// Reads the MAC. Returns the algorithm in the error if it is not supported.
    fn parse(mut mac: Der<'a>) -> Result<Result<Self, &'a [u8]>, DerError> {
        let mut digest = mac.inside(SEQUENCE)?;
        let mut algorithm = digest.inside(SEQUENCE)?;
        let oid = algorithm.value(OID)?;
        let expected = digest.value(OCTET_STRING)?;
        let salt = mac.value(OCTET_STRING)?;
        // The default is 1.
        let rounds = if mac.is_empty() { 1 } else { mac.count()? };
        mac.end()?;
        if oid == PBMAC1 {
            return Self::pbmac1(algorithm.inside(SEQUENCE)?, expected);
        }
        let hash = HASHES.iter().find(|hash| hash.oid == oid);
        Ok(hash.ok_or(oid).map(|hash| Self {
            key: KeyDerivation::Pkcs12(hash.digest),
            algorithm: hash.hmac,
            salt,
            expected,
            rounds,
        }))
    }

    /// Reads the parameters of PBMAC1 (RFC 8018, appendix A.5). The salt and the rounds beside them
    /// are not used then.
    fn pbmac1(mut parameters: Der<'a>, expected: &'a [u8]) -> Result<Result<Self, &'a [u8]>, DerError> {
        let mut derivation = parameters.inside(SEQUENCE)?;
        let function = derivation.value(OID)?;
        let scheme = parameters.inside(SEQUENCE)?.value(OID)?;
        if function != PBKDF2 {
            return Ok(Err(function));
        }
        let mut numbers = derivation.inside(SEQUENCE)?;
        let salt = numbers.value(OCTET_STRING)?;
        let rounds = numbers.count()?;
        let length = match numbers.peek() {
            Some(INTEGER) => numbers.count()?,
            // RFC 9579, section 5, requires it.
            _ => return Ok(Err(PBMAC1)),
        };
        let function = match numbers.optional(SEQUENCE)? {
            Some(function) => Der::new(function.value).value(OID)?,
            None => HMAC_SHA1,
        };
        let of = |oid: &[u8]| HASHES.iter().find(|hash| hash.hmac_oid == oid);
        let length = usize::try_from(length)
            .ok()
            .filter(|length| (1..=LONGEST_KEY).contains(length));
        let Some(length) = length else {
            return Ok(Err(PBMAC1));
        };
        let (function, scheme) = match (of(function), of(scheme)) {
            (Some(function), Some(scheme)) => (function, scheme),
            (None, _) => return Ok(Err(function)),
            (_, None) => return Ok(Err(scheme)),
        };
        Ok(Ok(Self {
            key: KeyDerivation::Pbkdf2(function.pbkdf2, length),
            algorithm: scheme.hmac,
            salt,
            expected,
            rounds,
        }))
    }
}

/// Returns the usual name of an unsupported MAC algorithm.
fn name(oid: &[u8]) -> String {
    match NAMES.iter().find(|(known, _)| *known == oid) {
        Some((_, name)) => (*name).to_owned(),
        None => Oid(oid).to_string(),
    }
}

/// A hash, with its digest and its HMAC.
struct Hash {
    oid: &'static [u8],
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    hmac_oid: &'static [u8],
    pbkdf2: pbkdf2::Algorithm,
}

static HASHES: [Hash; 4] = [
    Hash {
        oid: &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
        digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
        hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        hmac_oid: HMAC_SHA1,
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
    },
    Hash {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        digest: &digest::SHA256,
        hmac: hmac::HMAC_SHA256,
        hmac_oid: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09],
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
    },
    Hash {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
        digest: &digest::SHA384,
        hmac: hmac::HMAC_SHA384,
        hmac_oid: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x0a],
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA384,
    },
    Hash {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        digest: &digest::SHA512,
        hmac: hmac::HMAC_SHA512,
        hmac_oid: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x0b],
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512,
    },
];

const NAMES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05], "MD5"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04], "SHA-224"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x06], "SHA-512/256"),
    (PBMAC1, "PBMAC1 without a key length of 1 to 64 bytes"),
];
const HMAC_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x07];
const PBMAC1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0e];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// The longest derived key, in bytes: each block of the hash's length costs all rounds again.
const LONGEST_KEY: usize = 64;
