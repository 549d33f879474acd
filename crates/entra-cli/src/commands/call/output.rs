//! The output of a response: standard output or a file, and the formats of the body.

use std::io::{self, Write};
use std::path::Path;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use serde::de::IgnoredAny;

use crate::commands::call::Output;
use crate::commands::call::body::ApiBody;
use crate::commands::call::rejection::Rejected;
use crate::exit::{Exit, Failure};
use crate::files::{Replacement, not_written, print_secret};
use crate::json_text::{for_terminal, indented};
use crate::sanitize::{escape, excerpt, shown};
use crate::stop::Stop;
use crate::terminal::Stream;

/// The destination of bodies.
pub(super) enum Sink {
    Out,
    File(Replacement, String),
}

impl Sink {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            return Ok(Self::Out);
        };
        let name = shown(path);
        let stop = Stop::watch()?;
        match Replacement::of(path, true) {
            Ok(file) => {
                file.remove_on(stop);
                Ok(Self::File(file, name))
            }
            Err(error) => Err(Failure::of(Exit::Output, &error)
                .context(name)
                .hint("name a file in a folder that you may write to")),
        }
    }

    /// Returns true if the destination is a terminal.
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

    /// Writes the remaining bytes, and moves a file to its final path.
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
pub(super) fn print(response: Response<ApiBody>, include: bool, output: Output, mut sink: Sink) -> Result<(), Failure> {
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
    while let Some(piece) = body.next()? {
        sink.write(&piece)?;
    }
    sink.finish()
}

/// Prints an error response with its headers, for `--include`.
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
pub(super) fn collect(body: &mut ApiBody, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next()? {
        if bytes.len() + piece.len() > limit {
            return Err(
                Failure::text(Exit::Api, format!("the response is longer than {limit} bytes"))
                    .hint("write it to a file with --out or to a pipe, without -o json"),
            );
        }
        bytes.extend(piece);
    }
    Ok(bytes)
}

/// Returns a body as readable text: indented if it is JSON.
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
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = excerpt(header(CONTENT_TYPE).unwrap_or("of unknown content type"), 100);
    let kind = match header(CONTENT_ENCODING).filter(|_| !is_plain) {
        Some(encoding) => format!("{kind}, compressed as {}", excerpt(encoding, 100)),
        None => kind,
    };
    if output == Output::Json {
        return Err(Failure::text(Exit::Api, format!("the response is not JSON: it is {kind}")).hint("use -o raw"));
    }
    match text.filter(|text| !text.contains('\0')) {
        Some(text) => {
            let lines: Vec<String> = text.lines().map(escape).collect();
            Ok(lines.join("\n"))
        }
        None => Err(
            Failure::text(Exit::Output, format!("the response is not text: it is {kind}"))
                .hint("write it to a file with --out, or to a pipe"),
        ),
    }
}

fn print_head(parts: &Parts) -> Result<(), Failure> {
    print_secret(&head(parts.status, &parts.headers))
}

/// Returns the status line and the headers. Each ends with a line feed.
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

/// The longest body that is reformatted for output, in bytes.
const MAX_SHOWN: usize = 16 * 1024 * 1024;
