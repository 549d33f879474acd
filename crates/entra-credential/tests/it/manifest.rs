//! Entries of `keyCredentials`, and how they come into a manifest.

use entra_credential::{ClientCertificate, KeyCredential};
use entra_proto::Guid;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn entry_has_the_format_of_microsoft_graph() {
    let certificate = ClientCertificate::from_pem(include_str!("../vectors/pem/pkcs8.pem"), None).unwrap();
    let entry = certificate.key_credential(id(1));
    assert_eq!(
        serde_json::from_str::<Value>(&entry.to_json()).unwrap(),
        json!({
            "customKeyIdentifier": "5EecFIoLWR/fY3wTcgEXWLX1UbI=",
            "endDateTime": "2036-11-17T22:08:34Z",
            "key": entry.key(),
            "keyId": id(1).to_string(),
            "startDateTime": "2026-11-20T22:08:34Z",
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
        })
    );
    let pem: String = include_str!("../vectors/pem/pkcs8.pem")
        .lines()
        .skip_while(|line| !line.contains("BEGIN CERT"))
        .filter(|line| !line.starts_with('-'))
        .collect();
    assert_eq!(entry.key(), pem);
    assert_eq!(serde_json::to_value(&entry).unwrap()["key"], pem);
}

#[test]
fn entry_follows_the_format_of_the_manifest() {
    let certificate = ClientCertificate::from_pem(include_str!("../vectors/pem/pkcs8.pem"), None).unwrap();
    let entry = certificate.key_credential(id(1));
    for (manifest, legacy) in [
        (json!({}), false),
        (
            json!({ "id": "1", "appId": "2", "signInAudience": "AzureADMyOrg", "appRoles": [] }),
            false,
        ),
        (
            json!({ "web": {}, "displayName": "daemon", "keyCredentials": null }),
            false,
        ),
        (
            json!({ "keyCredentials": [{ "keyId": "x", "key": null, "startDateTime": "2026-11-20T00:00:00Z" }] }),
            false,
        ),
        (
            json!({ "passwordCredentials": [{ "displayName": "x", "hint": "abc" }] }),
            false,
        ),
        (
            json!({ "keyCredentials": [{ "keyId": "x", "value": null, "startDate": "2026-11-20T00:00:00Z" }] }),
            true,
        ),
        (
            json!({ "passwordCredentials": [{ "startDate": "2026-11-20T00:00:00Z" }] }),
            true,
        ),
        (json!({ "replyUrlsWithType": [] }), true),
        (
            json!({ "displayName": "daemon", "availableToOtherTenants": false }),
            true,
        ),
        // Of both: what else is there decides.
        (
            json!({ "keyCredentials": [{ "key": "a" }, { "value": "b" }], "oauth2Permissions": [] }),
            true,
        ),
        (
            json!({ "keyCredentials": [{ "key": "a" }, { "value": "b" }], "api": {} }),
            false,
        ),
        (json!({ "passwordCredentials": "?" }), false),
    ] {
        let edited = KeyCredential::merge(&manifest.to_string(), [&entry]).unwrap();
        let added = list(&edited).pop().unwrap();
        let has = |name: &str| added.get(name).is_some();
        assert_eq!(
            [has("value"), has("startDate"), has("endDate")],
            [legacy; 3],
            "{manifest}"
        );
        assert_eq!(
            [has("key"), has("startDateTime"), has("endDateTime")],
            [!legacy; 3],
            "{manifest}"
        );
        assert_eq!(added[if legacy { "value" } else { "key" }], entry.key());
        // It is known again in either format.
        assert_eq!(KeyCredential::merge(&edited, [&entry]).unwrap(), edited);
    }
}

#[test]
fn empty_null_or_missing_list_is_filled() {
    let entry = entry(1);
    let shown = "[\n    {\n      \"customKeyIdentifier\": \"CI\",\n      \"key\": \"VALUE\",\n      \"keyId\": \"ID\",\n      \"type\": \"AsymmetricX509Cert\",\n      \"usage\": \"Verify\"\n    }\n  ]"
        .replace("CI", entry.custom_key_identifier())
        .replace("ID", &entry.key_id().to_string())
        .replace("VALUE", entry.key());
    for list in ["[]", "null", "[ \n ]"] {
        let manifest = format!("{{\n  \"id\": \"1\",\n  \"keyCredentials\": {list},\n  \"n\": 1.50\n}}\n");
        let edited = KeyCredential::merge(&manifest, [&entry]).unwrap();
        assert_eq!(edited, manifest.replace(list, &shown), "{list}");
    }
    let manifest = "{\n  \"id\": \"1\"\n}";
    let edited = KeyCredential::merge(manifest, [&entry]).unwrap();
    assert_eq!(
        edited,
        format!("{{\n  \"keyCredentials\": {shown},\n  \"id\": \"1\"\n}}")
    );
}

