//! Arbitrary bytes: they are an error, and never a panic.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::EndpointVersion;
use entra_proto::claims::Challenge;
use entra_validate::{KeySet, Metadata, Rejection, Rule, Step, bearer_token};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use proptest::prelude::*;

use crate::support::*;

#[test]
fn fuzz_corpora_cause_no_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora");
    let mut count = 0;
    for target in ["token", "jwks", "discovery", "bearer"] {
        for entry in fs::read_dir(folder.join(target)).expect("it is there") {
            let bytes = fs::read(entry.expect("it is there").path()).expect("it is there");
            harmless(&bytes);
            count += 1;
        }
    }
    assert!(count >= 20, "{count}");
}

/// Passes the same bytes to every function that reads bytes.
fn harmless(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let keys = Cloud::new().keys(&api(), EndpointVersion::V2);
    for token in [
        text.to_string(),
        sign(&text, &text, 0),
        sign(r#"{"alg":"RS256","kid":"first"}"#, &text, 0),
    ] {
        let rejection = match api().start(&token, now()) {
            Step::Done(verdict) => verdict,
            Step::NeedKeys(needs) => needs.judge(&keys),
        };
        let _ = rejection.map_err(|rejection| format!("{rejection}{rejection:?}"));
        let _ = api().report(&token, &keys, now()).to_string();
    }
    if let Ok(metadata) = Metadata::read(&api(), EndpointVersion::V2, bytes) {
        assert_eq!(metadata.jwks_uri().scheme_str(), Some("https"));
    }
    let known = br#"{"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0","jwks_uri":"https://login.microsoftonline.com/keys"}"#;
    let metadata = Metadata::read(&api(), EndpointVersion::V2, known).expect("the settings are valid");
    let _ = KeySet::read(&metadata, bytes);
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        if let Ok(token) = bearer_token(&headers, Some(&text)) {
            assert!(!token.contains(char::is_whitespace));
        }
    }
    if let Ok(api) = api().with_realm(&text) {
        let header = api.www_authenticate(&Rejection::UnknownKey).expect("it has one");
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, header)]);
        let read = Challenge::parse_all(&headers);
        assert_eq!(
            (read.len(), read[0].realm(), read[0].error()),
            (1, Some(&*text), Some("invalid_token"))
        );
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|it| it.to_string()),
        any::<f64>()
            .prop_filter("JSON has numbers only", |it| it.is_finite())
            .prop_map(|it| it.to_string()),
        any::<i64>().prop_map(|it| it.to_string()),
        ".{0,12}".prop_map(|it| serde_json::Value::from(it).to_string()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|it| format!("[{}]", it.join(","))),
            prop::collection::vec(inner, 0..4).prop_map(|it| {
                let members: Vec<_> = it
                    .iter()
                    .enumerate()
                    .map(|(at, value)| format!("\"m{at}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_handled(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        harmless(&bytes);
    }

    #[test]
    fn any_text_is_handled(text in "[ -~\\n\u{e9}]{0,300}") {
        harmless(text.as_bytes());
    }

    /// A valid token in which one claim gets any other value is rejected, or nothing important
    /// changed.
    #[test]
    fn any_value_of_a_claim_is_handled(
        claim in prop::sample::select(vec![
            "aud", "iss", "iat", "nbf", "exp", "azp", "idtyp", "oid", "roles", "sub", "tid", "ver", "scp", "cnf", "xms_cc", "acrs",
            "xms_act_fct", "xms_par_app_azp",
        ]),
        value in json(),
    ) {
        let token = daemon().without(claim).sign_raw(|json| format!("{{\"{claim}\":{value},{}", &json[1..]));
        if let Ok(principal) = validate(&api(), &token) {
            prop_assert_eq!(principal.tenant(), guid(TENANT));
            let is_free = ["iat", "nbf", "exp", "sub", "xms_cc", "acrs", "xms_act_fct", "xms_par_app_azp", "scp"].contains(&claim);
            prop_assert!(is_free, "{} {}", claim, value);
        }
    }

    /// A valid token in which any character changed fails the signature or an earlier rule.
    #[test]
    fn changed_token_is_rejected(at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
        let mut changed = daemon().sign().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let rejection = validate(&api(), &String::from_utf8(changed).unwrap()).expect_err("it is another token");
        prop_assert!(rejection.rule().is_some_and(|rule| rule <= Rule::Signature), "{}", rejection);
    }

    /// Only one base64url text of the bytes is a valid signature, so that a token has one spelling.
    #[test]
    fn signature_has_one_valid_encoding(last in prop::sample::select(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".to_vec())) {
        let token = daemon().sign();
        let mut respelled = token.clone();
        respelled.pop();
        respelled.push(char::from(last));
        prop_assert_eq!(validate(&api(), &respelled).is_ok(), respelled == token);
        let signature = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).unwrap();
        prop_assert_eq!(signature.len(), 256);
    }
}
