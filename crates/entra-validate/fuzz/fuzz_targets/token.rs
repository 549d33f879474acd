//! Arbitrary text as a token, and as the payload of a signed token. `cargo xtask fuzz` starts with
//! `tests/corpora/token`.

#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::{EndpointVersion, Timestamp};
use entra_validate::{Api, Audience, KeySet, Permissions, Rule, Step, Tenants};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

static PAIR: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).expect("there is randomness"));

static API: LazyLock<Api> = LazyLock::new(|| {
    let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse().expect("it is a GUID"));
    let tenants = Tenants::One(TENANT.parse().expect("it is a GUID"));
    Api::new(audience, tenants, Permissions::any_granted()).expect("the settings are valid")
});

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = PAIR.public_key();
    let document = serde_json::json!({"keys": [{
        "kty": "RSA", "kid": "first",
        "n": number(public.modulus().big_endian_without_leading_zero()),
        "e": number(public.exponent().big_endian_without_leading_zero()),
    }]});
    KeySet::pinned(&API, EndpointVersion::V2, document.to_string().as_bytes()).expect("the settings are valid")
});

fuzz_target!(|text: &str| {
    // Without the key, nothing is valid.
    judge(text, false);
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"first"}"#),
        URL_SAFE_NO_PAD.encode(text)
    );
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .expect("it signs");
    judge(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)), true);
});

fn judge(token: &str, is_signed: bool) {
    let verdict = match API.start(token, NOW) {
        Step::Done(verdict) => verdict,
        Step::NeedKeys(needs) => needs.judge(&KEYS),
    };
    let report = API.report(token, &KEYS, NOW);
    let _ = report.to_string();
    assert_eq!(report.is_valid(), verdict.is_ok());
    match verdict {
        Ok(principal) => {
            assert!(is_signed);
            assert_eq!(principal.tenant().to_string(), TENANT);
            assert!(principal.scopes().next().is_some() || principal.roles().next().is_some());
        }
        Err(rejection) => {
            assert!(!rejection.to_string().is_empty());
            assert!(is_signed || rejection.rule().is_some_and(|rule| rule <= Rule::Signature));
            assert!(API.www_authenticate(&rejection).is_some());
        }
    }
}
