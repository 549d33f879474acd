//! The protocol's own work: encoding, decoding, assertions; and how soon an emulator is ready.

use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use entra_credential::ClientCertificate;
use entra_emulator::Emulator;
use entra_proto::assertion::{ClientAssertion, Signer};
use entra_proto::{Application, Authority, ClientSecret, Guid, Target, Timestamp, TokenRequest, TokenResponse};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::measure::{allocations, batch, median, median_of, time};
use crate::report::Report;

pub(crate) fn measure(report: &mut Report) {
    let request = request();
    let id = Guid::from_random([7; 16]);
    let answer = answer();
    let decode = || {
        TokenResponse::decode(
            StatusCode::OK,
            &HeaderMap::new(),
            answer.as_bytes(),
            Timestamp::from_secs(1),
        )
    };
    drop((request.encode(id), decode()));

    report.at_most(
        "encode-allocations",
        allocations(|| drop(request.encode(id))),
        "allocations",
        4.0,
    );
    report.at_most("decode-allocations", allocations(|| drop(decode())), "allocations", 6.0);

    // The header map is no work of encoding parameters: its making, a clone and one insertion, is
    // measured and taken off.
    let headers = request.encode(id).headers().clone();
    let header_map = || {
        let mut headers = headers.clone();
        headers.insert(
            "client-request-id",
            HeaderValue::from_static("07070707-0707-4707-8707-070707070707"),
        );
        headers
    };
    let encode = median(|| (batch(&|| request.encode(id)) - batch(&header_map)) / batch(&percent_encode_alone));
    report.at_most("encode-less-headers-ratio", encode, "times percent-encoding alone", 2.0);
    let decode = median(|| batch(&decode) / batch(&|| serde_json::from_str::<Plain>(&answer)));
    report.at_most("decode-ratio", decode, "times serde_json alone", 2.0);

    let signing = Signing::new();
    let beside = allocations(|| drop(signing.assertion())) - allocations(|| drop(signing.bare()));
    report.at_most(
        "assertion-allocations",
        beside,
        "allocations beside the signature",
        12.0,
    );
    let assertion = median_of(101, || time(|| signing.assertion()) / time(|| signing.bare()));
    report.at_most("assertion-ratio", assertion, "times the bare signature", 1.03);

    let signature = median_of(101, || time(|| signing.bare())) / 8.0;
    let start = Instant::now();
    let emulator = Emulator::start();
    let ready = start.elapsed().as_secs_f64() / signature;
    report.at_most("emulator-ready", ready, "times a bare signature", 30.0);
    drop(emulator);
    let start = Instant::now();
    let emulators: Vec<Emulator> = (0..100).map(|seed| Emulator::builder().seed(seed).start()).collect();
    let ready = start.elapsed().as_secs_f64() / 100.0 / signature;
    report.at_most(
        "emulator-ready-100-in-one-process",
        ready,
        "times a bare signature, each",
        15.0,
    );
    drop(emulators);
}

/// A client-credentials request with a secret on v2, as a daemon repeats it.
fn request() -> TokenRequest {
    let authority: Authority = AUTHORITY.parse().unwrap();
    let app = Application::new(
        authority,
        CLIENT_ID.parse().unwrap(),
        ClientSecret::new(SECRET).unwrap(),
    );
    app.client_credentials(Target::scopes(SCOPE).unwrap()).unwrap()
}

/// The parameters of the same request, percent-encoded into a text with room for them, and nothing
/// else.
pub(crate) fn percent_encode_alone() -> String {
    let mut text = String::with_capacity(256);
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("scope", SCOPE),
        ("client_secret", SECRET),
    ] {
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, ESCAPED));
        text.push('&');
    }
    text
}

/// A v2 response of 1.5 kB.
fn answer() -> String {
    let head = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":""#;
    format!("{head}{}\"}}", "eyJ0eXAiOiJKV1Qi".repeat((1500 - head.len() - 2) / 16))
}

/// The fields that serde_json alone reads from it.
#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "never read: parsing is the measurement")]
pub(crate) struct Plain {
    token_type: String,
    expires_in: u64,
    ext_expires_in: u64,
    access_token: String,
}

/// A certificate's key twice: as a credential, and bare.
struct Signing {
    request: TokenRequest,
    certificate: ClientCertificate,
    bare: RsaKeyPair,
    random: SystemRandom,
}

impl Signing {
    fn new() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let pem = CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem();
        let certificate = ClientCertificate::from_pem(format!("{}{pem}", key.serialize_pem()), None).unwrap();
        let app = Application::new(
            AUTHORITY.parse().unwrap(),
            CLIENT_ID.parse().unwrap(),
            certificate.clone(),
        );
        let request = app.client_credentials(Target::scopes(SCOPE).unwrap()).unwrap();
        let bare = RsaKeyPair::from_pkcs8(key.serialized_der()).unwrap();
        let signing = Self {
            request,
            certificate,
            bare,
            random: SystemRandom::new(),
        };
        // The first use of each does what is done once.
        drop((signing.assertion(), signing.bare()));
        signing
    }

    fn assertion(&self) -> ClientAssertion {
        let unsigned = self
            .request
            .unsigned_assertion(Guid::from_random([7; 16]), Timestamp::from_secs(1))
            .unwrap();
        let (algorithm, input) = (unsigned.algorithm(), unsigned.input());
        let signature = self.certificate.sign(unsigned.certificate(), algorithm, input).unwrap();
        unsigned.signed(&signature)
    }

    fn bare(&self) -> Vec<u8> {
        let mut signature = vec![0; self.bare.public_modulus_len()];
        self.bare
            .sign(&RSA_PSS_SHA256, &self.random, &[b'a'; 600], &mut signature)
            .unwrap();
        signature
    }
}

const AUTHORITY: &str = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const SECRET: &str = "qWgdYAmab0YSkuL1qKv5bPX~a.b_c-d8Q~";
const SCOPE: &str = "https://graph.microsoft.com/.default";
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
