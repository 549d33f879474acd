//! Invalid fields of assertions, each with its AADSTS code.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Lint};
use serde_json::{Value, json};

use crate::support::assertion::{
    APP, Draft, NOW, SCOPE, TYPE, accepted, builder, changed, der, emulator, rejected, send,
};
use crate::support::{encode, token};

#[test]
fn invalid_signatures_are_rejected() {
    let shown = changed(Draft::with_next_key, 700027);
    assert!(
        shown.contains("use of the key to verify the signature failed."),
        "{shown}"
    );
    assert!(
        shown.contains("Found key 'Start=01/01/2020 00:00:00, End=01/01/2120 00:00:00'"),
        "{shown}"
    );
    let emulator = emulator();
    let draft = Draft::new(&emulator);
    rejected(&send(&emulator, &draft.sign_as("RS256")), 700027);
    rejected(
        &send(&emulator, &draft.clone().header("alg", "RS256").sign_as("PS256")),
        700027,
    );
    let (text, signature) = draft
        .sign()
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    for signature in [
        String::new(),
        "AA".to_owned(),
        URL_SAFE_NO_PAD.encode([0; 256]),
        signature.repeat(3),
    ] {
        rejected(&send(&emulator, &format!("{text}.{signature}")), 700027);
    }
    // The signature of one assertion over the claims of another.
    let other = draft.claim("jti", "other").sign();
    let mixed: Vec<&str> = text.split('.').take(1).chain(other.split('.').skip(1)).collect();
    accepted(&send(&emulator, &mixed.join(".")));
    rejected(
        &send(&emulator, &format!("{}.{signature}", other.rsplit_once('.').unwrap().0)),
        700027,
    );
}

#[test]
fn unsupported_algorithms_are_rejected() {
    let emulator = emulator();
    let draft = |algorithm: &str| Draft::new(&emulator).header("alg", algorithm);
    for algorithm in [
        "none", "None", "HS256", "RS384", "RS512", "PS384", "ES256", "EdDSA", "rs256", "",
    ] {
        let shown = rejected(&draft(algorithm).send(&emulator), 5002738);
        assert!(shown.contains(&format!("'{algorithm}' is not a supported")), "{shown}");
    }
    let unsigned = draft("none").sign();
    rejected(
        &send(&emulator, &format!("{}.", unsigned.rsplit_once('.').unwrap().0)),
        5002738,
    );
    // The public key used as a shared secret.
    let text = draft("HS256").sign();
    let text = text.rsplit_once('.').unwrap().0;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &der(APP));
    let tag = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()));
    rejected(&send(&emulator, &format!("{text}.{tag}")), 5002738);
    changed(|draft| draft.header("alg", Value::Null), 50027);
    changed(|draft| draft.header("alg", 256), 50027);
}

#[test]
fn only_jwt_types_are_accepted() {
    for kind in ["client-authentication+jwt", "at+jwt", ""] {
        changed(|draft| draft.header("typ", kind), 5002727);
    }
    let emulator = emulator();
    for kind in [
        json!(null),
        json!("JWT"),
        json!("jwt"),
        json!("http://openid.net/specs/jwt/1.0"),
    ] {
        accepted(&Draft::new(&emulator).header("typ", kind).send(&emulator));
    }
}

#[test]
fn subject_and_issuer_must_be_the_client_id() {
    let other = "22222222-2222-2222-2222-222222222222";
    changed(|draft| draft.claim("iss", other), 50048);
    changed(|draft| draft.claim("sub", other), 50048);
    changed(|draft| draft.claim("sub", other).claim("iss", other), 700021);
    changed(|draft| draft.claim("sub", "system:serviceaccount:a:b"), 50048);
    let emulator = emulator();
    let id = emulator.client_id().to_uppercase();
    accepted(&Draft::new(&emulator).claim("iss", id.as_str()).send(&emulator));
    accepted(
        &Draft::new(&emulator)
            .claim("sub", id.as_str())
            .claim("iss", id)
            .send(&emulator),
    );
    for (claim, missing) in [("iss", "'iss'"), ("sub", "'sub'"), ("aud", "'aud'")] {
        assert!(changed(|draft| draft.claim(claim, Value::Null), 90014).contains(missing));
        changed(|draft| draft.claim(claim, 1), 50027);
    }
}

