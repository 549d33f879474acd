//! Client secrets.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;

use crate::config::time;

/// A client secret. Its `Debug` output never shows the value.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Secret {
    /// The ID of the secret (GUID), which is sometimes sent instead of the value by mistake;
    /// derived from the seed when empty.
    pub id: String,
    /// The value that authenticates; derived when empty.
    pub value: String,
    /// The start of validity; unlimited when left out. In JSON: `2026-01-31T23:59:58Z`.
    #[serde(deserialize_with = "time::read")]
    pub start: Option<SystemTime>,
    /// The end of validity, exclusive; unlimited when left out.
    #[serde(deserialize_with = "time::read")]
    pub end: Option<SystemTime>,
}

impl Secret {
    /// Returns a secret that is always valid.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// Sets the ID of the secret.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Sets the start of validity.
    pub fn starts(self, start: SystemTime) -> Self {
        Self {
            start: Some(start),
            ..self
        }
    }

    /// Sets the end of validity.
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
