//! The files to check: those on the command line, and those in folders on the command line.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::files::name_of;
use crate::named_file::reject_contents;
use crate::sanitize::shown;

/// A file to check, or standard input (`-`).
pub(crate) struct Input {
    path: PathBuf,
    /// True for a file from the command line, false for a file in a folder.
    pub(crate) is_named: bool,
}

/// The reason why a file is skipped.
pub(crate) enum Skipped {
    Binary,
    TooLong,
    Unreadable(io::Error),
}

impl Input {
    /// Returns the name for messages.
    pub(crate) fn name(&self) -> String {
        name_of(&self.path)
    }

    /// Returns the name that determines the kind of the file.
    pub(crate) fn file_name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Reads the text. Bytes that are neither UTF-8 nor UTF-16 become replacement characters.
    pub(crate) fn read(&self) -> Result<String, Skipped> {
        let mut bytes = Vec::new();
        let read = if self.path.as_os_str() == "-" {
            io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
        } else {
            File::open(&self.path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        };
        read.map_err(Skipped::Unreadable)?;
        let unit = unit_of_utf16(&bytes);
        if unit.is_none() && bytes[..bytes.len().min(8 * 1024)].contains(&0) {
            return Err(Skipped::Binary);
        }
        if bytes.len() as u64 > LONGEST {
            return Err(Skipped::TooLong);
        }
        let text = match unit {
            Some(unit) => {
                let pairs = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
                String::from_utf16_lossy(&pairs.collect::<Vec<u16>>())
            }
            None => String::from_utf8_lossy(&bytes).into_owned(),
        };
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }
}

/// Returns the function that decodes a UTF-16 unit, or `None` if the bytes are not UTF-16. They are
/// if they begin with a byte order mark, or with ASCII characters in UTF-16.
fn unit_of_utf16(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    let start = &bytes[..bytes.len().min(64)];
    let is_ascii = |at: usize| {
        let mut pairs = start.chunks_exact(2);
        pairs.len() > 1 && pairs.all(|pair| pair[1 - at] == 0 && pair[at] != 0 && pair[at].is_ascii())
    };
    if bytes.starts_with(b"\xff\xfe") || is_ascii(0) {
        Some(u16::from_le_bytes)
    } else if bytes.starts_with(b"\xfe\xff") || is_ascii(1) {
        Some(u16::from_be_bytes)
    } else {
        None
    }
}

/// Returns the files at these paths, in order. In folders, links are not followed, and the folders
/// of tools are skipped.
pub(crate) fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let named = || Input {
            path: path.clone(),
            is_named: true,
        };
        reject_contents(path, Exit::Usage)?;
        if path.as_os_str() == "-" {
            found.push(named());
            continue;
        }
        let metadata = fs::metadata(path).map_err(|error| {
            Failure::text(Exit::Usage, format!("{}: {error}", shown(path)))
                .hint("name a file, a folder, or \"-\" for standard input")
        })?;
        if metadata.is_dir() {
            add_folder(path, 0, &mut found)?;
        } else if may_block(path, &metadata) {
            let problem = format!("{} is a pipe, and opening it could block without end", shown(path));
            return Err(Failure::text(Exit::Usage, problem).hint("redirect it to standard input, and name \"-\""));
        } else {
            found.push(named());
        }
    }
    Ok(found)
}

/// Returns true for a named pipe, which may not have a writer. Pipes that a shell opened are in
/// `/dev` and `/proc`.
#[cfg(unix)]
fn may_block(path: &Path, metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;

    let is_open = path.starts_with("/dev") || path.starts_with("/proc");
    metadata.file_type().is_fifo() && !is_open
}

#[cfg(not(unix))]
fn may_block(_: &Path, _: &fs::Metadata) -> bool {
    false
}

fn add_folder(folder: &Path, depth: usize, found: &mut Vec<Input>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::text(Exit::Usage, format!("{}: {error}", shown(folder)));
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if kind.is_dir() && depth < DEEPEST && !SKIPPED_FOLDERS.iter().any(|left| name == *left) {
            // An unreadable folder inside a named folder does not end the search.
            if let Err(failure) = add_folder(&entry.path(), depth + 1, found) {
                failure.warn("skipped");
            }
        } else if kind.is_file() {
            if found.len() >= MOST {
                let problem = format!("there are more than {MOST} files in {}", shown(folder));
                return Err(Failure::text(Exit::Usage, problem).hint("name smaller folders"));
            }
            found.push(Input {
                path: entry.path(),
                is_named: false,
            });
        }
    }
    Ok(())
}

/// Folders with files of tools, which are skipped.
const SKIPPED_FOLDERS: [&str; 9] = [
    ".git",
    ".hg",
    ".svn",
    "target",
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    ".terraform",
];

/// The longest file that is checked, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The greatest depth of folders.
const DEEPEST: usize = 64;

/// The most files that are checked.
const MOST: usize = 100_000;
