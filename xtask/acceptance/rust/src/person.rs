//! The user with a browser: `python/person.py`, as a program.

use std::error::Error;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::settings::Settings;

/// Has the person do what `wanted` says, and returns the result.
pub fn person(settings: &Settings, wanted: &Value) -> Result<Value, Box<dyn Error>> {
    let words = settings.all["person"].as_array().into_iter().flatten();
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    serde_json::to_writer(child.stdin.take().expect("it is piped"), wanted)?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
