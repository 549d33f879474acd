//! `appsettings.json`, as .NET programs read it: nested sections, case-insensitive names, and
//! variables that take precedence (`AzureAd__ClientId` for `AzureAd:ClientId`).

use std::env;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{is_placeholder, read_text};
use crate::common::failure::{Failure, note};

/// The settings of a program.
pub(crate) struct AppSettings {
    file: Option<(String, Node)>,
    /// The environment variables, under the names of the settings: `AzureAd:ClientId`.
    variables: Vec<(String, Option<String>)>,
}

/// A setting and its place, for messages.
#[derive(Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) place: String,
}

impl AppSettings {
    /// Reads the file, or `appsettings.json` in the current folder if there is one.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let default = Path::new("appsettings.json");
        let path = match path {
            Some(path) => Some(path),
            // This includes a file that cannot be inspected: the error on reading it says why.
            None => (!matches!(default.try_exists(), Ok(false))).then_some(default),
        };
        let mut file = None;
        if let Some(path) = path {
            let name = path.display().to_string();
            let text = read_text(path).map_err(|failure| failure.at(&name))?;
            let root = parse(&text).map_err(|failure| failure.at(&name))?;
            note(&format!("configuration from {name}"));
            file = Some((name, root));
        }
        let variables = env::vars_os().filter_map(|(name, value)| {
            let name = name.to_str().filter(|name| name.contains("__"))?;
            Some((name.replace("__", ":"), value.into_string().ok()))
        });
        Ok(Self {
            file,
            variables: variables.collect(),
        })
    }

    /// Reads the settings in this text, without variables.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self {
            file: Some(("appsettings.json".to_owned(), parse(text).unwrap())),
            variables: Vec::new(),
        }
    }

    /// Returns a text setting. An empty text counts as not set.
    pub(crate) fn text(&self, key: &str) -> Result<Option<Setting<String>>, Failure> {
        if let Some(setting) = self.variable(key)?.filter(|setting| !setting.value.is_empty()) {
            return filled(setting).map(Some);
        }
        let place = self.place(key);
        match self.node(key) {
            Some(Node::Text(value)) if !value.is_empty() => filled(Setting {
                value: value.clone(),
                place,
            })
            .map(Some),
            None | Some(Node::Null | Node::Text(_)) => Ok(None),
            Some(Node::List(_) | Node::Section(_)) => Err(Failure::new("is not a text")
                .hint("write one value in quotation marks")
                .at(&place)),
        }
    }

    /// Returns a list of names: an array, or one text with names separated by spaces. An empty list
    /// and any other value are errors: a setting that controls access must not be ignored silently.
    pub(crate) fn names(&self, key: &str) -> Result<Option<Setting<Vec<String>>>, Failure> {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (value, place) = match (self.variable(key)?, self.indexed(key)?) {
            (Some(text), _) => (split(&text.value), text.place),
            (None, list) if !list.is_empty() => (list, format!("the variables {}__0, ..", key.replace(':', "__"))),
            (None, _) => {
                let place = self.place(key);
                let wrong = || Failure::new("is not a list of names").hint(LIST).at(&place);
                let value = match self.node(key) {
                    None => return Ok(None),
                    Some(Node::Text(text)) => split(text),
                    Some(Node::List(list)) => {
                        let texts = list.iter().map(|node| match node {
                            Node::Text(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
                            _ => None,
                        });
                        texts.collect::<Option<_>>().ok_or_else(wrong)?
                    }
                    Some(Node::Null) => Vec::new(),
                    Some(Node::Section(_)) => return Err(wrong()),
                };
                (value, place)
            }
        };
        if value.is_empty() {
            return Err(Failure::new("is empty").hint(LIST).at(&place));
        }
        for name in &value {
            reject_placeholder(name, &place)?;
        }
        Ok(Some(Setting { value, place }))
    }

    /// Returns the number of entries of a list.
    pub(crate) fn count(&self, key: &str) -> usize {
        match self.node(key) {
            Some(Node::List(list)) => list.len(),
            _ => 0,
        }
    }

    /// Returns true if the file or a variable sets anything under this name.
    pub(crate) fn has(&self, key: &str) -> bool {
        let is_below = |name: &String| {
            let (start, rest) = name.split_at_checked(key.len()).unwrap_or((name, ""));
            start.eq_ignore_ascii_case(key) && (rest.is_empty() || rest.starts_with(':'))
        };
        self.node(key).is_some() || self.variables.iter().any(|(name, _)| is_below(name))
    }

    /// Returns the place of a setting in the file, for messages.
    pub(crate) fn place(&self, key: &str) -> String {
        match &self.file {
            Some((file, _)) => format!("{key} ({file})"),
            None => format!("the variable {}", key.replace(':', "__")),
        }
    }

    /// Returns the error for a setting that is not set.
    pub(crate) fn missing(&self, key: &str, alternative: &str) -> Failure {
        let problem = match &self.file {
            Some((file, _)) => format!("{key} is not set in {file}"),
            None => format!("{key} is not set: there is no appsettings.json"),
        };
        let variable = key.replace(':', "__");
        Failure::new(problem).hint(format!(
            "fill in appsettings.json as the document has it, name the file with --config, or set {variable}{alternative}"
        ))
    }

    fn node(&self, key: &str) -> Option<&Node> {
        let (_, root) = self.file.as_ref()?;
        key.split(':').try_fold(root, |node, part| match node {
            Node::Section(members) => {
                let member = members.iter().find(|(name, _)| name.eq_ignore_ascii_case(part));
                member.map(|(_, node)| node)
            }
            Node::List(list) => list.get(part.parse::<usize>().ok()?),
            Node::Text(_) | Node::Null => None,
        })
    }

    fn variable(&self, key: &str) -> Result<Option<Setting<String>>, Failure> {
        let found = self.variables.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        let Some((name, value)) = found else { return Ok(None) };
        let place = format!("the variable {}", name.replace(':', "__"));
        match value {
            Some(value) => Ok(Some(Setting {
                value: value.clone(),
                place,
            })),
            None => Err(Failure::new("is not UTF-8")
                .hint("set it again as plain text")
                .at(&place)),
        }
    }

    /// Returns the variables `KEY__0`, `KEY__1` and so on.
    fn indexed(&self, key: &str) -> Result<Vec<String>, Failure> {
        let mut list = Vec::new();
        while let Some(setting) = self.variable(&format!("{key}:{}", list.len()))? {
            list.push(setting.value);
        }
        Ok(list)
    }
}

