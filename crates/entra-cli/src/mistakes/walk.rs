//! The files that are looked at: those that are named, and those in folders that are named.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::files::{decoded, name_of};
use crate::outside::{refuse_contents, shown};

/// A file to look at, or standard input (`-`).
pub(crate) struct Input {
    path: PathBuf,
}

/// Why a file is not looked at.
pub(crate) enum Skipped {
    Binary,
    TooLong,
    Unreadable(io::Error),
}

impl Input {
    /// What it is called in messages.
    pub(crate) fn name(&self) -> String {
        name_of(&self.path)
    }

    /// The name that tells which kind of file it is.
    pub(crate) fn file_name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Its text, with marks in the place of what is not UTF-8.
    pub(crate) fn read(&self) -> Result<String, Skipped> {
        let mut bytes = Vec::new();
        let read = if self.path.as_os_str() == "-" {
            io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
        } else {
            File::open(&self.path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        };
        read.map_err(Skipped::Unreadable)?;
        let start = &bytes[..bytes.len().min(8 * 1024)];
        let is_utf16 = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
        if start.contains(&0) && !is_utf16 {
            return Err(Skipped::Binary);
        }
        if bytes.len() as u64 > LONGEST {
            return Err(Skipped::TooLong);
        }
        let text = decoded(&bytes).map(|text| text.to_string());
        Ok(text.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The files at these paths, in order. In a folder, links are not followed, and folders of tools are left out.
pub(crate) fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        refuse_contents(path, Exit::Usage)?;
        if path.as_os_str() == "-" {
            found.push(Input { path: path.clone() });
            continue;
        }
        let metadata = fs::metadata(path).map_err(|error| {
            Failure::text(Exit::Usage, format!("{}: {error}", shown(path)))
                .hint("name a file, a folder, or \"-\" for standard input")
        })?;
        if metadata.is_dir() {
            in_folder(path, 0, &mut found)?;
        } else {
            found.push(Input { path: path.clone() });
        }
    }
    Ok(found)
}

fn in_folder(folder: &Path, depth: usize, found: &mut Vec<Input>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::text(Exit::Usage, format!("{}: {error}", shown(folder)));
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if kind.is_dir() && depth < DEEPEST && !LEFT_OUT.iter().any(|left| name == *left) {
            // What cannot be read below a named folder does not end the rest.
            if let Err(failure) = in_folder(&entry.path(), depth + 1, found) {
                failure.warn("not looked at");
            }
        } else if kind.is_file() {
            if found.len() >= MOST {
                let problem = format!("there are more than {MOST} files in {}", shown(folder));
                return Err(Failure::text(Exit::Usage, problem).hint("name folders with fewer"));
            }
            found.push(Input { path: entry.path() });
        }
    }
    Ok(())
}

/// Folders with generated files.
const LEFT_OUT: [&str; 9] = [
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

/// How long a file may be, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// How deep folders are looked into, and how many files.
const DEEPEST: usize = 64;
const MOST: usize = 100_000;