/// Tokens of a cluster, of a pipeline, of another tenant and of this service, used as federated
/// credentials.
#[test]
fn assertions_of_other_issuers_are_rejected() {
    let emulator = emulator();
    let id = emulator.client_id();
    let exchange = "api://AzureADTokenExchange";
    for issuer in [
        "https://token.actions.githubusercontent.com",
        "https://kubernetes.default.svc.cluster.local",
        "https://login.microsoftonline.com/22222222-2222-2222-2222-222222222222/v2.0",
        "kubernetes/serviceaccount",
        "",
        emulator.base_url(),
    ] {
        for subject in [
            "repo:contoso/app:ref:refs/heads/main",
            "22222222-2222-2222-2222-222222222222",
            id,
            issuer,
        ] {
            let draft = Draft::new(&emulator).claim("iss", issuer).claim("sub", subject);
            for draft in [
                draft.clone(),
                draft.clone().claim("aud", exchange),
                draft.clone().claim("aud", json!([exchange])),
                draft.clone().claim("aud", Value::Null),
                draft.clone().claim("exp", NOW - 3600),
                draft.clone().header("x5t#S256", Value::Null).header("kid", "key-1"),
                draft.clone().header("x5t#S256", Value::Null),
                draft.clone().header("alg", "ES256"),
                draft.clone().header("typ", "at+jwt"),
                draft.clone().with_next_key(),
            ] {
                let shown = rejected(&draft.send(&emulator), 700211);
                let expected =
                    format!("No matching federated identity record found for presented assertion issuer '{issuer}'.");
                assert!(shown.contains(&expected), "{shown}");
                let lints = emulator.requests().pop().unwrap().lints;
                assert!(
                    !lints.contains(&Lint::AudienceList) && !lints.contains(&Lint::MissingJti),
                    "{lints:?}"
                );
            }
        }
    }
    let federated = Draft::new(&emulator)
        .claim("iss", "https://a.example")
        .claim("sub", "s");
    let fields = |more: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("scope", SCOPE),
        ];
        fields.extend_from_slice(more);
        encode(&fields)
    };
    let signed = federated.sign();
    let without_id = token(&emulator, "v2.0/token", &fields(&[("client_assertion", &signed)]));
    assert!(rejected(&without_id, 900144).contains("'client_id'"));
    let unknown = "22222222-2222-2222-2222-222222222222";
    let unknown = fields(&[("client_assertion", &signed), ("client_id", unknown)]);
    rejected(&token(&emulator, "v2.0/token", &unknown), 700016);
    rejected(&send(&emulator, "garbage"), 50027);
    rejected(&federated.clone().claim("iss", Value::Null).send(&emulator), 90014);
    rejected(&federated.claim("sub", Value::Null).send(&emulator), 90014);
}

#[test]
fn times_may_be_numbers_or_numeric_strings() {
    let emulator = emulator();
    for (start, expiry) in [
        (json!(NOW), json!(NOW + 600)),
        (json!(NOW as f64 + 0.25), json!(NOW as f64 + 600.75)),
        (json!(NOW.to_string()), json!((NOW + 600).to_string())),
    ] {
        let draft = Draft::new(&emulator).claim("exp", expiry);
        accepted(
            &draft
                .clone()
                .claim("nbf", start.clone())
                .claim("iat", start.clone())
                .send(&emulator),
        );
        accepted(
            &draft
                .clone()
                .claim("nbf", Value::Null)
                .claim("iat", start.clone())
                .send(&emulator),
        );
        accepted(
            &draft
                .clone()
                .claim("nbf", start)
                .claim("iat", Value::Null)
                .send(&emulator),
        );
        accepted(
            &draft
                .claim("nbf", Value::Null)
                .claim("iat", Value::Null)
                .send(&emulator),
        );
    }
    for claim in ["exp", "nbf", "iat"] {
        for bad in [
            json!("1e9"),
            json!(""),
            json!("-1"),
            json!(-1),
            json!(true),
            json!([1]),
            json!(1e300),
        ] {
            changed(|draft| draft.claim(claim, bad), 50027);
        }
    }
}

