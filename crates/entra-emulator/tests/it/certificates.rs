//! The certificates that sign an application's assertions: registration, lookup and validity.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_emulator::{App, Config, EmulatorBuilder, KeyCredential};
use serde_json::{Value, json};

use crate::support::assertion::{
    APP, Draft, NEXT, NOW, accepted, builder, changed, der, emulator, hex, in_lines, rejected, sha1, sha256,
};

const SHORT: &str = include_str!("../certificates/short.crt");
const EC: &str = include_str!("../certificates/ec.crt");

#[test]
fn certificates_are_found_in_every_encoding() {
    let emulator = emulator();
    let plain = Draft::new(&emulator).header("x5t#S256", Value::Null);
    for algorithm in ["RS256", "PS256"] {
        for (name, thumbprint) in [("x5t", sha1(APP)), ("x5t#S256", sha256(APP))] {
            for engine in [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD, &STANDARD_NO_PAD] {
                let draft = plain
                    .clone()
                    .header("alg", algorithm)
                    .header(name, engine.encode(&thumbprint));
                accepted(&draft.send(&emulator));
            }
        }
        let leaf = STANDARD.encode(der(APP));
        for chain in [
            json!(leaf),
            json!([leaf]),
            json!([leaf, STANDARD.encode(der(NEXT))]),
            json!([in_lines(APP)]),
            json!(in_lines(APP).replace('\n', "\r\n ")),
        ] {
            accepted(
                &plain
                    .clone()
                    .header("alg", algorithm)
                    .header("x5c", chain)
                    .send(&emulator),
            );
        }
    }
    let all = plain
        .header("x5t", URL_SAFE_NO_PAD.encode(sha1(APP)))
        .header("x5c", json!([STANDARD.encode(der(APP))]));
    accepted(&all.naming(APP).send(&emulator));
}

#[test]
fn header_must_name_exactly_one_certificate() {
    let both = builder(App::new("daemon").certificate_pem(APP).certificate_pem(NEXT)).build();
    let draft = Draft::new(&both);
    let other_leaf = draft
        .clone()
        .header("x5c", json!([STANDARD.encode(der(NEXT)), STANDARD.encode(der(APP))]));
    // Both are registered, so that no key is missing.
    let reason = "[Reason - The header names more than one key";
    let shown = rejected(&other_leaf.send(&both), 700027);
    assert!(shown.contains(reason), "{shown}");
    let other_sha1 = draft.header("x5t", URL_SAFE_NO_PAD.encode(sha1(NEXT)));
    let shown = rejected(&other_sha1.send(&both), 700027);
    assert!(shown.contains(reason), "{shown}");
    changed(|draft| draft.header("x5t#S256", Value::Null), 5002723);
    changed(|draft| draft.header("x5t#S256", Value::Null).header("kid", ""), 5002723);
    changed(|draft| draft.header("x5t#S256", Value::Null).header("kid", 7), 50027);
}

/// Some releases of MSAL for .NET named the certificate this way, and Entra accepted it.
#[test]
fn thumbprint_as_kid_finds_the_certificate() {
    let emulator = emulator();
    let draft = |kid: &str| Draft::new(&emulator).header("x5t#S256", Value::Null).header("kid", kid);
    let thumbprint = sha1(APP);
    let mut kids = [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD, &STANDARD_NO_PAD]
        .map(|engine| engine.encode(&thumbprint))
        .to_vec();
    kids.extend([hex(&thumbprint), hex(&thumbprint).to_lowercase()]);
    for kid in kids {
        accepted(&draft(&kid).send(&emulator));
        rejected(&draft(&kid).with_next_key().send(&emulator), 700027);
        // Another name of the certificate takes precedence.
        let shown = rejected(&draft(&kid).naming(NEXT).send(&emulator), 700027);
        assert!(shown.contains(&hex(&sha256(NEXT))), "{shown}");
        let x5c = json!([STANDARD.encode(der(NEXT))]);
        rejected(&draft(&kid).header("x5c", x5c).send(&emulator), 700027);
    }
    for kid in ["f1vN0tAThumbprint", "ff3ce8e8-7268-4b46-88be-d3a191a0695e", "é", " "] {
        let shown = rejected(&draft(kid).send(&emulator), 700027);
        assert!(
            shown.contains("[Reason - The key was not found., Please visit"),
            "{shown}"
        );
        accepted(&draft(kid).naming(APP).send(&emulator));
    }
    accepted(&Draft::new(&emulator).header("kid", 7).send(&emulator));
    let other = rejected(&draft(&hex(&sha1(NEXT))).send(&emulator), 700027);
    assert!(
        other.contains(&format!("used by client: '{}'", hex(&sha1(NEXT)))),
        "{other}"
    );
}

