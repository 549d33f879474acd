//! The place that a response is written to, and the forms of its body.

use std::io::{self, Write};
use std::path::Path;

use entra_transport_ureq::OpenBody;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use serde::de::IgnoredAny;

use crate::commands::call::Output;
use crate::commands::call::rejection::Rejected;
use crate::exit::{Exit, Failure};
use crate::files::{Replacement, not_written, print_secret};
use crate::json_text::{for_terminal, indented};
use crate::outside::{escape, shown};
use crate::terminal::Stream;

/// Where bodies are written.
pub(super) enum Sink {
    Out,
    File(Replacement, String),
}

impl Sink {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Out) };
        let name = shown(path);
        match Replacement::of(path, true) {
            Ok(file) => Ok(Self::File(file, name)),
            Err(error) => Err(Failure::of(Exit::Output, &error)
                .context(name)
                .hint("name a file in a folder that you may write to")),
        }
    }

    /// Whether a terminal shows what is written.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Out) && Stream::Out.is_terminal()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Out => io::stdout()
                .lock()
                .write_all(bytes)
                .map_err(|error| not_written("standard output", &error)),
            Self::File(file, name) => file.write_all(bytes).map_err(|error| not_written(name, &error)),
        }
    }

    /// Writes what is left, and puts a file in its place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Out => io::stdout()
                .flush()
                .map_err(|error| not_written("standard output", &error)),
            Self::File(file, name) => file.finish().map_err(|error| not_written(&name, &error)),
        }
    }
}

/// Prints a successful response.
pub(super) fn print(
    response: Response<OpenBody>,
    include: bool,
    output: Output,
    mut sink: Sink,
) -> Result<(), Failure> {
    let (parts, mut body) = response.into_parts();
    if include {
        print_head(&parts)?;
    }
    let is_shown = sink.is_terminal() && output == Output::Auto;
    if output == Output::Json || is_shown {
        let bytes = collect(&mut body, MAX_SHOWN)?;
        let text = readable(&parts.headers, &bytes, output)?;
        if !text.is_empty() {
            sink.write(text.as_bytes())?;
            sink.write(b"\n")?;
        }
        return sink.finish();
    }
    let mut chunk = vec![0; CHUNK];
    loop {
        match body.read(&mut chunk)? {
            0 => return sink.finish(),
            length => sink.write(&chunk[..length])?,
        }
    }
}

/// Prints a response that is a failure, for a user who wants to see all of it.
pub(super) fn print_rejected(rejected: &Rejected) -> Result<(), Failure> {
    print_secret(&head(rejected.status, &rejected.headers))?;
    let text = String::from_utf8_lossy(&rejected.body);
    if Stream::Out.is_terminal() {
        let lines: Vec<String> = text.lines().map(escape).collect();
        print_secret(&lines.join("\n"))
    } else {
        print_secret(&text)
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(super) fn collect(body: &mut OpenBody, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match body.read(&mut chunk)? {
            0 => return Ok(bytes),
            length if bytes.len() + length > limit => {
                return Err(
                    Failure::text(Exit::Api, format!("the response is longer than {limit} bytes"))
                        .hint("write it to a file with --out, or to a pipe, without -o json"),
                );
            }
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

/// Returns a body as text that people read.
fn readable(headers: &HeaderMap, bytes: &[u8], output: Output) -> Result<String, Failure> {
    if bytes.is_empty() {
        return Ok(String::new());
    }
    let is_plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|encoding| encoding == "identity");
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_plain);
    let text = text.map(|text| text.trim_start_matches('\u{feff}'));
    if let Some(json) = text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()) {
        return Ok(for_terminal(&indented(json)));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = escape(kind.unwrap_or("of no type"));
    if output == Output::Json {
        return Err(Failure::text(Exit::Api, format!("the response is no JSON, but {kind}")).hint("use -o raw"));
    }
    match text.filter(|text| !text.contains('\0')) {
        Some(text) => {
            let lines: Vec<String> = text.lines().map(escape).collect();
            Ok(lines.join("\n"))
        }
        None => Err(
            Failure::text(Exit::Output, format!("the response is no text, but {kind}"))
                .hint("write it to a file with --out, or to a pipe"),
        ),
    }
}

fn print_head(parts: &Parts) -> Result<(), Failure> {
    print_secret(&head(parts.status, &parts.headers))
}

/// The status line and the headers, with an empty line behind them.
fn head(status: StatusCode, headers: &HeaderMap) -> String {
    let mut text = format!(
        "{} {}\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    for (name, value) in headers {
        text += &format!("{name}: {}\n", escape(&String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

/// How much is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// How long a body may be that is shown in another form than its own, in bytes.
const MAX_SHOWN: usize = 16 * 1024 * 1024;
