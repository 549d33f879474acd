//! Reading small files and standard input, writing files, and printing results and notes.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::json_text::ascii_json;
use crate::named_file::reject_contents;
use crate::prompt;
use crate::sanitize::{file_name, printable, shell_quoted, shown};
use crate::stop::Stop;
use crate::terminal::{Stream, wrapped};
use crate::verbosity::is_quiet;

pub(crate) use crate::sanitize::{excerpt, harmless};

/// Reads a small text from a file, or from standard input if the path is `-`. One line break at the
/// end is dropped. On a terminal, a prompt names `what` is read.
///
/// The text is UTF-8, or UTF-16, which some shells on Windows write when they redirect output.
///
/// # Errors
/// Returns an error if the file cannot be read, is longer than `limit` bytes, or is not text.
pub(crate) fn read_text(path: &Path, what: &str, limit: u64, exit: Exit) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_bytes(path, what, limit, exit)?;
    let text = decoded(&bytes);
    let mut text = text.ok_or_else(|| Failure::text(exit, format!("{}: not UTF-8 or UTF-16 text", name_of(path))))?;
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    Ok(text)
}

/// Reads a text in any encoding that extends ASCII, such as a log. Replaces invalid characters.
///
/// # Errors
/// Returns an error if the file cannot be read, or is longer than `limit` bytes.
pub(crate) fn read_loosely(path: &Path, what: &str, limit: u64, exit: Exit) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_bytes(path, what, limit, exit)?;
    Ok(decoded(&bytes).unwrap_or_else(|| Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())))
}

/// Returns the text in these bytes, if they are UTF-8 or UTF-16.
pub(crate) fn decoded(bytes: &[u8]) -> Option<Zeroizing<String>> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Without a byte order mark, the first ASCII character shows the encoding.
        [first, 0, ..] if first.is_ascii() && *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if second.is_ascii() && *second != 0 => utf16(bytes, u16::from_be_bytes),
        bytes => std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .ok()
            .map(|text| Zeroizing::new(text.to_owned())),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Zeroizing<String>> {
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    // Capacity for the whole text, so that growth leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.push(character.ok()?);
    }
    Some(text)
}

/// Returns the name of a file for messages.
pub(crate) fn name_of(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file_name(path)
    }
}

/// Reads the bytes of a small file, or of standard input if the path is `-`.
///
/// # Errors
/// Returns an error if the file cannot be read, or is longer than `limit` bytes.
pub(crate) fn read_bytes(path: &Path, what: &str, limit: u64, exit: Exit) -> Result<Zeroizing<Vec<u8>>, Failure> {
    reject_contents(path, exit)?;
    let from_stdin = path.as_os_str() == "-";
    let failed = |problem: String| Failure::text(exit, format!("{}: {problem}", name_of(path)));
    let read = if from_stdin && io::stdin().is_terminal() {
        prompt::text(what, limit as usize)
    } else {
        let most = limit as usize + 1;
        if from_stdin {
            read_most(io::stdin().lock(), most)
        } else {
            File::open(path).and_then(|file| read_most(file, most))
        }
    };
    let bytes = read.map_err(|error| {
        let failure = failed(error.to_string());
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => failure.hint("check the path"),
            io::ErrorKind::IsADirectory => failure.hint("give a file instead of a folder"),
            io::ErrorKind::PermissionDenied => failure.hint("run as a user with permission to read the file"),
            _ => failure,
        }
    })?;
    if bytes.len() as u64 > limit {
        return Err(failed(format!("longer than {limit} bytes")).hint(format!("give only {what}")));
    }
    Ok(bytes)
}

/// Reads at most this many bytes. The buffer grows by hand, so that it leaves no copy of a secret
/// behind: most inputs need the first one only.
fn read_most(mut source: impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut size = most.min(16 * 1024);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    loop {
        let room = (size - bytes.len()) as u64;
        source.by_ref().take(room).read_to_end(&mut bytes)?;
        if bytes.len() < size || size == most {
            return Ok(bytes);
        }
        size = most.min(size * 8);
        let mut larger = Zeroizing::new(Vec::with_capacity(size));
        larger.extend_from_slice(&bytes);
        bytes = larger;
    }
}

/// Writes a new file, without overwriting an existing file or following a link. Only the owner may
/// write to it; with `private`, only the owner may read it.
///
/// # Errors
/// Returns an error if the file exists or cannot be written.
pub(crate) fn write_new(path: &Path, text: &str, private: bool) -> Result<(), Failure> {
    let written = create(path, private).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let failure = Failure::of(Exit::Output, &error).context(shown(path));
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure.hint("give another file, or move the existing one"),
            _ => failure,
        }
    })
}

/// Replaces a public file, or creates it. Writes a new file and renames it, so that no reader sees
/// a part of it, no link is followed, and the owner of an existing file does not own the new one.
///
/// # Errors
/// Returns an error of the system, or one if the path is not a file, such as a folder or a device.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut file = Replacement::of(path, false)?;
    file.write_all(text.as_bytes())?;
    file.finish()
}

/// A new file that replaces another when it is finished, and is removed when it is dropped before.
pub(crate) struct Replacement {
    file: File,
    fresh: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Creates the new file. With `private`, only its owner may read it.
    ///
    /// # Errors
    /// See [`replace`].
    pub(crate) fn of(path: &Path, private: bool) -> io::Result<Self> {
        // Follows a link: a link to a device would be replaced by a file.
        if path.metadata().is_ok_and(|old| !old.is_file()) {
            return Err(io::Error::other("this is not a regular file"));
        }
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut fresh = OsString::from(".");
        fresh.push(name);
        fresh.push(format!(".{}", random_name()?));
        let fresh = path.with_file_name(fresh);
        Ok(Self {
            file: create(&fresh, private)?,
            fresh,
            path: path.to_owned(),
        })
    }

