//! The certificates that an application is registered with.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::Error;
use crate::config::time;

/// A certificate whose key signs an application's assertions: one entry of `keyCredentials` in the
/// application's manifest.
///
/// In JSON, it is either the PEM certificate as a string, or the object of the manifest with
/// `customKeyIdentifier`, `keyId`, `type`, `usage` and `value` (and `displayName`, `startDate`,
/// `endDate`, as the portal writes them). Names in snake_case are accepted as well.
///
/// ```
/// # let pem = include_str!("../tests/certificates/app.crt");
/// use entra_emulator::{App, Emulator, KeyCredential};
///
/// let app = App::new("daemon").without_secrets();
/// let emulator = Emulator::builder()
///     .app(app.key_credential(KeyCredential::pem(pem)))
///     .build();
/// let registered = &emulator.apps()[0].key_credentials[0];
/// assert_eq!(registered.custom_key_identifier.len(), 28);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct KeyCredential {
    /// The ID of the entry, a GUID. Derived from the seed if empty.
    pub key_id: String,
    /// The SHA-1 thumbprint of the DER bytes in standard base64. Computed if empty; otherwise it
    /// must match. Hexadecimal, the format of newer manifests, is accepted too.
    pub custom_key_identifier: String,
    /// The certificate: DER in standard base64.
    pub value: String,
    /// The start of the validity, if later than the certificate's own.
    pub start: Option<SystemTime>,
    /// The end of the validity, if earlier than the certificate's own.
    pub end: Option<SystemTime>,
}

impl KeyCredential {
    /// Creates an entry from a DER certificate. It is checked when the emulator is built.
    pub fn new(der: impl AsRef<[u8]>) -> Self {
        Self {
            value: STANDARD.encode(der),
            ..Self::default()
        }
    }

    /// Creates an entry from the first certificate of a PEM text. A private key beside it is
    /// dropped.
    pub fn pem(text: impl AsRef<str>) -> Self {
        Self {
            value: certificates_of_pem(text.as_ref()).next().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Checks that an application can be registered with this certificate.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the certificate or its thumbprint is invalid.
    pub fn check(&self) -> Result<(), Error> {
        let read = Registered::read(&mut self.clone());
        read.map(drop)
            .map_err(|what| Error::Config(format!("the entry {what}")))
    }

    /// Sets the start of the validity, if later than the certificate's own.
    pub fn starts(self, start: SystemTime) -> Self {
        Self {
            start: Some(start),
            ..self
        }
    }

    /// Sets the end of the validity, if earlier than the certificate's own.
    pub fn ends(self, end: SystemTime) -> Self {
        Self { end: Some(end), ..self }
    }
}

impl fmt::Debug for KeyCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the value, which is unreadable and holds a private key if the wrong file was
        // used.
        f.debug_struct("KeyCredential")
            .field("key_id", &self.key_id)
            .field("custom_key_identifier", &self.custom_key_identifier)
            .field("start", &self.start)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for KeyCredential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = match Value::deserialize(deserializer)? {
            Value::String(pem) => return Ok(Self::pem(pem)),
            entry => Entry::deserialize(entry).map_err(serde::de::Error::custom)?,
        };
        for (name, found, only) in [
            ("type", &entry.kind, "AsymmetricX509Cert"),
            ("usage", &entry.usage, "Verify"),
        ] {
            if found.as_ref().is_some_and(|found| found != only) {
                return Err(serde::de::Error::custom(format!(
                    "a key credential's {name} can only be {only:?}"
                )));
            }
        }
        Ok(Self {
            key_id: entry.key_id,
            custom_key_identifier: entry.custom_key_identifier,
            value: entry.value,
            start: entry.start,
            end: entry.end,
        })
    }
}

/// An entry in the format of the manifest, or with its members in snake_case.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    #[serde(alias = "keyId")]
    key_id: String,
    #[serde(alias = "customKeyIdentifier")]
    custom_key_identifier: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    usage: Option<String>,
    value: String,
    #[serde(rename = "display_name", alias = "displayName")]
    _display_name: Option<String>,
    #[serde(rename = "start_date", alias = "startDate", deserialize_with = "time::read")]
    start: Option<SystemTime>,
    #[serde(rename = "end_date", alias = "endDate", deserialize_with = "time::read")]
    end: Option<SystemTime>,
}

/// A certificate in the form that lookups and verification use.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    /// The public key, if it is an RSA key.
    pub(crate) key: Option<RsaKey>,
}

/// An RSA public key: PKCS#1 in DER, and the length of its modulus in bits.
#[derive(Clone, Debug)]
pub(crate) struct RsaKey {
    pub(crate) der: Vec<u8>,
    pub(crate) bits: usize,
}

