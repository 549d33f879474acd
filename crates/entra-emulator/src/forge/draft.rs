//! The parts of a forged token, and its signature.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::forge::{Change, Part};
use crate::state::keys::Key;

/// The algorithm of a forged token's signature. Entra uses only RS256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256. Its signatures differ each time.
    Ps256,
    /// HMAC with SHA-256, with the public key in PEM (`BEGIN PUBLIC KEY`) as the secret.
    Hs256,
    /// No algorithm: the third part is empty.
    None,
}

impl SignatureAlgorithm {
    /// All algorithms.
    pub const ALL: &'static [Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Hs256,
        Self::None,
    ];

    /// Returns the name in the header (`alg`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Hs256 => "HS256",
            Self::None => "none",
        }
    }
}

/// A JSON object that may contain a name twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Vec<(String, Value)>);

impl Object {
    /// Replaces the value of a name, or adds the name.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.add(name, value),
        }
    }

    pub(super) fn add(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Returns the string value of a name, or an empty text if it has no string value.
    pub(super) fn text(&self, name: &str) -> String {
        let found = self.0.iter().find(|(known, _)| known == name);
        let text = found.and_then(|(_, value)| value.as_str());
        text.unwrap_or_default().to_owned()
    }

    /// Appends all members to another object.
    pub(super) fn append_to(&self, other: &mut Self) {
        other.0.extend(self.0.iter().cloned());
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a list of names and values is JSON")
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(members) => Self(members.into_iter().collect()),
            _ => Self::default(),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A token that is not signed yet.
pub(crate) struct Draft {
    /// The current time, in seconds since the epoch.
    pub(super) now: u64,
    pub(super) key: &'static Key,
    pub(super) algorithm: SignatureAlgorithm,
    /// The secret of HS256.
    pub(super) secret: String,
    pub(crate) header: Object,
    pub(crate) claims: Object,
    /// Bytes that replace the header.
    pub(super) raw_header: Option<Vec<u8>>,
    /// Bytes that replace the claims.
    pub(super) raw_claims: Option<Vec<u8>>,
    /// A header that replaces the signed one in the final text.
    pub(super) shown_header: Option<Object>,
    /// Claims that replace the signed ones in the final text.
    pub(super) shown_claims: Option<Object>,
    /// The encoding of a part.
    pub(super) encode: fn(&[u8]) -> String,
    /// A change to the signature.
    pub(super) signature: fn(Vec<u8>) -> Vec<u8>,
    /// A change to the final text.
    pub(super) text: fn(String) -> String,
}

impl Draft {
    pub(super) fn new(now: u64, key: &'static Key, algorithm: SignatureAlgorithm, is_v1: bool, claims: Object) -> Self {
        let mut header = Object::default();
        header.set("typ", json!("JWT"));
        header.set("alg", json!(algorithm.name()));
        if is_v1 {
            header.set("x5t", json!(key.kid));
        }
        header.set("kid", json!(key.kid));
        Self {
            now,
            key,
            algorithm,
            secret: key.public_pem(),
            header,
            claims,
            raw_header: None,
            raw_claims: None,
            shown_header: None,
            shown_claims: None,
            encode: base64url,
            signature: |signature| signature,
            text: |text| text,
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        let (part, name) = match &change {
            Change::Defect(defect) => return defect.make(self),
            Change::Set(part, name, _) | Change::Add(part, name, _) | Change::Remove(part, name) => (*part, name),
        };
        let object = match part {
            Part::Header => &mut self.header,
            Part::Claims => &mut self.claims,
        };
        match &change {
            Change::Set(_, _, value) => object.set(name, value.clone()),
            Change::Add(_, _, value) => object.add(name, value.clone()),
            _ => object.remove(name),
        }
    }

    /// Sets the algorithm of the signature, and its name in the header.
    pub(super) fn sign_by(&mut self, algorithm: SignatureAlgorithm) {
        self.algorithm = algorithm;
        self.header.set("alg", json!(algorithm.name()));
    }

    /// Signs the token and returns its text.
    pub(super) fn sign(&self) -> String {
        let encode = self.encode;
        let part = |raw: &Option<Vec<u8>>, object: &Object| match raw {
            Some(bytes) => encode(bytes),
            None => encode(&object.bytes()),
        };
        let header = part(&self.raw_header, &self.header);
        let claims = part(&self.raw_claims, &self.claims);
        let signature = self.signature_of(&format!("{header}.{claims}"));
        let signature = encode(&(self.signature)(signature));
        let shown = |object: &Option<Object>, signed: String| match object {
            Some(object) => encode(&object.bytes()),
            None => signed,
        };
        let (header, claims) = (shown(&self.shown_header, header), shown(&self.shown_claims, claims));
        (self.text)(format!("{header}.{claims}.{signature}"))
    }

    fn signature_of(&self, message: &str) -> Vec<u8> {
        let (algorithm, key) = match self.algorithm {
            SignatureAlgorithm::Rs256 => (Algorithm::RS256, self.key.encoding()),
            SignatureAlgorithm::Rs384 => (Algorithm::RS384, self.key.encoding()),
            SignatureAlgorithm::Rs512 => (Algorithm::RS512, self.key.encoding()),
            SignatureAlgorithm::Ps256 => (Algorithm::PS256, self.key.encoding()),
            SignatureAlgorithm::Hs256 => (Algorithm::HS256, EncodingKey::from_secret(self.secret.as_bytes())),
            SignatureAlgorithm::None => return Vec::new(),
        };
        // The provider is named explicitly, because the process-wide default may be a different
        // one.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, &key).expect("the key fits the algorithm");
        signer
            .try_sign(message.as_bytes())
            .expect("the embedded keys are sound")
    }
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn padded_base64url(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}
