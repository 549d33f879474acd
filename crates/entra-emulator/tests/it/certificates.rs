//! Which certificates may sign an app's assertions, how they are registered and found.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_emulator::{App, Config, EmulatorBuilder, KeyCredential};
use serde_json::{Value, json};

use crate::support::assertion::{
    APP, Draft, NEXT, NOW, accepted, builder, changed, der, emulator, hex, in_lines, refused, sha1, sha256,
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
                accepted(&draft.ask(&emulator));
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
                    .ask(&emulator),
            );
        }
    }
    let all = plain
        .header("x5t", URL_SAFE_NO_PAD.encode(sha1(APP)))
        .header("x5c", json!([STANDARD.encode(der(APP))]));
    accepted(&all.naming(APP).ask(&emulator));
}

#[test]
fn what_names_two_certificates_or_none_is_refused() {
    let both = builder(App::new("daemon").certificate_pem(APP).certificate_pem(NEXT)).build();
    let draft = Draft::new(&both);
    let other_leaf = draft
        .clone()
        .header("x5c", json!([STANDARD.encode(der(NEXT)), STANDARD.encode(der(APP))]));
    // Both are registered, so that no key is missing.
    let reason = "[Reason - The header names more than one key";
    let shown = refused(&other_leaf.ask(&both), 700027);
    assert!(shown.contains(reason), "{shown}");
    let other_sha1 = draft.header("x5t", URL_SAFE_NO_PAD.encode(sha1(NEXT)));
    let shown = refused(&other_sha1.ask(&both), 700027);
    assert!(shown.contains(reason), "{shown}");
    changed(|draft| draft.header("x5t#S256", Value::Null), 5002723);
    changed(|draft| draft.header("x5t#S256", Value::Null).header("kid", ""), 5002723);
    changed(|draft| draft.header("x5t#S256", Value::Null).header("kid", 7), 50027);
}

/// Releases of MSAL for .NET named the certificate so, and Entra took it.
#[test]
fn a_thumbprint_as_kid_finds_the_certificate() {
    let emulator = emulator();
    let draft = |kid: &str| Draft::new(&emulator).header("x5t#S256", Value::Null).header("kid", kid);
    let thumbprint = sha1(APP);
    let mut kids = [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD, &STANDARD_NO_PAD]
        .map(|engine| engine.encode(&thumbprint))
        .to_vec();
    kids.extend([hex(&thumbprint), hex(&thumbprint).to_lowercase()]);
    for kid in kids {
        accepted(&draft(&kid).ask(&emulator));
        refused(&draft(&kid).with_next_key().ask(&emulator), 700027);
        // Another name decides where there is one.
        let shown = refused(&draft(&kid).naming(NEXT).ask(&emulator), 700027);
        assert!(shown.contains(&hex(&sha256(NEXT))), "{shown}");
        let x5c = json!([STANDARD.encode(der(NEXT))]);
        refused(&draft(&kid).header("x5c", x5c).ask(&emulator), 700027);
    }
    for kid in ["f1vN0tAThumbprint", "ff3ce8e8-7268-4b46-88be-d3a191a0695e", "é", " "] {
        let shown = refused(&draft(kid).ask(&emulator), 700027);
        assert!(
            shown.contains("[Reason - The key was not found., Please visit"),
            "{shown}"
        );
        accepted(&draft(kid).naming(APP).ask(&emulator));
    }
    accepted(&Draft::new(&emulator).header("kid", 7).ask(&emulator));
    let other = refused(&draft(&hex(&sha1(NEXT))).ask(&emulator), 700027);
    assert!(
        other.contains(&format!("used by client: '{}'", hex(&sha1(NEXT)))),
        "{other}"
    );
}

/// azure_identity for Rust encodes each certificate of the chain in PEM, and that once more in base64.
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
        // The issuer first: the file still holds the certificate that signs.
        json!([pem(&format!("{NEXT}{APP}"))]),
        json!(URL_SAFE_NO_PAD.encode(APP)),
    ] {
        for draft in [&plain, &with_x5t, &Draft::new(&emulator)] {
            accepted(&draft.clone().header("x5c", x5c.clone()).ask(&emulator));
        }
    }
    // Neither of the two is registered, or the certificate is not the one that the thumbprint names.
    for draft in [&plain, &with_x5t] {
        let shown = refused(&draft.clone().header("x5c", json!([pem(NEXT)])).ask(&emulator), 700027);
        let expected = format!(
            "[Reason - The key was not found., Thumbprint of key used by client: '{}'",
            hex(&sha1(NEXT))
        );
        assert!(shown.contains(&expected), "{shown}");
    }
    let unregistered = plain.header("x5t", URL_SAFE_NO_PAD.encode(sha1(NEXT)));
    let shown = refused(&unregistered.header("x5c", json!([pem(APP)])).ask(&emulator), 700027);
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
        let shown = refused(&with_x5t.clone().header("x5c", x5c.clone()).ask(&emulator), 50027);
        assert!(shown.contains("x5c"), "{x5c} {shown}");
    }
}