impl Registered {
    /// Parses an entry and fills in its thumbprint.
    ///
    /// # Errors
    /// Returns a phrase that completes "the certificate ...", such as "has bytes after its end".
    pub(crate) fn read(entry: &mut KeyCredential) -> Result<Self, String> {
        let der = certificates_in(&entry.value)
            .and_then(|found| found.into_iter().next())
            .ok_or("is not a certificate in PEM or base64 of DER")?;
        let (rest, certificate) =
            X509Certificate::from_der(&der).map_err(|error| format!("cannot be read: {error}"))?;
        if !rest.is_empty() {
            return Err("has bytes after its end".to_owned());
        }
        let validity = certificate.validity();
        let (not_before, not_after) = (
            from_unix(validity.not_before.timestamp()),
            from_unix(validity.not_after.timestamp()),
        );
        let public = certificate.public_key();
        let key = match public.parsed() {
            Ok(PublicKey::RSA(key)) => Some(RsaKey {
                der: public.subject_public_key.data.to_vec(),
                bits: bits(key.modulus),
            }),
            _ => None,
        };
        let read = Self {
            sha1: sha1(&der),
            sha256: sha256(&der),
            start: entry.start.map_or(not_before, |start| start.max(not_before)),
            end: entry.end.map_or(not_after, |end| end.min(not_after)),
            key,
        };
        let identifier = &mut entry.custom_key_identifier;
        if identifier.is_empty() {
            *identifier = STANDARD.encode(&read.sha1);
        } else if decode_thumbprint(identifier).as_ref() != Some(&read.sha1)
            && !identifier.eq_ignore_ascii_case(&hex(&read.sha1))
        {
            return Err(format!(
                "has the customKeyIdentifier {identifier:?}, which is not the base64 of its SHA-1, {:?}",
                STANDARD.encode(&read.sha1)
            ));
        }
        Ok(read)
    }

    pub(crate) fn is_valid_at(&self, now: SystemTime) -> bool {
        self.start <= now && now <= self.end
    }
}

/// Decodes base64 in either alphabet, padded or not: the official clients send thumbprints in all
/// four forms.
pub(crate) fn decode_thumbprint(text: &str) -> Option<Vec<u8>> {
    TOLERANT.decode(text.replace('-', "+").replace('_', "/")).ok()
}

/// Decodes base64, with white space anywhere, of one DER certificate or of a PEM file with at least
/// one. The bytes of the certificates are not checked.
pub(crate) fn certificates_in(base64: &str) -> Option<Vec<Vec<u8>>> {
    let bytes = decode_with_blanks(base64).filter(|bytes| !bytes.is_empty())?;
    // The portal's download is PEM, and users and clients encode that file as a whole.
    match as_pem(&bytes) {
        Some(pem) => {
            let found: Vec<_> = certificates_of_pem(pem)
                .filter_map(|inside| decode_with_blanks(&inside))
                .collect();
            (!found.is_empty()).then_some(found)
        }
        None => Some(vec![bytes]),
    }
}

/// Returns true if a base64 text holds PEM instead of DER.
pub(crate) fn is_pem_in_base64(base64: &str) -> bool {
    decode_with_blanks(base64).is_some_and(|bytes| as_pem(&bytes).is_some())
}

/// Returns the encoded subject and issuer of a certificate.
pub(crate) fn names_of(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let [subject, issuer] = [certificate.subject(), certificate.issuer()].map(|name| name.as_raw().to_vec());
    Some((subject, issuer))
}

/// Returns true if these bytes are a DER certificate.
pub(crate) fn is_certificate(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
}

fn as_pem(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.contains(PEM_BEGINS))
}

fn decode_with_blanks(text: &str) -> Option<Vec<u8>> {
    let dense: String = text
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    decode_thumbprint(&dense)
}

pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Formats bytes in upper-case hexadecimal, as the service shows thumbprints.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Returns the base64 texts of the certificates in a PEM text.
fn certificates_of_pem(mut pem: &str) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let (_, rest) = pem.split_once(PEM_CERTIFICATE)?;
        let (inside, after) = rest.split_once(PEM_END)?;
        pem = after;
        Some(inside.split_ascii_whitespace().collect())
    })
}

fn from_unix(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

fn bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().position(|byte| *byte != 0).map(|at| &modulus[at..]);
    significant.map_or(0, |bytes| bytes.len() * 8 - bytes[0].leading_zeros() as usize)
}

const PEM_BEGINS: &str = "-----BEGIN ";
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_read_in_all_four_forms() {
        let bytes: Vec<u8> = (0..20).map(|at| 255 - at).collect();
        let standard = STANDARD.encode(&bytes);
        let url = base64::engine::general_purpose::URL_SAFE.encode(&bytes);
        assert_ne!(standard, url);
        for text in [&standard, &url] {
            assert_eq!(decode_thumbprint(text).as_ref(), Some(&bytes));
            assert_eq!(decode_thumbprint(text.trim_end_matches('=')).as_ref(), Some(&bytes));
        }
        assert_eq!(decode_thumbprint("é"), None);
        assert_eq!(decode_thumbprint("a"), None);
    }

    #[test]
    fn modulus_length_ignores_leading_zeros() {
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[0, 0]), 0);
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0x7f, 0xff]), 15);
    }

    #[test]
    fn invalid_certificate_is_rejected() {
        for value in ["", "!", "AAAA", "LS0tLS1CRUdJTi"] {
            let mut entry = KeyCredential {
                value: value.to_owned(),
                ..KeyCredential::default()
            };
            assert!(Registered::read(&mut entry).is_err(), "{value}");
        }
        let mut longer = include_bytes!("../keys/cert0.der").to_vec();
        assert!(Registered::read(&mut KeyCredential::new(&longer)).is_ok());
        longer.push(0);
        assert!(Registered::read(&mut KeyCredential::new(&longer)).is_err());
    }
}
