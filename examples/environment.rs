//! The settings of every example: environment variables.

#![allow(dead_code, reason = "each example uses its own part")]

use std::env::{self, VarError};

/// The text of a variable that has to be set.
pub(crate) fn setting(name: &str) -> Result<String, String> {
    optional(name)?.ok_or_else(|| format!("{name} is not set"))
}

/// The text of a variable, or `otherwise` where it is not set.
pub(crate) fn setting_or(name: &str, otherwise: &str) -> Result<String, String> {
    Ok(optional(name)?.unwrap_or_else(|| otherwise.to_owned()))
}

/// The text of a variable. An empty one is not set. One that is not UTF-8 is set, and cannot be used.
pub(crate) fn optional(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        // The error would repeat the value.
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8: set it again, as plain text")),
    }
}
