use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_proto::Guid;
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::manifest;
use crate::thumbprints::Thumbprints;

/// A certificate as an application's manifest lists it: an entry of `keyCredentials`. It holds nothing secret.
///
/// ```
/// use entra_credential::{ClientCertificate, KeyCredential};
/// use entra_proto::Guid;
///
/// # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// let certificate = ClientCertificate::read(bytes, None)?;
/// let entry = certificate.key_credential(Guid::from_random([7; 16])); // 16 random bytes of yours
///
/// let downloaded = r#"{"id": "a6099727-6b7b-482c-b509-1df309acc563", "keyCredentials": []}"#;
/// let edited = KeyCredential::merge(downloaded, [&entry])?;
/// assert!(edited.contains(r#""usage": "Verify""#));
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    custom_key_identifier: String,
    #[serde(serialize_with = "guid")]
    key_id: Guid,
    r#type: &'static str,
    usage: &'static str,
    value: String,
    #[serde(skip)]
    sha1_hex: String,
}

impl KeyCredential {
    /// The entry for the certificate with this DER. `key_id` names the entry; draw a fresh one for each.
    #[must_use]
    pub fn new(certificate: &[u8], key_id: Guid) -> Self {
        let thumbprints = Thumbprints::of(certificate);
        Self {
            custom_key_identifier: thumbprints.custom_key_identifier(),
            key_id,
            r#type: "AsymmetricX509Cert",
            usage: VERIFY,
            value: STANDARD.encode(certificate),
            sha1_hex: thumbprints.sha1_hex(),
        }
    }

    /// Puts `entries` into a manifest (JSON) and gives the new text, to be uploaded. Everything that was there stays as it was written,
    /// and where it was; a certificate that is listed already stays as it is, with its `keyId`. The entries come last.
    ///
    /// # Errors
    /// Where `manifest` is not a JSON object with at most one `keyCredentials`, a list or null; where a `keyId` stands for another
    /// certificate there.
    pub fn merge<'a>(manifest: &str, entries: impl IntoIterator<Item = &'a Self>) -> Result<String, Error> {
        manifest::merge(manifest, entries)
    }

    /// SHA-1 of the certificate in standard base64.
    #[must_use]
    pub fn custom_key_identifier(&self) -> &str {
        &self.custom_key_identifier
    }

    /// What the entry is called.
    #[must_use]
    pub fn key_id(&self) -> Guid {
        self.key_id
    }

    /// The certificate in standard base64.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What else the same certificate is called.
    pub(crate) fn sha1_hex(&self) -> &str {
        &self.sha1_hex
    }

    /// The entry as JSON, on several lines.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts are always JSON")
    }
}

fn guid<S: Serializer>(guid: &Guid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(guid)
}

pub(crate) const VERIFY: &str = "Verify";
