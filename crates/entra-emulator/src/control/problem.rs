//! The error responses of the control API.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::redact::excerpt;

/// The reason for rejecting a request.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The value of the header `Allow`.
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

    /// Creates an error about a member of the body.
    pub(crate) fn member(error: &'static str, name: &str, problem: &str) -> Self {
        let message = format!("\"{}\" {problem}", excerpt(name, LONGEST));
        Self::new(StatusCode::BAD_REQUEST, error, message).with("member", excerpt(name, LONGEST).into())
    }

    /// Creates an error about a member with an invalid value.
    pub(crate) fn expected(name: &str, expected: &str, found: &Value) -> Self {
        let problem = format!(
            "is invalid: expected {expected}; found {}",
            excerpt(&found.to_string(), LONGEST)
        );
        Self::member("invalid_member", name, &problem).with("expected", expected.into())
    }

    /// Creates an error about the body as a whole, such as missing members.
    pub(crate) fn members(error: &'static str, message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    /// Returns an error if more than one of these members is present.
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

    /// Creates an error about a query parameter.
    pub(crate) fn query(name: &str, problem: &str, known: &[&str]) -> Self {
        let known = match known {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        let message = format!(
            "the query parameter \"{}\" {problem}; known: {known}",
            excerpt(name, LONGEST)
        );
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

/// The largest number of characters of a text of the client that a message repeats.
const LONGEST: usize = 80;
