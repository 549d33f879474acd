//! Client assertions in the format of clients, and modified ones.

use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_emulator::{Aadsts, App, Emulator, EmulatorBuilder};
use serde_json::{Value, json};

use super::{Response, json_body, token};

/// The certificate that most tests register, in PEM.
pub(crate) const APP: &str = include_str!("../../certificates/app.crt");
/// Another certificate with its own key.
pub(crate) const NEXT: &str = include_str!("../../certificates/next.crt");

pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(crate) const SCOPE: &str = "https://graph.microsoft.com/.default";

/// 2026-01-01, a time at which both certificates are valid.
pub(crate) const NOW: u64 = 1_767_225_600;

/// Returns a builder with this application, and with the clock frozen at [`NOW`].
pub(crate) fn builder(app: App) -> EmulatorBuilder {
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + std::time::Duration::from_secs(NOW))
        .app(app)
}

/// Returns an emulator whose application has only the certificate [`APP`].
pub(crate) fn emulator() -> Emulator {
    builder(App::new("daemon").without_secrets().certificate_pem(APP)).build()
}

/// Returns the DER bytes of a PEM certificate.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let inside: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(inside).unwrap()
}

pub(crate) fn sha1(pem: &str) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, &der(pem)).as_ref().to_vec()
}

pub(crate) fn sha256(pem: &str) -> Vec<u8> {
    digest(&SHA256, &der(pem)).as_ref().to_vec()
}

/// An unsigned assertion. Members can be replaced; null removes one.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    key: &'static [u8],
}

impl Draft {
    /// Creates a valid assertion of the first application: PS256, `x5t#S256`, the v2 token URL, ten
    /// minutes.
    pub(crate) fn new(emulator: &Emulator) -> Self {
        let now = emulator.clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self {
            header: json!({"alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(APP))}),
            claims: json!({
                "aud": emulator.token_url_v2(),
                "iss": emulator.client_id(),
                "sub": emulator.client_id(),
                "jti": "0f0e0d0c-0b0a-4908-8706-050403020100",
                "nbf": now,
                "iat": now,
                "exp": now + 600,
            }),
            key: include_bytes!("../../certificates/app.key.der"),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.header, name, value.into());
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// Names a certificate by its SHA-256 thumbprint.
    pub(crate) fn naming(self, pem: &str) -> Self {
        self.header("x5t#S256", URL_SAFE_NO_PAD.encode(sha256(pem)))
    }

    /// Signs with the key of [`NEXT`].
    pub(crate) fn with_next_key(self) -> Self {
        Self {
            key: include_bytes!("../../certificates/next.key.der"),
            ..self
        }
    }

    /// Signs with the algorithm in `alg`, or with RS256 if that is unknown.
    pub(crate) fn sign(&self) -> String {
        self.sign_as(self.header["alg"].as_str().unwrap_or_default())
    }

    pub(crate) fn sign_as(&self, algorithm: &str) -> String {
        self.sign_text(&self.header.to_string(), &self.claims.to_string(), algorithm)
    }

    /// Signs these bytes instead of the draft's.
    pub(crate) fn sign_text(&self, header: &str, claims: &str, algorithm: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let text = format!("{header}.{claims}");
        let signature = self.signature(&text, algorithm);
        text + "." + &URL_SAFE_NO_PAD.encode(signature)
    }

    /// Returns the signature of a text.
    pub(crate) fn signature(&self, text: &str, algorithm: &str) -> Vec<u8> {
        let key = RsaKeyPair::from_der(self.key).unwrap();
        let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
            "PS256" => &RSA_PSS_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            _ => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .unwrap();
        signature
    }

    /// Signs the assertion and requests a token for Microsoft Graph from the v2 endpoint.
    pub(crate) fn send(&self, emulator: &Emulator) -> Response {
        send(emulator, &self.sign())
    }
}

/// Requests a token for Microsoft Graph from the v2 endpoint with this assertion.
pub(crate) fn send(emulator: &Emulator, assertion: &str) -> Response {
    let body = super::encode(&[
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("scope", SCOPE),
    ]);
    token(emulator, "v2.0/token", &body)
}

#[track_caller]
pub(crate) fn accepted(response: &Response) {
    assert_eq!(response.status(), 200, "{}", json_body(response));
}

/// Checks an error response against its row, and returns the description.
#[track_caller]
pub(crate) fn rejected(response: &Response, code: u32) -> String {
    let body = json_body(response);
    let row = Aadsts::find(code).expect("a row");
    assert_eq!(body["error_codes"], json!([code]), "{body}");
    assert_eq!(
        (response.status().as_u16(), &body["error"]),
        (row.status, &json!(row.error))
    );
    body["error_description"].as_str().unwrap().to_owned()
}

/// Sends a valid assertion with one change, and checks the error response.
#[track_caller]
pub(crate) fn changed(change: impl FnOnce(Draft) -> Draft, code: u32) -> String {
    let emulator = emulator();
    rejected(&change(Draft::new(&emulator)).send(&emulator), code)
}

/// The header and claims of a captured assertion of an official client.
#[derive(Clone, serde::Deserialize)]
pub(crate) struct Shape {
    pub(crate) client: String,
    pub(crate) case: String,
    pub(crate) path: String,
    header: Value,
    claims: Value,
}

impl Shape {
    pub(crate) fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../assertions.json")).unwrap()
    }

    /// Replaces the placeholders for the certificate and the time, and signs with the key of
    /// [`APP`].
    pub(crate) fn sign(&self, emulator: &Emulator) -> String {
        let mut draft = Draft::new(emulator);
        (draft.header, draft.claims) = (self.header.clone(), self.claims.clone());
        for (name, thumbprint) in [("x5t", sha1(APP)), ("x5t#S256", sha256(APP))] {
            draft = match draft.header[name].as_str() {
                Some("<padded>") => draft.header(name, URL_SAFE.encode(thumbprint)),
                Some("<bare>") => draft.header(name, URL_SAFE_NO_PAD.encode(thumbprint)),
                Some(other) => panic!("{other}"),
                None => draft,
            };
        }
        for certificate in draft.header["x5c"].as_array_mut().into_iter().flatten() {
            *certificate = match certificate.as_str() {
                Some("<leaf>") => STANDARD.encode(der(APP)),
                Some("<issuer>") => STANDARD.encode(der(NEXT)),
                Some("<leaf in lines>") => in_lines(APP),
                Some("<issuer in lines>") => in_lines(NEXT),
                other => panic!("{other:?}"),
            }
            .into();
        }
        for name in ["exp", "nbf", "iat"] {
            draft = match draft.claims[name].as_str() {
                Some("<int>") => draft.claim(name, NOW),
                Some("<int +600>") => draft.claim(name, NOW + 600),
                Some("<float>") => draft.claim(name, NOW as f64 + 0.75),
                Some("<float +600>") => draft.claim(name, NOW as f64 + 600.75),
                Some(other) => panic!("{other}"),
                None => draft,
            };
        }
        draft.sign()
    }
}

/// Formats bytes in upper-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Returns the base64 text of a PEM certificate with its line breaks.
pub(crate) fn in_lines(pem: &str) -> String {
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    lines.join("\n")
}

fn set(object: &mut Value, name: &str, value: Value) {
    let object = object.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
}