#[test]
fn application_beside_its_service_principal_is_edited() {
    let (before, after) = (
        "{\n  \"servicePrincipal\": {\n    \"keyCredentials\": []\n  },\n  \"application\": {\n    \"keyCredentials\": ",
        ",\n    \"replyUrls\": []\n  }\n}",
    );
    let manifest = format!("{before}[]{after}");
    let edited = KeyCredential::merge(&manifest, [&entry(1)]).unwrap();
    let list = edited.strip_prefix(before).and_then(|it| it.strip_suffix(after));
    let list = list.unwrap_or_else(|| panic!("{edited}"));
    assert!(
        list.starts_with("[\n      {\n        \"customKeyIdentifier\""),
        "{edited}"
    );
    assert!(list.ends_with("\n      }\n    ]"), "{edited}");
    // The format is that of the application.
    assert!(list.contains("\"value\": "), "{edited}");
}

#[test]
fn existing_text_is_unchanged() {
    let old =
        "{\"customKeyIdentifier\": \"b2xk\", \"keyId\": \"x\", \"usage\": \"Verify\", \"more\": [1e3, \"\\u00e9\"]}";
    let manifest = format!(
        "{{\r\n\t\"keyCredentials\": [\r\n\t\t{old}\r\n\t],\r\n\t\"b\": {{\"keyCredentials\": 5}},\r\n\t\"a\": 1.0\r\n}}"
    );
    let edited = KeyCredential::merge(&manifest, [&entry(1), &entry(2)]).unwrap();
    assert!(
        edited.starts_with(&format!(
            "{{\r\n\t\"keyCredentials\": [\r\n\t\t{old},\r\n\t\t{{\r\n\t\t\t\"customKeyIdentifier\""
        )),
        "{edited}"
    );
    assert!(
        edited.ends_with("\r\n\t\t}\r\n\t],\r\n\t\"b\": {\"keyCredentials\": 5},\r\n\t\"a\": 1.0\r\n}"),
        "{edited}"
    );
    assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count());
    let listed = list(&edited);
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[1]["keyId"], entry(1).key_id().to_string());
    assert_eq!(listed[2]["key"], entry(2).key());
}

#[test]
fn manifest_on_one_line_stays_on_one_line() {
    let entry = entry(1);
    for manifest in [
        "{}",
        "{\"a\":1}",
        "{\"keyCredentials\":[],\"a\":1}",
        "{\"keyCredentials\":[{\"keyId\":\"x\"}]}",
        "  { \"a\": {} }  ",
    ] {
        let edited = KeyCredential::merge(manifest, [&entry]).unwrap();
        assert!(!edited.contains('\n'), "{edited}");
        assert_eq!(
            list(&edited).last().unwrap(),
            &serde_json::to_value(&entry).unwrap(),
            "{edited}"
        );
    }
}

#[test]
fn listed_certificate_is_unchanged() {
    let certificate = ClientCertificate::from_pem(include_str!("../vectors/pem/pkcs8.pem"), None).unwrap();
    let fresh = certificate.key_credential(id(9));
    let once = KeyCredential::merge("{\n  \"keyCredentials\": []\n}", [&certificate.key_credential(id(1))]).unwrap();
    assert_eq!(KeyCredential::merge(&once, [&fresh, &fresh]).unwrap(), once);
    // As a portal shows it: the value gone, the thumbprint in hexadecimal, members that are not
    // known here.
    let hex = certificate.thumbprints().sha1_hex().to_lowercase();
    for listed in [
        json!({"customKeyIdentifier": fresh.custom_key_identifier(), "keyId": "k", "value": null, "usage": "verify"}),
        json!({"customKeyIdentifier": hex, "keyId": "k", "displayName": "CN=daemon"}),
        json!({"key": fresh.key()}),
    ] {
        let manifest = json!({ "keyCredentials": [listed] }).to_string();
        assert_eq!(KeyCredential::merge(&manifest, [&fresh]).unwrap(), manifest);
    }
    // For another use it is another entry.
    let manifest = json!({ "keyCredentials": [{"customKeyIdentifier": hex, "usage": "Sign"}] }).to_string();
    assert_eq!(list(&KeyCredential::merge(&manifest, [&fresh]).unwrap()).len(), 2);
}

#[test]
fn a_mark_at_the_start_is_kept() {
    let edited = KeyCredential::merge("\u{feff}{\"keyCredentials\": [], \"a\": 1}", [&entry(1)]).unwrap();
    assert!(
        edited.starts_with("\u{feff}{\"keyCredentials\": [{\"customKeyIdentifier\""),
        "{edited}"
    );
    assert!(edited.ends_with("}], \"a\": 1}"), "{edited}");
}

