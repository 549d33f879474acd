//! The journal of a tenant: its commits, one entry per line, appended only.
//!
//! A line is `CHECKSUM NUMBER JSON`. The checksum (CRC-32, eight hexadecimal digits) covers the
//! rest of the line, and lines are numbered, so that a damaged, missing or misplaced line is
//! detected. The first line holds the number of lines that were written at once when the journal
//! was created; those, and the lines before the last mark ([`Entry::is_mark`]), were on the disk
//! before anything relied on them. A crash may damage the lines after the last mark: the journal
//! ends at the first damaged line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use entra_proto::{Guid, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::{Day, Key, SinkError};
use crate::feed::ContentType;

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// The first line.
    Journal {
        version: u32,
        tenant: String,
        /// The number of lines that were written at once, including this one.
        lines: u64,
    },
    /// The lengths of the files of these days, in bytes. A file that is about to be created has
    /// length 0.
    Files(#[serde(with = "days")] BTreeMap<Day, u64>),
    /// Keys of new records. They take effect with the next [`Commit`](Self::Commit).
    Ids(#[serde(with = "keys")] Vec<Key>),
    /// These contents are done, and these parts of files hold their records.
    Commit { contents: Vec<Done>, files: Vec<Part> },
    /// All content of the type before this moment is done. Contents whose window ended before
    /// `keep` are forgotten.
    Finish {
        #[serde(with = "text")]
        content_type: ContentTypeName,
        end: u64,
        keep: u64,
    },
    /// Everything before this line is on the disk, in the journal and in the files.
    Synced,
}

/// A content that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    #[serde(with = "text")]
    pub(super) content_type: ContentTypeName,
    #[serde(with = "keys")]
    pub(super) key: Vec<Key>,
    /// The end of its window, in seconds.
    pub(super) window: u64,
}

/// Bytes that were appended to the file of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    #[serde(with = "text")]
    pub(super) day: Day,
    /// The length of the file including them.
    pub(super) end: u64,
    /// The CRC-32 of them.
    pub(super) crc: u32,
}

/// A content type, written as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentTypeName(pub(super) ContentType);

impl std::fmt::Display for ContentTypeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ContentTypeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|()| "it is not a content type")
    }
}

impl Entry {
    /// Returns true if everything before this line is on the disk.
    const fn is_mark(&self) -> bool {
        matches!(self, Self::Files(_) | Self::Synced)
    }
}

/// Appends the lines of these entries to a buffer, numbered after `number`.
pub(super) fn encode(number: &mut u64, entries: &[Entry], lines: &mut Vec<u8>) -> io::Result<()> {
    for entry in entries {
        *number += 1;
        let mut line = format!("{number} ").into_bytes();
        serde_json::to_writer(&mut line, entry)?;
        if line.len() + PREFIX >= LONGEST_LINE {
            return Err(io::Error::other("an entry is too long"));
        }
        write!(lines, "{:08x} ", crc32fast::hash(&line))?;
        lines.append(&mut line);
        lines.push(b'\n');
    }
    Ok(())
}

/// An entry that was read, and the position of the next line in the journal.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) entry: Entry,
    pub(super) number: u64,
    pub(super) end: u64,
}