#[test]
fn expired_and_early_assertions_are_rejected() {
    let emulator = emulator();
    let skew = 300;
    let draft = Draft::new(&emulator);
    accepted(&draft.clone().claim("exp", NOW - skew + 1).send(&emulator));
    accepted(&draft.clone().claim("nbf", NOW + skew).send(&emulator));
    rejected(&draft.clone().claim("exp", NOW - skew).send(&emulator), 700024);
    rejected(&draft.clone().claim("nbf", NOW + skew + 1).send(&emulator), 700024);
    let shown = rejected(&draft.clone().claim("exp", Value::Null).send(&emulator), 700024);
    assert!(
        shown.contains(
            "Current time: 2026-01-01T00:00:00.0000000Z, assertion valid from 2026-01-01T00:00:00.0000000Z, expiry time \
             of assertion 1970-01-01T00:00:00.0000000Z."
        ),
        "{shown}"
    );
    let sent = draft.sign();
    emulator.clock().advance(Duration::from_secs(600 + skew - 1));
    accepted(&send(&emulator, &sent));
    emulator.clock().advance(Duration::from_secs(1));
    rejected(&send(&emulator, &sent), 700024);
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(NOW - skew - 1));
    rejected(&send(&emulator, &sent), 700024);
    emulator.clock().set(UNIX_EPOCH);
    rejected(&send(&emulator, &sent), 700024);
}

#[test]
fn replays_are_rejected_if_configured() {
    let lenient = emulator();
    let sent = Draft::new(&lenient).sign();
    accepted(&send(&lenient, &sent));
    accepted(&send(&lenient, &sent));

    let app = || App::new("daemon").certificate_pem(APP);
    let strict = builder(app()).app(app()).reject_replayed_assertions().build();
    let draft = Draft::new(&strict);
    rejected(&draft.clone().with_next_key().send(&strict), 700027);
    accepted(&draft.send(&strict));
    rejected(&draft.send(&strict), 50012);
    accepted(&draft.clone().claim("jti", "another").send(&strict));
    let anonymous = draft.clone().claim("jti", Value::Null).sign();
    accepted(&send(&strict, &anonymous));
    rejected(&send(&strict, &anonymous), 50012);
    strict.clock().advance(Duration::from_secs(899));
    rejected(&draft.send(&strict), 50012);
    strict.clock().advance(Duration::from_secs(2));
    accepted(&Draft::new(&strict).send(&strict));
}

#[test]
fn malformed_jwts_are_rejected() {
    let emulator = emulator();
    let draft = Draft::new(&emulator);
    let good = draft.sign();
    let (header, claims) = (draft.header.to_string(), draft.claims.to_string());
    // The same members as lists without names.
    let header_list = json!(["PS256", "JWT", null, null, draft.header["x5t#S256"], null]).to_string();
    let claims_list = ["aud", "iss", "sub", "exp", "nbf", "iat", "jti"].map(|name| draft.claims[name].clone());
    let claims_list = json!(claims_list).to_string();
    for spaced in [format!("{good}\n"), format!("\t{good}"), good.replacen('.', ". ", 1)] {
        let shown = rejected(&send(&emulator, &spaced), 50027);
        assert!(shown.contains("white space"), "{shown}");
    }
    for bad in [
        "a".to_owned(),
        good.replacen('.', "", 1),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        format!("{good} "),
        draft.sign_text("[]", &claims, "PS256"),
        draft.sign_text(&header_list, &claims, "PS256"),
        draft.sign_text(&header, &claims_list, "PS256"),
        draft.sign_text(&header, "[]", "PS256"),
        draft.sign_text(&header, "null", "PS256"),
        draft.sign_text(&header.replacen('{', r#"{"alg":"none","#, 1), &claims, "PS256"),
        draft.sign_text(&header, &claims.replacen('{', r#"{"aud":"x","#, 1), "PS256"),
        draft.sign_text(&header, &format!("{claims}{claims}"), "PS256"),
        draft.sign_text(&header, &"[".repeat(40_000), "PS256"),
    ] {
        rejected(&send(&emulator, &bad), 50027);
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("x5t", json!(1)),
        ("x5t#S256", json!([])),
        ("x5c", json!([])),
        ("x5c", json!([1])),
        ("x5c", json!("")),
        ("x5c", json!("not base64")),
        ("x5c", json!({})),
    ] {
        changed(|draft| draft.header(name, value), 50027);
    }
}