#[test]
fn what_cannot_be_edited_is_refused() {
    let taken =
        json!({ "keyCredentials": [{"customKeyIdentifier": "b2xk", "keyId": id(1).to_string().to_uppercase()}] })
            .to_string();
    let long = format!("{{\"a\": \"{}\"}}", "a".repeat(1 << 20));
    for (manifest, problem) in [
        ("", "not JSON"),
        ("{\"a\": 1", "not JSON (line 1, column 7)"),
        ("[]", "not a JSON object"),
        ("\"x\"", "not a JSON object"),
        ("[{\"appId\": \"a\", \"keyCredentials\": []}]", "a list of applications"),
        ("[{\"keyId\": \"a\"}]", "a list of credentials"),
        ("{\"value\": [{\"keyCredentials\": []}]}", "a list of applications"),
        (
            "{\"properties\": {\"keyCredentials\": []}}",
            "inside one of its members",
        ),
        ("{\"KeyCredentials\": []}", "PowerShell"),
        ("null", "not a JSON object"),
        ("{\"@odata.context\": \"x\", \"value\": [{}]}", "a list of applications"),
        ("{\"keyCredentials\": 5}", "not a list of entries"),
        ("{\"keyCredentials\": [5]}", "not a list of entries"),
        ("{\"keyCredentials\": [], \"key\\u0043redentials\": []}", "twice"),
        (&taken, "another certificate under the keyId"),
        (&long, "longer"),
        (&"[".repeat(100_000), "not JSON"),
    ] {
        let error = KeyCredential::merge(manifest, [&entry(1)]).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let twice = [entry(1), KeyCredential::new(b"certificate 2", id(1))];
    assert!(KeyCredential::merge("{}", &twice).is_err());
}

proptest! {
    /// Nothing is lost, nothing is changed, and what is put in is there once, however the manifest
    /// is laid out.
    #[test]
    fn merging_adds_and_changes_nothing_else(
        members in prop::collection::vec(("[a-z\"\\\\é]{0,5}", value()), 0..5),
        place in any::<prop::sample::Index>(),
        old in prop::option::of(prop::collection::vec(0_u8..4, 0..3)),
        new in prop::collection::vec(4_u8..8, 0..4),
        pretty in any::<bool>(),
    ) {
        let mut parts: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        let old = old.map(|old| old.into_iter().map(|it| serde_json::to_value(entry(it)).unwrap()).collect::<Vec<_>>());
        if let Some(old) = &old {
            parts.insert(place.index(parts.len() + 1), format!("\"keyCredentials\":{}", Value::from(old.clone())));
        }
        let mut manifest = format!("{{{}}}", parts.join(","));
        if pretty {
            manifest = manifest.replace("{", "{\n ").replace(",\"", ",\n \"");
            prop_assume!(serde_json::from_str::<Value>(&manifest).is_ok());
        }
        let entries: Vec<KeyCredential> = new.into_iter().map(entry).collect();
        let edited = KeyCredential::merge(&manifest, &entries).unwrap();
        let mut expected = old.unwrap_or_default();
        for entry in &entries {
            let entry = serde_json::to_value(entry).unwrap();
            if !expected.contains(&entry) {
                expected.push(entry);
            }
        }
        let mut before: Value = serde_json::from_str(&manifest).unwrap();
        let mut after: Value = serde_json::from_str(&edited).unwrap();
        if !expected.is_empty() {
            prop_assert_eq!(list(&edited), expected);
        }
        before.as_object_mut().unwrap().remove("keyCredentials");
        after.as_object_mut().unwrap().remove("keyCredentials");
        prop_assert_eq!(before, after);
        // A second run changes nothing.
        prop_assert_eq!(KeyCredential::merge(&edited, &entries).unwrap(), edited);
    }

    #[test]
    fn any_text_is_an_error_or_edited(text in "[\\[\\]{}:,\"a-c0-9. \n\\\\\u{feff}é]{0,40}") {
        if let Ok(edited) = KeyCredential::merge(&text, [&entry(1)]) {
            prop_assert_eq!(list(edited.trim_start_matches('\u{feff}')).len(), 1);
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a-z{}\\[\\],:\"\\\\ ]{0,8}".prop_map(Value::from),
        Just(json!([{"keyCredentials": []}, 1.5])),
        Just(json!({})),
    ]
}

fn list(manifest: &str) -> Vec<Value> {
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    manifest["keyCredentials"].as_array().unwrap().clone()
}

fn entry(number: u8) -> KeyCredential {
    KeyCredential::new(format!("certificate {number}").as_bytes(), id(number))
}

fn id(number: u8) -> Guid {
    Guid::from_random([number; 16])
}