fn filled(setting: Setting<String>) -> Result<Setting<String>, Failure> {
    reject_placeholder(&setting.value, &setting.place)?;
    Ok(setting)
}

fn reject_placeholder(value: &str, place: &str) -> Result<(), Failure> {
    if !is_placeholder(value) {
        return Ok(());
    }
    Err(Failure::new("is still a placeholder of the sample")
        .hint("replace it with the value of the app registration")
        .at(place))
}

/// A value in the file.
#[derive(Debug)]
enum Node {
    Section(Vec<(String, Self)>),
    List(Vec<Self>),
    Text(String),
    Null,
}

fn parse(text: &str) -> Result<Node, Failure> {
    let root: Node = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The error of the parser may repeat a value, so it is replaced.
        let (problem, hint) = match error.is_data() {
            true => ("repeats the name of a setting", "keep one of the two"),
            false => (
                "is not JSON",
                "remove comments, put a comma between members, and none after the last one",
            ),
        };
        Failure::new(format!("line {line}, column {column} {problem}")).hint(hint)
    })?;
    match root {
        Node::Section(_) => Ok(root),
        _ => Err(Failure::new("is not a JSON object").hint("write { \"AzureAd\": { .. } }")),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNode;
        impl<'de> Visitor<'de> for AnyNode {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Node, M::Error> {
                let mut members: Vec<(String, Node)> = Vec::new();
                while let Some((name, node)) = map.next_entry::<String, Node>()? {
                    if members.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                        return Err(M::Error::custom("twice"));
                    }
                    members.push((name, node));
                }
                Ok(Node::Section(members))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Node, S::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = list.next_element()? {
                    nodes.push(node);
                }
                Ok(Node::List(nodes))
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
        }
        deserializer.deserialize_any(AnyNode)
    }
}

const LIST: &str = "write [\"Name\", \"Other.Name\"] or \"Name Other.Name\", with at least one name";

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> AppSettings {
        AppSettings::of(text)
    }

    #[test]
    fn arrays_and_texts_are_lists_of_names() {
        for text in [
            r#"{"AzureAd": {"Scopes": {"Read": ["A.Read", "B.Read"]}}}"#,
            r#"{"azuread": {"SCOPES": {"read": "A.Read  B.Read"}}}"#,
            r#"{"AzureAd": {"Scopes": {"Read": [" A.Read", "B.Read"]}, "Other": null}}"#,
        ] {
            let names = settings(text).names("AzureAd:Scopes:Read").unwrap().unwrap();
            assert_eq!(names.value, ["A.Read", "B.Read"], "{text}");
            assert_eq!(names.place, "AzureAd:Scopes:Read (appsettings.json)");
        }
        assert!(settings("{}").names("AzureAd:Scopes:Read").unwrap().is_none());
    }

    #[test]
    fn list_without_names_is_rejected() {
        for value in [
            "[]",
            "\"\"",
            "\" \"",
            "null",
            "{}",
            "{\"0\": \"A\"}",
            "[\"\"]",
            "[null]",
            "[[\"A\"]]",
            "[\"A\", {}]",
            "\"Enter_the_Scope_Here\"",
        ] {
            let settings = settings(&format!(r#"{{"Read": {value}}}"#));
            assert!(settings.names("Read").is_err(), "{value}");
        }
    }

    #[test]
    fn variables_take_precedence() {
        let mut settings = settings(r#"{"AzureAd": {"ClientId": "file", "Scopes": {"Read": ["File"]}}}"#);
        let mut set = |name: &str, value: &str| settings.variables.push((name.to_owned(), Some(value.to_owned())));
        set("AZUREAD:ClientId", "variable");
        set("AzureAd:Scopes:Read:1", "B");
        set("AzureAd:Scopes:Read:0", "A");
        set("AzureAd:Scopes:Write", "");
        assert_eq!(settings.text("AzureAd:ClientId").unwrap().unwrap().value, "variable");
        assert_eq!(
            settings.names("AzureAd:Scopes:Read").unwrap().unwrap().value,
            ["A", "B"]
        );
        assert!(settings.names("AzureAd:Scopes:Write").is_err());
        assert!(settings.has("azuread:scopes:write") && !settings.has("AzureAd:Scop"));
    }

    #[test]
    fn error_names_the_place_but_not_the_text() {
        for text in [
            "{\"secret\": \"canary\" // comment\n}",
            "{\"secret\": canary}",
            "{\"canary\": 1, \"CANARY\": 2}",
            "\"canary\"",
            "[\"canary\"]",
            "",
        ] {
            let failure = parse(text).unwrap_err();
            assert!(!format!("{failure:?}").to_lowercase().contains("canary"), "{failure:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
    }
}