    /// Removes the file when a signal ends the process.
    pub(crate) fn remove_on(&self, stop: Stop) {
        let fresh = self.fresh.clone();
        std::thread::spawn(move || {
            let stopped = stop.wait();
            let _ = std::fs::remove_file(fresh);
            stopped.end()
        });
    }

    /// Renames the new file to its final path.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.fresh, &self.path)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // A finished file no longer has this name.
        let _ = std::fs::remove_file(&self.fresh);
    }
}

/// Returns 32 random hexadecimal characters.
pub(crate) fn random_name() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn create(path: &Path, private: bool) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)
}

/// Returns the problem if other users can access a file with a private key. Returns `None` on
/// systems without file modes.
pub(crate) fn exposure(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        // Follows a link. An access control list has its mask in the bits of the group. A pipe has
        // no later readers.
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let mode = metadata.permissions().mode() & 0o777;
        let access = match (mode & 0o044 != 0, mode & 0o022 != 0) {
            (true, true) => "readable and writable",
            (true, false) => "readable",
            (false, true) => "writable",
            (false, false) => return None,
        };
        Some(format!(
            "the file of the private key is {access} by others (mode {mode:03o})"
        ))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Returns a path quoted for a shell, such that no command mistakes it for an option.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.starts_with('-') {
        format!("./{text}")
    } else {
        text.into_owned()
    };
    if cfg!(windows) {
        format!("\"{text}\"")
    } else {
        shell_quoted(&text)
    }
}

/// Writes a note to standard error, unless `--quiet` is set.
pub(crate) fn tell(text: impl Display) {
    if !is_quiet() {
        tell_always(text);
    }
}

/// Writes to standard error what users must see even with `--quiet`, such as a required action.
/// Wrapped for a terminal. A closed standard error is not a failure.
pub(crate) fn tell_always(text: impl Display) {
    let text = printable(&text.to_string());
    let text = match Stream::Error.width() {
        Some(width) => wrapped(&text, width, 0),
        None => text,
    };
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a command's result, with control characters escaped and secrets redacted.
///
/// # Errors
/// Returns an error if standard output cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_secret(&printable(text))
}

/// Prints a result unchanged, because it is a requested secret, or is read by a program.
///
/// # Errors
/// Returns an error if standard output cannot be written. A closed pipe is [`Exit::OutputClosed`].
pub(crate) fn print_secret(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|error| not_written("standard output", &error))
}

/// Returns the failure for a stream that cannot be written. A closed pipe ends the command with
/// [`Exit::OutputClosed`], which counts as success.
pub(crate) fn not_written(stream: &str, error: &io::Error) -> Failure {
    let exit = if error.kind() == io::ErrorKind::BrokenPipe {
        Exit::OutputClosed
    } else {
        Exit::Output
    };
    Failure::text(exit, format!("{stream}: {error}"))
}

/// Prints JSON with all but ASCII escaped. It is a result, and may be a requested secret.
///
/// # Errors
/// See [`print_secret`].
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print_json_text(&format!("{value:#}"))
}

/// Prints the text of some JSON with all but ASCII escaped.
///
/// # Errors
/// See [`print_secret`].
pub(crate) fn print_json_text(json: &str) -> Result<(), Failure> {
    print_secret(&ascii_json(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_whole_up_to_the_limit() {
        for length in [
            0, 1, 16_383, 16_384, 16_385, 131_072, 131_073, 299_999, 300_000, 300_001,
        ] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            // A source may give its bytes in pieces of any length.
            let pieces = (&bytes[..length / 3]).chain(&bytes[length / 3..]);
            let read = read_most(pieces, 300_000).unwrap();
            assert!(*read == bytes[..length.min(300_000)], "{length}");
        }
    }

    #[test]
    fn utf16_is_read_with_and_without_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        for mark in ["", "\u{feff}"] {
            let units: Vec<u16> = format!("{mark}AADSTS\u{fc}\r\n").encode_utf16().collect();
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                std::fs::write(&path, units.iter().copied().flat_map(bytes).collect::<Vec<u8>>()).unwrap();
                let text = read_text(&path, "a text", 100, Exit::Usage).unwrap();
                assert_eq!(text.as_str(), "AADSTS\u{fc}");
            }
        }
        for bytes in [&b"a\0b"[..], b"\xff\xfea", b"\xff"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(read_text(&path, "a text", 100, Exit::Usage).is_err(), "{bytes:?}");
        }
    }

    #[test]
    #[cfg(not(windows))]
    fn paths_are_quoted_for_a_shell() {
        for (path, word) in [
            ("daemon.pem", "daemon.pem"),
            ("/etc/ssl/a-b_c.pem", "/etc/ssl/a-b_c.pem"),
            ("my daemon.pem", "'my daemon.pem'"),
            ("it's.pem", "'it'\\''s.pem'"),
            ("$(id).pem", "'$(id).pem'"),
            ("-x.pem", "./-x.pem"),
            ("-x y", "'./-x y'"),
            ("~.pem", "'~.pem'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(path.as_ref()), word);
        }
    }
}
