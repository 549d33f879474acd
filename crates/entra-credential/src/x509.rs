//! X.509 certificates.

use std::fmt;

use entra_proto::Timestamp;

use crate::der::{
    BIT_STRING, CONTEXT_0, Der, DerError, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE, UTC_TIME,
};
use crate::error::Error;
use crate::name::name;
use crate::thumbprints::Thumbprints;
use crate::warning::Warning;
use crate::{MIN_KEY_BITS, calendar, der, thumbprints};

/// An X.509 certificate (RFC 5280) without its private key: the part that an administrator
/// registers.
///
/// Read one from a file with
/// [`CertificateBundle::certificate`](crate::CertificateBundle::certificate). Trust is not decided
/// here: the service trusts the registered certificates.
#[derive(Clone)]
pub struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) serial: String,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) key: PublicKey,
    /// The SubjectPublicKeyInfo.
    pub(crate) key_info: Vec<u8>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    key_ids: KeyIds,
}

/// The identifier of a certificate's own key (RFC 5280, section 4.2.1.2), and of the key that
/// signed it (section 4.2.1.1).
#[derive(Clone, Default)]
struct KeyIds {
    own: Option<Vec<u8>>,
    issuer: Option<Vec<u8>>,
}

/// The public key of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// The modulus and the exponent, big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// Another type of key: its name.
    Other(String),
}

impl Certificate {
    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns its thumbprints.
    #[must_use]
    pub fn thumbprints(&self) -> Thumbprints {
        Thumbprints::of(&self.der)
    }

    /// Returns the name of its subject as Windows writes it, such as
    /// `CN=MyCompanyName MyAppName Cert`. It is safe to print.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the name of its issuer, in the format of [`subject`](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns its serial number in upper-case hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Returns the start of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Returns the end of its validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Returns the length of its RSA key in bits, or `None` if its key has another type.
    #[must_use]
    pub fn key_bits(&self) -> Option<usize> {
        match &self.key {
            PublicKey::Rsa { modulus, .. } => Some(der::bits(modulus)),
            PublicKey::Other(_) => None,
        }
    }

    /// Returns the type of its key, such as `RSA` or `EC P-256`.
    #[must_use]
    pub fn key_type(&self) -> &str {
        match &self.key {
            PublicKey::Rsa { .. } => "RSA",
            PublicKey::Other(name) => name,
        }
    }

    /// Returns the warnings about its validity and its key.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let mut warnings = Warning::of_validity(self.not_before, self.not_after, now);
        if self.key_bits().is_none_or(|bits| bits < MIN_KEY_BITS) {
            warnings.push(Warning::KeyNotAccepted);
        }
        warnings
    }

    /// Reads a certificate. Ignores the bytes after it, because OpenSSL writes its own notes there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).map_err(Error::der("a certificate"))
    }

    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Returns true if its issuer has the name of `issuer`.
    pub(crate) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Returns true if it names itself as its issuer.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.names_as_issuer(self)
    }

    /// Returns true if its key is the one that `certificate` names as the issuer's.
    pub(crate) fn is_identified_by(&self, certificate: &Self) -> bool {
        self.key_ids.own.is_some() && self.key_ids.own == certificate.key_ids.issuer
    }

    fn read(bytes: &[u8]) -> Result<Self, DerError> {
        let certificate = Der::new(bytes).element(SEQUENCE)?;
        let mut parts = Der::new(certificate.value);
        let mut tbs = parts.inside(SEQUENCE)?;
        parts.element(SEQUENCE)?;
        parts.element(BIT_STRING)?;
        parts.end()?;

        tbs.optional(CONTEXT_0)?; // the version
        let serial = tbs.value(INTEGER)?;
        tbs.element(SEQUENCE)?; // the signature's algorithm
        let issuer = tbs.element(SEQUENCE)?;
        let mut validity = tbs.inside(SEQUENCE)?;
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        let subject = tbs.element(SEQUENCE)?;
        let key_info = tbs.element(SEQUENCE)?;
        let key = public_key(Der::new(key_info.value))?;
        // Without the extensions, the certificate can still be used; the chain is shorter.
        let key_ids = KeyIds::read(tbs).unwrap_or_default();
        Ok(Self {
            der: certificate.whole.to_vec(),
            serial: thumbprints::hex(der::without_leading_zeros(serial)),
            subject: name(subject.value)?,
            issuer: name(issuer.value)?,
            not_before,
            not_after,
            key,
            key_info: key_info.whole.to_vec(),
            subject_der: subject.whole.to_vec(),
            issuer_der: issuer.whole.to_vec(),
            key_ids,
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.thumbprints().sha1_hex())
    }
}