/// azure_identity for Rust encodes each certificate of the chain in PEM, and the result again in
/// base64.
#[test]
fn x5c_may_hold_certificates_in_pem() {
    let emulator = emulator();
    let plain = Draft::new(&emulator).header("x5t#S256", Value::Null);
    let with_x5t = plain.clone().header("x5t", URL_SAFE_NO_PAD.encode(sha1(APP)));
    let pem = |pem: &str| STANDARD.encode(pem);
    for x5c in [
        json!(pem(APP)),
        json!([pem(APP)]),
        json!([pem(APP), pem(NEXT)]),
        json!([pem(&APP.replace('\n', "\r\n"))]),
        json!([pem(&in_file(APP))]),
        json!([pem(&format!("{APP}{NEXT}"))]),
        // The issuer first: the file still contains the certificate that signs.
        json!([pem(&format!("{NEXT}{APP}"))]),
        json!(URL_SAFE_NO_PAD.encode(APP)),
    ] {
        for draft in [&plain, &with_x5t, &Draft::new(&emulator)] {
            accepted(&draft.clone().header("x5c", x5c.clone()).send(&emulator));
        }
    }
    // Neither certificate is registered, or the certificate does not match the thumbprint.
    for draft in [&plain, &with_x5t] {
        let shown = rejected(&draft.clone().header("x5c", json!([pem(NEXT)])).send(&emulator), 700027);
        let expected = format!(
            "[Reason - The key was not found., Thumbprint of key used by client: '{}'",
            hex(&sha1(NEXT))
        );
        assert!(shown.contains(&expected), "{shown}");
    }
    let unregistered = plain.header("x5t", URL_SAFE_NO_PAD.encode(sha1(NEXT)));
    let shown = rejected(&unregistered.header("x5c", json!([pem(APP)])).send(&emulator), 700027);
    assert!(shown.contains(&hex(&sha1(NEXT))), "{shown}");
    let key = pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let broken = pem("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    for x5c in [
        json!([key]),
        json!([broken]),
        json!([pem(&format!(
            "{APP}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        ))]),
        json!([]),
        json!([""]),
        json!([1]),
        json!("!"),
        json!(APP),
    ] {
        let shown = rejected(&with_x5t.clone().header("x5c", x5c.clone()).send(&emulator), 50027);
        assert!(shown.contains("x5c"), "{x5c} {shown}");
    }
}

#[test]
fn unregistered_thumbprints_are_rejected() {
    let shown = changed(|draft| draft.naming(NEXT), 700027);
    let expected = format!(
        "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. \
         [Reason - The key was not found., Thumbprint of key used by client: '{}', Please visit",
        hex(&sha256(NEXT))
    );
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(
        shown.contains(&format!("for app Id '{}'", emulator().client_id())),
        "{shown}"
    );
    let bare = |draft: Draft| draft.header("x5t#S256", Value::Null);
    let shown = changed(
        |draft| bare(draft).header("x5c", json!([STANDARD.encode(der(NEXT))])),
        700027,
    );
    assert!(shown.contains(&hex(&sha1(NEXT))), "{shown}");
    // The encoded hexadecimal digits instead of the bytes, and the digits themselves.
    for text in [URL_SAFE_NO_PAD.encode(hex(&sha1(APP))), hex(&sha1(APP))] {
        changed(|draft| bare(draft).header("x5t", text), 700027);
    }
    for text in ["", "!", "é"] {
        changed(|draft| bare(draft).header("x5t", text), 700027);
    }
    // A SHA-1 thumbprint in place of SHA-256.
    changed(
        |draft| draft.header("x5t#S256", URL_SAFE_NO_PAD.encode(sha1(APP))),
        700027,
    );
}

#[test]
fn app_without_certificates_has_no_key() {
    let emulator = builder(App::new("daemon").secret("s")).build();
    let shown = rejected(&Draft::new(&emulator).send(&emulator), 700027);
    assert!(shown.contains("The key was not found."), "{shown}");
}

#[test]
fn certificates_belong_to_their_app() {
    let emulator = builder(App::new("first").certificate_pem(APP))
        .app(App::new("second").certificate_pem(NEXT))
        .build();
    accepted(&Draft::new(&emulator).send(&emulator));
    let other = Draft::new(&emulator).naming(NEXT).with_next_key();
    rejected(&other.send(&emulator), 700027);
}

#[test]
fn unsuitable_keys_are_rejected() {
    for pem in [SHORT, EC] {
        let emulator = builder(App::new("daemon").certificate_pem(pem)).build();
        rejected(&Draft::new(&emulator).naming(pem).send(&emulator), 5002730);
    }
}

#[test]
fn both_certificates_work_during_rollover() {
    let emulator = builder(App::new("daemon").certificate_pem(APP).certificate(der(NEXT))).build();
    let (old, new) = (
        Draft::new(&emulator),
        Draft::new(&emulator).naming(NEXT).with_next_key(),
    );
    accepted(&old.send(&emulator));
    accepted(&new.send(&emulator));
    rejected(&old.with_next_key().send(&emulator), 700027);
    for (time, reason) in [
        (1_735_689_599, "The key used is not valid yet."),
        (1_893_456_001, "The key used is expired."),
    ] {
        emulator.clock().set(UNIX_EPOCH + Duration::from_secs(time));
        accepted(&Draft::new(&emulator).send(&emulator));
        let shown = rejected(
            &Draft::new(&emulator).naming(NEXT).with_next_key().send(&emulator),
            700027,
        );
        assert!(shown.contains(reason), "{shown}");
        assert!(
            shown.contains("'Start=01/01/2025 00:00:00, End=01/01/2030 00:00:00'"),
            "{shown}"
        );
    }
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_893_456_000));
    accepted(&Draft::new(&emulator).naming(NEXT).with_next_key().send(&emulator));
}

#[test]
fn registration_can_narrow_the_validity() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let send = |credential: KeyCredential| {
        let emulator = builder(App::new("daemon").key_credential(credential)).build();
        Draft::new(&emulator).send(&emulator)
    };
    accepted(&send(KeyCredential::pem(APP).starts(at(0)).ends(at(NOW))));
    rejected(&send(KeyCredential::pem(APP).ends(at(NOW - 1))), 700027);
    rejected(&send(KeyCredential::pem(APP).starts(at(NOW + 1))), 700027);
}

#[test]
fn manifest_entries_are_parsed() {
    let configured = |credentials: Value, name: &str| {
        let config = json!({"apps": [{"name": "daemon", "secrets": [], name: credentials}]});
        Config::from_json(&config.to_string()).and_then(|config| {
            EmulatorBuilder::from(config)
                .frozen_at(UNIX_EPOCH + Duration::from_secs(NOW))
                .try_build()
        })
    };
    let id = "ff3ce8e8-7268-4b46-88be-d3a191a0695e";
    let entry = |pem: &str| {
        json!({
            "customKeyIdentifier": STANDARD.encode(sha1(pem)),
            "keyId": id,
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "value": STANDARD.encode(der(pem)),
        })
    };
    let with = |name: &str, value: Value| {
        let mut entry = entry(APP);
        entry[name] = value;
        json!([entry])
    };
    for (credentials, name) in [
        (json!([entry(APP)]), "keyCredentials"),
        (json!([NEXT, entry(APP)]), "keyCredentials"),
        (json!([APP]), "certificates"),
        (json!([in_file(APP)]), "certificates"),
        (with("customKeyIdentifier", json!(hex(&sha1(APP)))), "keyCredentials"),
        (with("value", json!(STANDARD.encode(APP))), "keyCredentials"),
        (with("endDate", json!("2027-01-01T00:00:00Z")), "keyCredentials"),
        (with("displayName", json!("CN=app")), "keyCredentials"),
    ] {
        let emulator = configured(credentials, name).unwrap();
        accepted(&Draft::new(&emulator).send(&emulator));
        let registered = emulator.apps()[0].key_credentials.last().unwrap();
        assert_eq!(registered.key_id.len(), 36);
    }
    for (credentials, what) in [
        (json!([in_file("")]), "is not a certificate"),
        (json!([entry(APP), APP]), "twice"),
        (
            with("customKeyIdentifier", json!(STANDARD.encode(sha1(NEXT)))),
            "customKeyIdentifier",
        ),
        (with("type", json!("Symmetric")), "type"),
        (with("usage", json!("Sign")), "usage"),
        (with("keyId", json!("1")), "GUID"),
        (with("values", json!("")), "unknown field"),
        (
            with("value", json!(STANDARD.encode(b"no certificate"))),
            "cannot be read",
        ),
    ] {
        let error = configured(credentials, "keyCredentials").unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let early = configured(with("endDate", json!("2025-12-31T00:00:00Z")), "keyCredentials").unwrap();
    rejected(&Draft::new(&early).send(&early), 700027);
}

#[test]
fn private_key_beside_the_certificate_is_dropped() {
    let text = in_file(APP).replace("a key", "canary");
    let emulator = builder(App::new("daemon").certificate_pem(&text)).build();
    accepted(&Draft::new(&emulator).send(&emulator));
    let config = Config::from_json(&json!({"apps": [{"certificates": [text]}]}).to_string()).unwrap();
    assert!(!format!("{config:?} {:?}", emulator.apps()).contains("canary"));
    assert!(!config.apps[0].key_credentials[0].value.contains("canary"));
}

/// Returns a typical PEM file: the key first, a line about it, the certificate.
fn in_file(certificate: &str) -> String {
    let label = "PRIVATE KEY";
    format!("-----BEGIN {label}-----\na key\n-----END {label}-----\nsubject=CN = app\n{certificate}")
}
