//! Decryption of password-protected data.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::TdesEde3;
use pkcs5::der::Decode;
use pkcs5::pbes2;
use rc2::Rc2;
use zeroize::Zeroizing;

use crate::MAX_ITERATIONS;
use crate::crypto::digest::SHA1_FOR_LEGACY_USE_ONLY;
use crate::der::{self, Der, DerError, Element, OCTET_STRING, OID, SEQUENCE};
use crate::error::Error;
use crate::pkcs12::{Password, Purpose};

/// Data encrypted with a password, and its algorithm: PBES2 (RFC 8018, section 6.2), or one of the
/// two algorithms of PKCS#12 (RFC 7292, appendix C) that are still in use.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'a> {
    algorithm: &'a [u8],
    parameters: Element<'a>,
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the contents of an AlgorithmIdentifier.
    pub(crate) fn new(mut algorithm: Der<'a>, sealed: &'a [u8]) -> Result<Self, DerError> {
        let envelope = Self {
            algorithm: algorithm.value(OID)?,
            parameters: algorithm.element(SEQUENCE)?,
            sealed,
        };
        algorithm.end()?;
        Ok(envelope)
    }

    /// Reads an EncryptedPrivateKeyInfo (RFC 5208, section 6).
    pub(crate) fn of_key(mut info: Der<'a>) -> Result<Self, DerError> {
        let algorithm = info.inside(SEQUENCE)?;
        let sealed = info.value(OCTET_STRING)?;
        info.end()?;
        Self::new(algorithm, sealed)
    }

    /// Returns the number of key derivation rounds that decryption takes. Rounds of scrypt count by
    /// their time.
    ///
    /// # Errors
    /// Returns an error if the algorithm is not supported, or if its cost is above the limit.
    pub(crate) fn rounds(&self) -> Result<u64, Error> {
        let rounds = match self.algorithm {
            PBES2 => self.pbes2_rounds()?,
            SHA1_3DES | SHA1_RC2_40 => {
                let mut parameters = Der::new(self.parameters.value);
                parameters.value(OCTET_STRING).map_err(damaged)?;
                parameters.count().map_err(damaged)?
            }
            other => return Err(unsupported(other)),
        };
        if rounds > MAX_ITERATIONS {
            return Err(Error::TooManyIterations { limit: MAX_ITERATIONS });
        }
        Ok(rounds)
    }

    /// Decrypts the data. The two kinds of encryption use different forms of the password.
    pub(crate) fn open(&self, password: &str, pkcs12: &Password) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.algorithm {
            PBES2 => {
                let parameters = pbes2::Parameters::from_der(self.parameters.whole)
                    .map_err(|_| Error::unsupported("its way of encryption", ADVICE))?;
                let opened = parameters.decrypt(password, self.sealed);
                opened.map(Zeroizing::new).map_err(|error| match error {
                    pkcs5::Error::DecryptFailed => Error::WrongPassword,
                    _ => Error::unsupported("its way of encryption", ADVICE),
                })
            }
            SHA1_3DES => self.pkcs12::<TdesEde3>(pkcs12, 24),
            SHA1_RC2_40 => self.pkcs12::<Rc2>(pkcs12, 5),
            other => Err(unsupported(other)),
        }
    }

    fn pbes2_rounds(&self) -> Result<u64, Error> {
        let mut parameters = Der::new(self.parameters.value);
        let mut derivation = parameters.inside(SEQUENCE).map_err(damaged)?;
        let function = derivation.value(OID).map_err(damaged)?;
        let mut numbers = derivation.inside(SEQUENCE).map_err(damaged)?;
        let scheme = parameters.inside(SEQUENCE).and_then(|mut scheme| scheme.value(OID));
        let scheme = scheme.map_err(damaged)?;
        if !SCHEMES.contains(&scheme) {
            return Err(unsupported(scheme));
        }
        if numbers.any().map_err(damaged)?.value.len() > LONGEST_SALT {
            return Err(Error::unsupported(
                format!("encryption with a salt of more than {LONGEST_SALT} bytes"),
                ADVICE,
            ));
        }
        match function {
            PBKDF2 => numbers.count().map_err(damaged),
            SCRYPT => {
                let cost = numbers.count().map_err(damaged)?;
                let block = numbers.count().map_err(damaged)?;
                let parallel = numbers.count().map_err(damaged)?;
                // RFC 7914, section 2: a power of two above one, and at least one block. The
                // library trusts the file here.
                if cost < 2 || !cost.is_power_of_two() || block == 0 || parallel == 0 {
                    return Err(Error::Damaged(ENVELOPE));
                }
                Ok(cost
                    .saturating_mul(block)
                    .saturating_mul(parallel)
                    .saturating_mul(ROUNDS_OF_A_BLOCK))
            }
            other => Err(unsupported(other)),
        }
    }

    fn pkcs12<C: KeyInit + BlockCipherDecrypt>(
        &self,
        password: &Password,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut parameters = Der::new(self.parameters.value);
        let salt = parameters.value(OCTET_STRING).map_err(damaged)?;
        let rounds = parameters.count().map_err(damaged)?;
        let derive = |purpose, length| password.derive(&SHA1_FOR_LEGACY_USE_ONLY, salt, purpose, rounds, length);
        let key = derive(Purpose::Encryption, length);
        let start = derive(Purpose::InitializationVector, 8);
        Decryptor::<C>::new_from_slices(&key, &start)
            .map_err(|_| Error::Damaged(ENVELOPE))?
            .decrypt_padded_vec::<Pkcs7>(self.sealed)
            .map(Zeroizing::new)
            .map_err(|_| Error::WrongPassword)
    }
}