impl KeyIds {
    /// Finds the extensions after the key of a certificate.
    fn read(mut tbs: Der<'_>) -> Result<Self, DerError> {
        let mut ids = Self::default();
        tbs.optional(ISSUER_UNIQUE_ID)?;
        tbs.optional(SUBJECT_UNIQUE_ID)?;
        let Some(extensions) = tbs.optional(EXTENSIONS)? else {
            return Ok(ids);
        };
        let mut extensions = Der::new(extensions.value).inside(SEQUENCE)?;
        while !extensions.is_empty() {
            let mut extension = extensions.inside(SEQUENCE)?;
            let oid = extension.value(OID)?;
            extension.optional(BOOLEAN)?;
            let mut value = extension.inside(OCTET_STRING)?;
            match oid {
                SUBJECT_KEY_ID => ids.own = Some(value.value(OCTET_STRING)?.to_vec()),
                AUTHORITY_KEY_ID => {
                    let id = value.inside(SEQUENCE)?.optional(KEY_ID)?;
                    ids.issuer = id.map(|id| id.value.to_vec());
                }
                _ => {}
            }
        }
        Ok(ids)
    }
}

/// Reads a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7; RFC 3279, section 2.3.1).
fn public_key(mut info: Der<'_>) -> Result<PublicKey, DerError> {
    let mut algorithm = info.inside(SEQUENCE)?;
    let oid = algorithm.value(OID)?;
    let bits = info.value(BIT_STRING)?;
    if oid != RSA {
        return Ok(PublicKey::Other(key_type(oid, algorithm)));
    }
    let [0, key @ ..] = bits else {
        return Err(DerError::Damaged);
    };
    let mut key = Der::new(key).inside(SEQUENCE)?;
    Ok(PublicKey::Rsa {
        modulus: key.natural()?.to_vec(),
        exponent: key.natural()?.to_vec(),
    })
}

/// Returns the usual name of keys with this algorithm. `parameters` follow its identifier: the
/// curve, for example.
pub(crate) fn key_type(oid: &[u8], mut parameters: Der<'_>) -> String {
    if oid == EC {
        return parameters.value(OID).map_or_else(|_| "EC".to_owned(), curve);
    }
    let known = KEY_TYPES.iter().find(|(known, _)| *known == oid);
    known.map_or_else(|| format!("of type {}", der::Oid(oid)), |(_, name)| (*name).to_owned())
}

/// Returns the usual name of keys on this curve.
pub(crate) fn curve(oid: &[u8]) -> String {
    let known = CURVES.iter().find(|(known, _)| *known == oid);
    known.map_or_else(
        || format!("EC on the curve {}", der::Oid(oid)),
        |(_, name)| (*name).to_owned(),
    )
}

/// Reads a time of a certificate (RFC 5280, section 4.1.2.5). Times before 1970 count as 1970.
fn time(der: &mut Der<'_>) -> Result<Timestamp, DerError> {
    let element = der.any()?;
    let (century, digits) = match element.tag {
        UTC_TIME => {
            let two = element.value.first().ok_or(DerError::Damaged)?;
            (if *two >= b'5' { "19" } else { "20" }, element.value)
        }
        GENERALIZED_TIME => ("", element.value),
        _ => return Err(DerError::Damaged),
    };
    let mut text = [0; 15];
    if century.len() + digits.len() != text.len() {
        return Err(DerError::Damaged);
    }
    for (slot, byte) in text.iter_mut().zip(century.bytes().chain(digits.iter().copied())) {
        *slot = byte;
    }
    calendar::moment(&text).ok_or(DerError::Damaged)
}

const BOOLEAN: u8 = 0x01;
const ISSUER_UNIQUE_ID: u8 = 0x81;
const SUBJECT_UNIQUE_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;
const KEY_ID: u8 = 0x80;
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];

/// The algorithm of an RSA key: 1.2.840.113549.1.1.1.
pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The algorithm of a key on a named curve: 1.2.840.10045.2.1.
pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

const KEY_TYPES: &[(&[u8], &str)] = &[
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        "RSASSA-PSS (an RSA key bound to one padding)",
    ),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA"),
    (&[0x2b, 0x65, 0x6e], "X25519"),
    (&[0x2b, 0x65, 0x6f], "X448"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
];

const CURVES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "EC P-256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "EC P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "EC P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "EC secp256k1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_of_two_digits_are_from_1950_to_2049() {
        let secs = |digits: &[u8; 13]| {
            let bytes = [&[UTC_TIME, 13][..], digits].concat();
            time(&mut Der::new(&bytes)).map(Timestamp::as_secs)
        };
        assert_eq!(secs(b"700101000000Z"), Ok(0));
        assert_eq!(secs(b"491231235959Z"), Ok(2_524_607_999));
        assert_eq!(secs(b"500101000000Z"), Ok(0));
    }
}
