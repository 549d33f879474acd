//! The configuration files of the samples, with a small parser for each.
//!
//! Errors name the line, and never repeat its contents: a line that cannot be read may hold the
//! secret.

mod json;
mod program;
mod properties;

use crate::common::Failure;
use crate::common::config::{Entry, dotenv};
use crate::sample::Sample;

/// Reads the text of a sample's configuration file.
pub(crate) fn parse(sample: Sample, text: &str) -> Result<Vec<Entry>, Failure> {
    match sample {
        Sample::Dotnet => program::parse(text, sample.names()),
        Sample::Node => dotenv::parse(text),
        Sample::Python => json::parse(text),
        Sample::Java => properties::parse(text),
    }
}