fn damaged(error: DerError) -> Error {
    Error::der(ENVELOPE)(error)
}

fn unsupported(algorithm: &[u8]) -> Error {
    let known = NAMES.iter().find(|(known, _)| *known == algorithm);
    let what = known.map_or_else(
        || format!("its encryption ({})", der::Oid(algorithm)),
        |(_, name)| format!("{name} encryption"),
    );
    Error::unsupported(what, ADVICE)
}

/// The longest salt that the library accepts.
const LONGEST_SALT: usize = pbes2::Salt::MAX_LEN;
/// The rounds that a block of scrypt, 128 bytes, counts as. A million rounds are then at most 32 MB
/// and take about as long as those of other functions.
const ROUNDS_OF_A_BLOCK: u64 = 4;

const ENVELOPE: &str = "its encryption";
const ADVICE: &str = "encrypt it again with AES-256: `openssl pkcs12 -in old.pfx -out all.pem` and `openssl pkcs12 -export -in all.pem -out new.pfx`, or `openssl pkcs8 -topk8` for a PEM key";

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
const SHA1_3DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03];
const SHA1_RC2_40: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x06];

/// The ciphers of PBES2: AES of 128, 192 and 256 bits, and 3DES, each in CBC mode.
const SCHEMES: [&[u8]; 4] = [
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02],
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16],
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07],
];

/// The algorithms that are still in use but not supported.
const NAMES: &[(&[u8], &str)] = &[
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x01],
        "128-bit RC4",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x02],
        "40-bit RC4",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x04],
        "two-key 3DES",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x05],
        "128-bit RC2",
    ),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x02], "RC2"),
    (&[0x2b, 0x0e, 0x03, 0x02, 0x07], "DES"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e], "AES-256-GCM"),
    (
        &[0x2a, 0x83, 0x08, 0x8c, 0x9a, 0x4b, 0x3d, 0x01, 0x01, 0x01, 0x04],
        "Camellia-256",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x03],
        "DES (PBES1 with MD5)",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0a],
        "DES (PBES1 with SHA-1)",
    ),
];
