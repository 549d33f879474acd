//! Error responses of the control API.

use http::StatusCode;
use serde_json::{Map, Value};

/// The reason why a request is not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The value of `Allow`.
    pub(crate) allow: Option<String>,
    members: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        let members = [("error", error.into()), ("message", Value::from(message.into()))];
        Self {
            status,
            allow: None,
            members: members
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
        }
    }

    /// A member of the body that cannot be used.
    pub(crate) fn member(error: &'static str, name: &str, problem: &str) -> Self {
        let message = format!("\"{}\" {problem}", excerpt(name));
        Self::new(StatusCode::BAD_REQUEST, error, message).with("member", excerpt(name).into())
    }

    /// A member whose value is not what is expected.
    pub(crate) fn expected(name: &str, expected: &str, found: &Value) -> Self {
        let problem = format!(
            "is not what is expected: {expected}; found {}",
            excerpt(&found.to_string())
        );
        Self::member("invalid_member", name, &problem).with("expected", expected.into())
    }

    /// The members as a whole: some are needed, say.
    pub(crate) fn members(error: &'static str, message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    /// Refuses members that are given beside each other, and exclude each other.
    pub(crate) fn at_most_one(members: &[(&str, bool)]) -> Result<(), Self> {
        let given: Vec<String> = members
            .iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        if given.len() < 2 {
            return Ok(());
        }
        let message = format!("{} exclude each other", given.join(" and "));
        Err(Self::members("conflicting_members", message))
    }

    /// A parameter of the query that cannot be used.
    pub(crate) fn query(name: &str, problem: &str, known: &[&str]) -> Self {
        let known = match known {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        let message = format!("the query parameter \"{}\" {problem}; known: {known}", excerpt(name));
        Self::new(StatusCode::BAD_REQUEST, "invalid_query", message)
    }

    /// Adds a member to the response.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn allow(self, methods: String) -> Self {
        Self {
            allow: Some(methods),
            ..self
        }
    }

    pub(crate) fn body(&self) -> Value {
        Value::Object(self.members.clone())
    }
}

/// The beginning of a text that a request chose.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

const LONGEST: usize = 80;
