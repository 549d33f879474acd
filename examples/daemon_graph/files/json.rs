//! `parameters.json`: one object with texts and lists of texts.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::common::Failure;
use crate::common::config::Entry;

/// Reads the settings in a text. A list of texts, such as scopes, becomes one text separated by
/// spaces.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Failure> {
    let members: Members = serde_json::from_str(text).map_err(|error| {
        let failure = Failure::new(format!(
            "line {}, column {} is not a JSON object",
            error.line(),
            error.column()
        ));
        failure.hint("remove comments, put a comma between members, and none after the last one")
    })?;
    let mut entries = Vec::new();
    for (key, value) in members.0 {
        let value = match value {
            Value::String(value) => value,
            Value::Array(list) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                texts.ok_or_else(|| wrong_kind(&key))?.join(" ")
            }
            Value::Null => continue,
            _ => return Err(wrong_kind(&key)),
        };
        entries.push(Entry { key, value, line: None });
    }
    Ok(entries)
}

fn wrong_kind(key: &str) -> Failure {
    let key: String = key.chars().take(LONGEST_NAME).collect();
    Failure::new(format!("the value of {key} is neither a text nor a list of texts"))
        .hint("write it in quotation marks")
}

/// The members of an object in order, including duplicates.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

const LONGEST_NAME: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_one_text() {
        let read = parse(r#"{"scope": ["a/.default", "b"], "secret": "s", "oidc_authority": null}"#).unwrap();
        let read: Vec<_> = read.iter().map(|it| (&*it.key, &*it.value)).collect();
        assert_eq!(read, [("scope", "a/.default b"), ("secret", "s")]);
    }

    #[test]
    fn error_names_the_place_but_not_the_text() {
        for text in [
            "{\"secret\": \"canary\" // comment\n}",
            "{\"secret\": canary}",
            "\"canary\"",
            "[\"canary\"]",
            "",
            "{\"secret\": {\"canary\": 1}}",
            "{\"secret\": [\"canary\", 1]}",
        ] {
            let failure = parse(text).unwrap_err();
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
