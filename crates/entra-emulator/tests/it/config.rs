//! The JSON configuration: the parser accepts exactly what the schema describes.

use std::collections::BTreeSet;

use entra_emulator::{Config, EmulatorBuilder, Issuers};
use serde_json::{Map, Value, json};

fn schema() -> Value {
    serde_json::from_str(Config::SCHEMA).unwrap()
}

/// Resolves the reference of a schema, if it is one.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => root.pointer(name.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// Validates a value by the keywords that the schema uses. An unknown keyword fails the test.
fn is_valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(root, schema);
    schema
        .as_object()
        .unwrap()
        .iter()
        .all(|(keyword, rule)| match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                types.iter().any(|kind| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "null" => value.is_null(),
                    other => panic!("{other}"),
                })
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule.as_array().unwrap().iter().any(|rule| is_valid(root, rule, value)),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .all(|item| is_valid(root, rule, item)),
            "required" => value.as_object().is_none_or(|members| {
                let mut names = rule.as_array().unwrap().iter();
                names.all(|name| members.contains_key(name.as_str().unwrap()))
            }),
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .all(|(name, member)| rule.get(name).is_none_or(|rule| is_valid(root, rule, member))),
            "additionalProperties" => value
                .as_object()
                .is_none_or(|members| members.keys().all(|name| schema["properties"].get(name).is_some())),
            other => panic!("unknown keyword {other}"),
        })
}

/// Matches the three patterns of the schema, as the parser does.
fn matches(pattern: &str, text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '0'
            } else if c.is_ascii_hexdigit() {
                'a'
            } else {
                c
            }
        })
        .collect();
    match pattern {
        "^https?://" => text.starts_with("http://") || text.starts_with("https://"),
        guid if guid.starts_with("^$|") => {
            text.is_empty() || shape.replace('a', "0") == "00000000-0000-0000-0000-000000000000"
        }
        time if time.ends_with("Z$") => shape == "0000-00-00T00:00:00Z",
        other => panic!("{other}"),
    }
}

/// Returns values that a schema allows, with every optional member.
fn samples(root: &Value, schema: &Value) -> Vec<Value> {
    let schema = resolved(root, schema);
    if let Some(values) = schema["enum"].as_array() {
        return values.clone();
    }
    if let Some(schemas) = schema["anyOf"].as_array() {
        return schemas.iter().flat_map(|schema| samples(root, schema)).collect();
    }
    let types = &schema["type"];
    let types = types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]);
    types
        .iter()
        .flat_map(|kind| match kind.as_str().unwrap() {
            "null" => vec![Value::Null],
            "boolean" => vec![json!(true), json!(false)],
            "integer" => vec![schema["minimum"].clone(), schema["maximum"].clone()],
            "string" => match schema["pattern"].as_str() {
                None => vec![json!("x")],
                Some("^https?://") => vec![json!("https://sts.example")],
                Some(guid) if guid.starts_with("^$|") => vec![json!(""), json!("AAAAAAAA-1111-2222-3333-bbbbbbbbbbbb")],
                Some(_) => vec![json!("2026-01-31T23:59:58Z")],
            },
            "array" => samples(root, &schema["items"])
                .into_iter()
                .map(|item| json!([item]))
                .collect(),
            // One for each value of each member, in addition to the required members.
            "object" => {
                let members = schema["properties"].as_object().unwrap();
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let base: Map<String, Value> = required
                    .iter()
                    .map(|name| name.as_str().unwrap())
                    .map(|name| (name.to_owned(), samples(root, &members[name])[0].clone()))
                    .collect();
                let with = |name: &String, value| {
                    let mut object = base.clone();
                    object.insert(name.clone(), value);
                    Value::Object(object)
                };
                let all = members
                    .iter()
                    .flat_map(|(name, rule)| samples(root, rule).into_iter().map(move |value| (name, value)));
                all.map(|(name, value)| with(name, value)).collect()
            }
            other => panic!("{other}"),
        })
        .collect()
}

fn is_accepted(value: &Value) -> bool {
    Config::from_json(&value.to_string()).is_ok()
}

#[test]
fn example_is_valid_and_builds() {
    let value: Value = serde_json::from_str(Config::EXAMPLE).unwrap();
    assert!(is_valid(&schema(), &schema(), &value));
    let emulator = EmulatorBuilder::from(Config::from_json(Config::EXAMPLE).unwrap()).build();
    assert_eq!(
        (emulator.client_id(), emulator.client_secret()),
        ("11111111-2222-3333-4444-555555555555", "s3cret")
    );
    assert_eq!(emulator.apps().len(), 4);
}

