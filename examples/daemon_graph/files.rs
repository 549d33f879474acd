//! The configuration files of the samples, each read by its own small rules.
//!
//! Errors name the line, and never repeat what stands in it: a line that cannot be read may hold the secret.

mod dotenv;
mod json;
mod program;
mod properties;

use crate::common::Failure;
use crate::sample::Sample;

/// A setting in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) line: Option<usize>,
}

impl Entry {
    fn new(key: &str, value: impl Into<String>, line: usize) -> Self {
        Self {
            key: key.to_owned(),
            value: value.into(),
            line: Some(line),
        }
    }
}

/// Reads the text of a sample's configuration file.
pub(crate) fn parse(sample: Sample, text: &str) -> Result<Vec<Entry>, Failure> {
    match sample {
        Sample::Dotnet => program::parse(text, sample.names()),
        Sample::Node => dotenv::parse(text),
        Sample::Python => json::parse(text),
        Sample::Java => properties::parse(text),
    }
}

fn at_line(line: usize, problem: &str) -> Failure {
    Failure::new(format!("line {line} {problem}"))
}
