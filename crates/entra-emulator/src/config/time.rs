//! Times in a configuration.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use crate::time::parse_rfc3339;

/// Deserializes a time in RFC 3339 format, in UTC.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    parse_rfc3339(&text)
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("a time does not have the UTC format 2026-01-31T23:59:58Z"))
}