#[test]
fn parser_and_schema_have_the_same_members() {
    let root = schema();
    // The place of each kind of object, and the objects around it.
    let permission = r#"{"api":"a","role":"r",HERE}"#;
    let scope = r#"{"api":"a","scope":"s",HERE}"#;
    let place = |around: &str, object: &str| around.replace("OBJECT", object);
    for (pointer, text) in [
        ("", "{HERE}".to_owned()),
        ("/$defs/activity", place(r#"{"activity":OBJECT}"#, "{HERE}")),
        ("/$defs/machine", place(r#"{"machine":OBJECT}"#, "{HERE}")),
        (
            "/$defs/managed_identity",
            place(r#"{"machine":{"identities":[OBJECT]}}"#, "{HERE}"),
        ),
        ("/$defs/tenant", place(r#"{"tenants":[OBJECT]}"#, "{HERE}")),
        ("/$defs/user", place(r#"{"tenants":[{"users":[OBJECT]}]}"#, "{HERE}")),
        ("/$defs/app", place(r#"{"apps":[OBJECT]}"#, "{HERE}")),
        ("/$defs/secret", place(r#"{"apps":[{"secrets":[OBJECT]}]}"#, "{HERE}")),
        (
            "/$defs/key_credential/anyOf/1",
            place(r#"{"certificates":[OBJECT]}"#, "{HERE}"),
        ),
        (
            "/$defs/permission",
            place(r#"{"apps":[{"granted":[OBJECT]}]}"#, permission),
        ),
        (
            "/$defs/delegated_permission",
            place(r#"{"apps":[{"granted_scopes":[OBJECT]}]}"#, scope),
        ),
        ("/$defs/api", place(r#"{"apis":[OBJECT]}"#, "{HERE}")),
        (
            "/$defs/federated_credential",
            place(r#"{"apps":[{"federated_credentials":[OBJECT]}]}"#, "{HERE}"),
        ),
        (
            "/$defs/claims_matching_expression",
            place(
                r#"{"apps":[{"federated_credentials":[{"claims_matching_expression":OBJECT}]}]}"#,
                r#"{"value":"v",HERE}"#,
            ),
        ),
        (
            "/$defs/issuer_keys",
            place(r#"{"issuer_keys":[OBJECT]}"#, r#"{"issuer":"i","jwks":{},HERE}"#),
        ),
    ] {
        let unknown = text.replace("HERE", r#""zzz":1"#);
        assert!(
            !is_valid(&root, &root, &serde_json::from_str(&unknown).unwrap()),
            "{unknown}"
        );
        // The error of the parser lists the known members.
        let problem = Config::from_json(&unknown).unwrap_err().to_string();
        let listed = problem.split("expected ").nth(1).unwrap_or_else(|| panic!("{problem}"));
        let read: BTreeSet<&str> = listed.split('`').skip(1).step_by(2).collect();
        let described = root.pointer(pointer).unwrap()["properties"].as_object().unwrap();
        let described: BTreeSet<&str> = described.keys().map(String::as_str).collect();
        assert_eq!(read, described, "{pointer}");
    }
}

#[test]
fn parser_accepts_what_the_schema_allows() {
    let root = schema();
    let samples = samples(&root, &root);
    assert!(samples.len() > 100, "{}", samples.len());
    for sample in samples {
        assert!(is_valid(&root, &root, &sample), "{sample}");
        assert!(
            is_accepted(&sample),
            "{sample}: {:?}",
            Config::from_json(&sample.to_string())
        );
    }
}

/// Replaces each part of a sample, one after the other.
fn mutated(value: &Value) -> Vec<Value> {
    let others = [
        json!(-1),
        json!(1.5),
        json!("other"),
        json!([[]]),
        json!({"other": 1}),
        json!(true),
        Value::Null,
    ];
    let mut all = others.to_vec();
    match value {
        Value::Array(items) => all.extend(items.iter().flat_map(mutated).map(|item| json!([item]))),
        Value::Object(members) => {
            for (name, member) in members {
                for other in mutated(member) {
                    let mut members = members.clone();
                    members.insert(name.clone(), other);
                    all.push(Value::Object(members));
                }
            }
        }
        _ => {}
    }
    all
}

#[test]
fn parser_and_schema_reject_the_same() {
    let root = schema();
    let mut rejected = 0;
    for sample in samples(&root, &root) {
        for mutated in mutated(&sample) {
            let (valid, read) = (is_valid(&root, &root, &mutated), is_accepted(&mutated));
            // GUIDs are checked when the emulator is built.
            let is_rejected_later = !valid
                && read
                && EmulatorBuilder::from(Config::from_json(&mutated.to_string()).unwrap())
                    .try_build()
                    .is_err();
            assert!(
                valid == read || is_rejected_later,
                "valid {valid}, read {read}: {mutated}"
            );
            rejected += usize::from(!valid);
        }
    }
    assert!(rejected > 1_000, "{rejected}");
}

#[test]
fn key_credentials_accept_both_spellings() {
    let certificate = include_str!("../certificates/app.crt");
    for (list, entry) in [
        (
            "key_credentials",
            json!({"value": certificate_in_base64(), "key_id": "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb", "end_date": "2030-01-01T00:00:00Z"}),
        ),
        (
            "keyCredentials",
            json!({"value": certificate_in_base64(), "keyId": "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb", "endDate": "2030-01-01T00:00:00Z"}),
        ),
        ("certificates", json!(certificate)),
    ] {
        let config = Config::from_json(&json!({"apps": [{list: [entry]}]}).to_string()).unwrap();
        let emulator = EmulatorBuilder::from(config).build();
        let [credential] = &*emulator.apps()[0].key_credentials else {
            panic!("{list}")
        };
        assert_eq!(credential.end.is_some(), list != "certificates");
        assert_eq!(
            credential.key_id == "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb",
            list != "certificates"
        );
    }
    let twice = json!({"apps": [{"key_credentials": [], "keyCredentials": []}]});
    assert!(
        Config::from_json(&twice.to_string())
            .unwrap_err()
            .to_string()
            .contains("duplicate field")
    );
}

fn certificate_in_base64() -> String {
    let pem = include_str!("../certificates/app.crt");
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn out_of_range_numbers_are_rejected() {
    for bad in [
        "\"token_lifetime\": 0",
        "\"token_lifetime\": 31536001",
        "\"device_interval\": 0",
        "\"device_interval\": 901",
    ] {
        let problem = Config::from_json(&format!("{{{bad}}}")).unwrap_err().to_string();
        assert!(problem.contains("must be between 1 and"), "{bad}: {problem}");
    }
    assert_eq!(
        Config::from_json("{\"issuers\": \"entra\"}").unwrap().issuers,
        Issuers::Entra
    );
}