/// Reads a journal. `settled` receives the lines up to each mark, without the first line; the lines
/// after the last mark are returned.
///
/// # Errors
/// Returns an error if the journal belongs to another tenant or a later version, or is damaged
/// before the last mark.
pub(super) fn read(
    path: &Path,
    file: &File,
    tenant: Guid,
    mut settled: impl FnMut(Vec<Line>),
) -> Result<Vec<Line>, SinkError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut number, mut end) = (0, 0);
    let mut at_once = 1;
    let mut lines = Vec::new();
    let mut damaged = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line);
        let read = read.map_err(|error| SinkError::io(path, "read", error))?;
        if read == 0 {
            break;
        }
        number += 1;
        end += read as u64;
        let entry = match decode(&line) {
            Ok((stated, entry)) => {
                if stated != number {
                    damaged.get_or_insert(number);
                }
                entry
            }
            Err(Bad::Unknown) if damaged.is_none() => {
                return Err(
                    SinkError::new(path, "read", format!("line {number} is of a later version"))
                        .with_hint("use the version that wrote it, or a later one"),
                );
            }
            Err(_) => {
                damaged.get_or_insert(number);
                continue;
            }
        };
        if let Some(damaged) = damaged {
            // A crash damages only lines after the last mark.
            if entry.is_mark() {
                return Err(is_damaged(path, damaged));
            }
            continue;
        }
        if number == 1 {
            match entry {
                Entry::Journal {
                    version: 1,
                    tenant: of,
                    lines,
                } if of == tenant.to_string() => at_once = lines,
                Entry::Journal { version: 1, .. } => {
                    return Err(SinkError::new(path, "use", "it belongs to another tenant")
                        .with_hint("move the folder back to the tenant that it was named after"));
                }
                Entry::Journal { .. } => {
                    return Err(SinkError::new(path, "read", "it is of a later version")
                        .with_hint("use the version that wrote it, or a later one"));
                }
                _ => return Err(is_damaged(path, 1)),
            }
            continue;
        }
        let is_mark = entry.is_mark();
        lines.push(Line { entry, number, end });
        if is_mark {
            settled(std::mem::take(&mut lines));
        }
    }
    let intact = damaged.map_or(number, |damaged| damaged - 1);
    if intact < at_once {
        return Err(is_damaged(path, intact + 1));
    }
    Ok(lines)
}

enum Bad {
    Damaged,
    /// It is intact, but its entry is unknown.
    Unknown,
}

/// Reads a line, and the number that it states.
fn decode(line: &[u8]) -> Result<(u64, Entry), Bad> {
    let intact = || {
        let (stated, text) = line.strip_suffix(b"\n")?.split_at_checked(PREFIX)?;
        let is_stated = stated == format!("{:08x} ", crc32fast::hash(text)).as_bytes();
        is_stated.then_some(text)
    };
    let read = |text| {
        let (number, json) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        Some((number.parse().ok()?, serde_json::from_str(json).ok()?))
    };
    read(intact().ok_or(Bad::Damaged)?).ok_or(Bad::Unknown)
}

fn is_damaged(path: &Path, line: u64) -> SinkError {
    SinkError::new(path, "read", format!("line {line} is damaged, although it was on the disk")).with_hint(
        "restore the tenant's folder from a copy, or move the folder away to start again with this tenant; nothing was changed",
    )
}

/// A moment in whole seconds.
pub(super) const fn seconds(at: Timestamp) -> u64 {
    at.as_secs()
}

/// Serializes values as their `Display` text.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

mod days {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Day;

    pub(super) fn serialize<S: Serializer>(days: &BTreeMap<Day, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(days.iter().map(|(day, length)| (day.to_string(), length)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Day, u64>, D::Error> {
        let days = BTreeMap::<String, u64>::deserialize(deserializer)?.into_iter();
        days.map(|(day, length)| Ok((day.parse().map_err(de::Error::custom)?, length)))
            .collect()
    }
}

mod keys {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::{BASE64, Engine, Key};

    pub(super) fn serialize<S: Serializer>(keys: &[Key], serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(16 * keys.len());
        for key in keys {
            bytes.extend_from_slice(key.as_bytes());
        }
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Key>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).map_err(de::Error::custom)?;
        match bytes.as_chunks() {
            (keys, []) => Ok(keys.iter().copied().map(Key::from_bytes).collect()),
            _ => Err(de::Error::custom("keys have 16 bytes each")),
        }
    }
}

/// The most keys in one [`Entry::Ids`].
pub(super) const KEYS_PER_LINE: usize = 4096;
/// The most contents in one [`Entry::Commit`], which holds files as well.
pub(super) const CONTENTS_PER_LINE: usize = 1024;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 4 << 20;
/// The length of the checksum and the space.
const PREFIX: usize = 9;
