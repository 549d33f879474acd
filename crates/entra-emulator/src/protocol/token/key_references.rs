//! The references of a client assertion to the certificate that verifies it.

use serde_json::Value;

use crate::aadsts::Rejection;
use crate::certificate::{Registered, certificates_in, decode_thumbprint, hex, is_certificate, sha1, sha256};
use crate::config::App;
use crate::protocol::token::assertion::{Header, malformed};
use crate::time::{error_timestamp, unix};

/// The references of a header to its certificate. All of them must refer to the same certificate.
pub(super) struct KeyReferences<'a>(Vec<KeyReference<'a>>);

/// One reference to a certificate.
enum KeyReference<'a> {
    /// The SHA-1 thumbprint in `x5t`.
    Sha1(&'a str),
    /// The SHA-256 thumbprint in `x5t#S256`.
    Sha256(&'a str),
    /// The first entry of `x5c`, which is the signing certificate (RFC 7515, section 4.1.6), in
    /// DER. If the entry is PEM, it may contain the whole chain.
    Leaf(Vec<Vec<u8>>),
    /// The `kid`, used if there is no other reference. Some clients put the SHA-1 there, in base64
    /// or in hexadecimal.
    KeyId(&'a str),
}

impl<'a> KeyReferences<'a> {
    pub(super) fn read(header: &'a Header) -> Result<Self, Rejection> {
        let text = |name: &str, value: &'a Option<Value>| match value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(malformed(&format!("{name} is not a string"))),
        };
        let first = match &header.x5c {
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => list.first(),
            other => other.as_ref(),
        };
        let leaf = match (&header.x5c, first) {
            (None, _) => None,
            (Some(_), Some(Value::String(text))) => {
                certificates_in(text).filter(|found| found.iter().all(|der| is_certificate(der)))
            }
            _ => None,
        };
        if header.x5c.is_some() && leaf.is_none() {
            return Err(malformed("x5c does not contain a certificate in base64"));
        }
        let mut names: Vec<KeyReference<'_>> = text("x5t", &header.x5t)?.map(KeyReference::Sha1).into_iter().collect();
        names.extend(text("x5t#S256", &header.x5t_s256)?.map(KeyReference::Sha256));
        names.extend(leaf.map(KeyReference::Leaf));
        if names.is_empty() {
            names.extend(
                text("kid", &header.kid)?
                    .filter(|id| !id.is_empty())
                    .map(KeyReference::KeyId),
            );
        }
        if names.is_empty() {
            return Err(Rejection::new(5002723));
        }
        Ok(Self(names))
    }

    pub(super) fn matches(&self, certificate: &Registered) -> bool {
        self.0.iter().all(|name| name.matches(certificate))
    }

    /// Returns the error for a key that the app does not have, or for a header that refers to more
    /// than one key.
    pub(super) fn not_found(&self, app: &App, registered: &[Registered]) -> Rejection {
        let is_missing = |name: &&KeyReference<'_>| !registered.iter().any(|certificate| name.matches(certificate));
        let Some(missing) = self.0.iter().find(is_missing) else {
            return self.rejection("The header names more than one key.", None);
        };
        let thumbprint = missing.thumbprint().map_or_else(String::new, |thumbprint| {
            format!("Thumbprint of key used by client: '{thumbprint}', ")
        });
        Rejection::new(700027)
            .with_text(NOT_REGISTERED)
            .with(&thumbprint)
            .with(&app.client_id)
    }

    /// Returns AADSTS700027 for a registered key.
    pub(super) fn rejection(&self, reason: &str, found: Option<&Registered>) -> Rejection {
        let thumbprint = self.0.first().and_then(KeyReference::thumbprint).unwrap_or_default();
        let found = found.map_or_else(String::new, |certificate| {
            let [start, end] = [certificate.start, certificate.end].map(|time| american(unix(time)));
            format!(", Found key 'Start={start}, End={end}'")
        });
        Rejection::new(700027).with(reason).with(&thumbprint).with(&found)
    }
}

impl KeyReference<'_> {
    fn matches(&self, certificate: &Registered) -> bool {
        match self {
            Self::Sha1(sent) => decode_thumbprint(sent).as_ref() == Some(&certificate.sha1),
            Self::Sha256(sent) => decode_thumbprint(sent).as_ref() == Some(&certificate.sha256),
            Self::Leaf(found) => found.iter().any(|der| sha256(der) == certificate.sha256),
            Self::KeyId(id) => key_id_thumbprint(id).as_ref() == Some(&certificate.sha1),
        }
    }

    /// Returns the thumbprint in hexadecimal, as in the portal, or as it was sent if it is
    /// unreadable. A key ID may have none.
    fn thumbprint(&self) -> Option<String> {
        match self {
            Self::Sha1(sent) | Self::Sha256(sent) => {
                Some(decode_thumbprint(sent).map_or_else(|| (*sent).to_owned(), |bytes| hex(&bytes)))
            }
            Self::Leaf(found) => found.first().map(|der| hex(&sha1(der))),
            Self::KeyId(id) => key_id_thumbprint(id).map(|bytes| hex(&bytes)),
        }
    }
}

/// Returns the SHA-1 in a key ID, if it contains one.
fn key_id_thumbprint(id: &str) -> Option<Vec<u8>> {
    if id.len() == 2 * SHA1_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return (0..SHA1_LENGTH)
            .map(|at| u8::from_str_radix(id.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
    }
    decode_thumbprint(id).filter(|bytes| bytes.len() == SHA1_LENGTH)
}

/// Formats a time like `06/29/2021 21:13:15`.
fn american(unix: u64) -> String {
    let text = error_timestamp(unix);
    match (text.get(..4), text.get(5..7), text.get(8..10), text.get(11..19)) {
        (Some(year), Some(month), Some(day), Some(time)) => format!("{month}/{day}/{year} {time}"),
        _ => text,
    }
}

/// The length of a SHA-1, in bytes.
const SHA1_LENGTH: usize = 20;
/// The text of 700027 for a key that the app does not have.
const NOT_REGISTERED: &str = "The certificate with identifier used to sign the client assertion is not registered on \
     application. [Reason - The key was not found., {0}Please visit the Azure Portal, Graph Explorer or directly use MS \
     Graph to see configured keys for app Id '{1}'.]";
