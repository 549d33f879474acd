//! The entries of `keyCredentials` in an application's manifest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_proto::{Guid, Timestamp};
use serde::{Serialize, Serializer};

use crate::thumbprints::Thumbprints;
use crate::x509::Certificate;

/// An entry of an application's `keyCredentials`: a certificate without secrets.
///
/// It serializes in the format of Microsoft Graph, which the portal's manifest uses as well.
/// [`merge`](Self::merge) writes the older format if the manifest has it.
///
/// ```
/// use entra_credential::{ClientCertificate, KeyCredential};
/// use entra_proto::Guid;
///
/// # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// let certificate = ClientCertificate::read(bytes, None)?;
/// let key_id = Guid::from_random([7; 16]); // use 16 random bytes
/// let entry = certificate.key_credential(key_id);
///
/// let downloaded = r#"{"id": "a6099727-6b7b", "keyCredentials": []}"#;
/// let edited = KeyCredential::merge(downloaded, [&entry])?;
/// assert!(edited.contains(r#""usage": "Verify""#));
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    custom_key_identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date_time: Option<String>,
    key: String,
    #[serde(serialize_with = "guid")]
    key_id: Guid,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date_time: Option<String>,
    r#type: &'static str,
    usage: &'static str,
    #[serde(skip)]
    sha1_hex: String,
}

/// An entry in the format of the portal's manifest before December 2024.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Legacy<'a> {
    custom_key_identifier: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<&'a str>,
    #[serde(serialize_with = "guid")]
    key_id: Guid,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<&'a str>,
    r#type: &'static str,
    usage: &'static str,
    value: &'a str,
}

impl Certificate {
    /// Returns its entry in the `keyCredentials` of an application. `key_id` identifies the entry
    /// and must be new for each one.
    #[must_use]
    pub fn key_credential(&self, key_id: Guid) -> KeyCredential {
        KeyCredential::new(&self.der, key_id)
    }
}

impl KeyCredential {
    /// Creates the entry of the certificate with this DER. `key_id` identifies the entry and must
    /// be new for each one.
    #[must_use]
    pub fn new(certificate: &[u8], key_id: Guid) -> Self {
        let thumbprints = Thumbprints::of(certificate);
        let validity = Certificate::parse(certificate).ok();
        let moment = |of: fn(&Certificate) -> _| validity.as_ref().map(of).map(Timestamp::to_rfc3339);
        Self {
            custom_key_identifier: thumbprints.custom_key_identifier(),
            end_date_time: moment(Certificate::not_after),
            key: STANDARD.encode(certificate),
            key_id,
            start_date_time: moment(Certificate::not_before),
            r#type: "AsymmetricX509Cert",
            usage: VERIFY,
            sha1_hex: thumbprints.sha1_hex(),
        }
    }

    /// Returns the SHA-1 of the certificate in standard base64.
    #[must_use]
    pub fn custom_key_identifier(&self) -> &str {
        &self.custom_key_identifier
    }

    /// Returns the ID of the entry.
    #[must_use]
    pub fn key_id(&self) -> Guid {
        self.key_id
    }

    /// Returns the certificate in standard base64.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the SHA-1 of the certificate in hexadecimal.
    pub(crate) fn sha1_hex(&self) -> &str {
        &self.sha1_hex
    }

    /// Returns the entry as JSON in the format of Microsoft Graph, on several lines.
    #[must_use]
    pub fn to_json(&self) -> String {
        pretty(self)
    }

    /// Returns the entry in the older format.
    pub(crate) fn to_legacy_json(&self) -> String {
        pretty(&Legacy {
            custom_key_identifier: &self.custom_key_identifier,
            end_date: self.end_date_time.as_deref(),
            key_id: self.key_id,
            start_date: self.start_date_time.as_deref(),
            r#type: self.r#type,
            usage: self.usage,
            value: &self.key,
        })
    }
}

fn pretty(entry: &impl Serialize) -> String {
    serde_json::to_string_pretty(entry).expect("texts are always JSON")
}

fn guid<S: Serializer>(guid: &Guid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(guid)
}

pub(crate) const VERIFY: &str = "Verify";