#[test]
fn thumbprints_nobody_has_registered() {
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
    // The hexadecimal digits encoded instead of the bytes, and the digits as they are.
    for text in [URL_SAFE_NO_PAD.encode(hex(&sha1(APP))), hex(&sha1(APP))] {
        changed(|draft| bare(draft).header("x5t", text), 700027);
    }
    for text in ["", "!", "é"] {
        changed(|draft| bare(draft).header("x5t", text), 700027);
    }
    // A SHA-1 where a SHA-256 belongs.
    changed(
        |draft| draft.header("x5t#S256", URL_SAFE_NO_PAD.encode(sha1(APP))),
        700027,
    );
}

#[test]
fn an_app_without_certificates_has_no_key_to_be_found() {
    let emulator = builder(App::new("daemon").secret("s")).build();
    let shown = refused(&Draft::new(&emulator).ask(&emulator), 700027);
    assert!(shown.contains("The key was not found."), "{shown}");
}

#[test]
fn certificates_belong_to_their_app() {
    let emulator = builder(App::new("first").certificate_pem(APP))
        .app(App::new("second").certificate_pem(NEXT))
        .build();
    accepted(&Draft::new(&emulator).ask(&emulator));
    let other = Draft::new(&emulator).naming(NEXT).with_next_key();
    refused(&other.ask(&emulator), 700027);
}

#[test]
fn keys_that_cannot_sign_assertions() {
    for pem in [SHORT, EC] {
        let emulator = builder(App::new("daemon").certificate_pem(pem)).build();
        refused(&Draft::new(&emulator).naming(pem).ask(&emulator), 5002730);
    }
}

#[test]
fn rollover() {
    let emulator = builder(App::new("daemon").certificate_pem(APP).certificate(der(NEXT))).build();
    let (old, new) = (
        Draft::new(&emulator),
        Draft::new(&emulator).naming(NEXT).with_next_key(),
    );
    accepted(&old.ask(&emulator));
    accepted(&new.ask(&emulator));
    refused(&old.with_next_key().ask(&emulator), 700027);
    for (time, reason) in [
        (1_735_689_599, "The key used is not valid yet."),
        (1_893_456_001, "The key used is expired."),
    ] {
        emulator.clock().set(UNIX_EPOCH + Duration::from_secs(time));
        accepted(&Draft::new(&emulator).ask(&emulator));
        let shown = refused(
            &Draft::new(&emulator).naming(NEXT).with_next_key().ask(&emulator),
            700027,
        );
        assert!(shown.contains(reason), "{shown}");
        assert!(
            shown.contains("'Start=01/01/2025 00:00:00, End=01/01/2030 00:00:00'"),
            "{shown}"
        );
    }
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_893_456_000));
    accepted(&Draft::new(&emulator).naming(NEXT).with_next_key().ask(&emulator));
}

#[test]
fn the_registration_can_end_before_the_certificate() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let send = |credential: KeyCredential| {
        let emulator = builder(App::new("daemon").key_credential(credential)).build();
        Draft::new(&emulator).ask(&emulator)
    };
    accepted(&send(KeyCredential::pem(APP).starts(at(0)).ends(at(NOW))));
    refused(&send(KeyCredential::pem(APP).ends(at(NOW - 1))), 700027);
    refused(&send(KeyCredential::pem(APP).starts(at(NOW + 1))), 700027);
}

#[test]
fn manifests() {
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
        accepted(&Draft::new(&emulator).ask(&emulator));
        let registered = emulator.apps()[0].key_credentials.last().unwrap();
        assert_eq!(registered.key_id.len(), 36);
    }
    for (credentials, what) in [
        (json!([in_file("")]), "no certificate"),
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
    refused(&Draft::new(&early).ask(&early), 700027);
}

#[test]
fn a_private_key_beside_the_certificate_is_not_kept() {
    let text = in_file(APP).replace("a key", "canary");
    let emulator = builder(App::new("daemon").certificate_pem(&text)).build();
    accepted(&Draft::new(&emulator).ask(&emulator));
    let config = Config::from_json(&json!({"apps": [{"certificates": [text]}]}).to_string()).unwrap();
    assert!(!format!("{config:?} {:?}", emulator.apps()).contains("canary"));
    assert!(!config.apps[0].key_credentials[0].value.contains("canary"));
}

/// A PEM file as people have it: the key first, a word about it, the certificate.
fn in_file(certificate: &str) -> String {
    let label = "PRIVATE KEY";
    format!("-----BEGIN {label}-----\na key\n-----END {label}-----\nsubject=CN = app\n{certificate}")
}
