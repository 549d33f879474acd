use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// Reads a small text from a file, or from standard input where the path is `-`. One line end behind it is dropped.
pub(crate) fn read_text(path: &Path, limit: u64, exit: Exit) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = read_bytes(path, limit, exit)?;
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    // As some editors begin a file.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(Failure::text(exit, format!("{}: is not UTF-8", path.display())))
        }
    }
}

/// Reads a small file, or standard input where the path is `-`, as it is.
pub(crate) fn read_bytes(path: &Path, limit: u64, exit: Exit) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let from_stdin = path.as_os_str() == "-";
    let failed = |problem: String| {
        let name = if from_stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        Failure::text(exit, format!("{name}: {problem}"))
    };
    // Room for all that may come, so that no copy is left behind by growth.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit as usize + 1));
    let read = if from_stdin {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(failed(format!("is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// Writes a new file. With `private`, nobody but its owner may read it. What is there already is not overwritten.
pub(crate) fn write_new(path: &Path, text: &str, private: bool) -> Result<(), Failure> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let advice = if error.kind() == io::ErrorKind::AlreadyExists {
            "; name another file, or move that one"
        } else {
            ""
        };
        Failure::text(Exit::Output, format!("{}: {error}{advice}", path.display()))
    })
}

/// Tells something beside the result, on standard error. Whoever does not want to read it may close it.
pub(crate) fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A text of somebody else's, such as that no terminal obeys it and it stays on its line.
pub(crate) fn harmless(text: &str) -> String {
    // The quotes of JSON stay as they are.
    let escaped = |c: char| {
        if matches!(c, '"' | '\'' | '\\') {
            c.to_string()
        } else {
            c.escape_debug().to_string()
        }
    };
    text.chars().map(escaped).collect()
}

/// At most `limit` characters of a text of somebody else's, made [`harmless`].
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => harmless(&text[..end]) + "…",
        None => harmless(text),
    }
}

/// Prints a command's result. A reader that has gone is no failure; anything else is.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|error| {
            let exit = if error.kind() == io::ErrorKind::BrokenPipe {
                Exit::OutputClosed
            } else {
                Exit::Output
            };
            Failure::text(exit, format!("standard output: {error}"))
        })
}

/// Prints JSON with nothing in it that a terminal obeys: what is not ASCII is escaped as JSON escapes it.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    let mut text = String::new();
    for character in format!("{value:#}").chars() {
        if character.is_ascii() && character != '\x7f' {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    print(&text)
}
