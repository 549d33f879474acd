//! Client secrets.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;

use crate::config::time;

/// A client secret. Its `Debug` never shows the value.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Secret {
    /// The secret's id (GUID), which people send by mistake; derived from the seed when empty.
    pub id: String,
    /// The value that authenticates; derived when empty.
    pub value: String,
    /// Valid from; always when left out. In JSON: `2026-01-31T23:59:58Z`.
    #[serde(deserialize_with = "time::read")]
    pub start: Option<SystemTime>,
    /// Valid until, this instant excluded; for ever when left out.
    #[serde(deserialize_with = "time::read")]
    pub end: Option<SystemTime>,
}

impl Secret {
    /// A secret that is always valid.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// Sets the secret's id.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Makes it valid from `start` on.
    pub fn starts(self, start: SystemTime) -> Self {
        Self {
            start: Some(start),
            ..self
        }
    }

    /// Makes it expire at `end`.
    pub fn ends(self, end: SystemTime) -> Self {
        Self { end: Some(end), ..self }
    }

    pub(crate) fn is_valid_at(&self, now: SystemTime) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("id", &self.id)
            .field("value", &"[redacted]")
            .field("start", &self.start)
            .field("end", &self.end)
            .finish()
    }
}
