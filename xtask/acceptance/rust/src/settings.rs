//! The settings of a run.

use std::error::Error;
use std::{env, fs};

use serde_json::Value;

/// The settings that `python/prepare.py` wrote, and the emulator's address.
pub struct Settings {
    pub host: String,
    pub all: Value,
}

impl Settings {
    pub fn load(path: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            host: env::var("AZURE_AUTHORITY_HOST")?,
            all: serde_json::from_str(&fs::read_to_string(path)?)?,
        })
    }

    /// The text of a setting, or of a key's member: `keys/ours/pfx`.
    pub fn text(&self, name: &str) -> &str {
        let found = self.all.pointer(&format!("/{name}")).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("the settings have no {name}"))
    }

    pub fn default_scope(&self, api: &str) -> String {
        format!("{}/.default", self.text(api))
    }
}
