//! Sinks make records and progress durable together.
//!
//! A sink is opened for one tenant while that tenant is collected. [`TenantSink::commit`] is
//! atomic: after a crash at any moment, [`Sink::open`] returns exactly what was committed, and no
//! part of an uncommitted group.
//! part of a group that was not.

mod day;
mod exclusive;
pub(crate) mod jsonl;
#[cfg(test)]
mod samples;
pub(crate) mod sqlite;

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use entra_proto::{Guid, Timestamp};
use hmac_sha256::Hash;

pub(crate) use self::day::Day;
use crate::feed::ContentType;

/// Storage for the records and the progress of all tenants.
pub(crate) trait Sink: Send + Sync {
    /// Opens the tenant's part, creating it if it does not exist, and returns its committed
    /// progress. The caller must not open a tenant twice at the same time. Blocks.
    ///
    /// # Errors
    /// Returns an error if it cannot be read or written, or is in use by another process.
    fn open(&self, tenant: Guid, bounds: Bounds) -> Result<(Box<dyn TenantSink>, Progress), SinkError>;
}

/// The part of a sink that belongs to one tenant. Dropping it closes it. Its methods block.
///
/// Committed data survives the end of the process. It survives a power failure as well after
/// [`sync`](Self::sync), or some time after the commit; before that, a power failure may undo the
/// latest commits, each as a whole.
pub(crate) trait TenantSink: Send {
    /// Makes all records of these batches durable, and marks their contents as done: all or
    /// nothing. Contents without records are included.
    ///
    /// # Errors
    /// Returns an error if nothing was committed. The tenant must be opened again before another
    /// write.
    fn commit(&mut self, batches: &[Batch]) -> Result<Committed, SinkError>;

    /// Makes durable that all content of this type in the window is done, so that the next
    /// collection starts at its end. The last call counts, even if its window ends earlier than
    /// that of an earlier call. Contents of this type whose window ended more than
    /// [`Bounds::overlap`] before the end of this one may be forgotten.
    ///
    /// # Errors
    /// Returns the errors of [`commit`](Self::commit).
    fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError>;

    /// Waits until the committed data survives a power failure.
    ///
    /// # Errors
    /// Returns the errors of [`commit`](Self::commit).
    fn sync(&mut self) -> Result<(), SinkError>;
}

/// The result of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// For each batch, the number of records that the sink already had and dropped. Empty if the
    /// sink drops none.
    pub(crate) repeated: Vec<usize>,
}

/// The part of the past that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The time that a collection reaches back before the end of the last finished window.
    pub(crate) overlap: Duration,
    /// The number of the latest record IDs to return with the progress.
    pub(crate) ids: usize,
}

/// The committed state of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The end of the last finished window of each content type.
    pub(crate) finished: BTreeMap<ContentType, Timestamp>,
    /// Keys of the contents that are done and not forgotten.
    pub(crate) contents: Vec<Key>,
    /// Keys of the latest records, oldest first.
    pub(crate) records: Vec<Key>,
}

/// A time range in whole seconds, from `start` (included) to `end` (excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start.to_rfc3339(), self.end.to_rfc3339())
    }
}

/// The new records of one content.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) content_type: ContentType,
    /// The API's name of the content, which is hostile text and may be long.
    pub(crate) content_id: String,
    /// The creation time that the API reports, or empty if it is not known. Hostile text.
    pub(crate) created: String,
    /// The window that the content was found in.
    pub(crate) window: Window,
    /// The body that the records are ranges of. Each record in it is followed by a line end.
    pub(crate) body: Bytes,
    /// The new records, without repeated ones.
    pub(crate) records: Vec<Record>,
}

/// One record: ranges of a body, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The whole record, valid JSON without line ends.
    pub(crate) raw: Range<usize>,
    /// Its `CreationTime`, if it has a usable one.
    pub(crate) created: Option<Time>,
    /// The key of its `Id`. A record without one has no key, and is never repeated.
    pub(crate) key: Option<Key>,
}

/// The time of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    /// The text between the quotation marks: `2026-01-31T23:59:58`.
    pub(crate) text: Range<usize>,
    pub(crate) day: Day,
}

impl Batch {
    /// Returns the text of a record.
    pub(crate) fn raw(&self, record: &Record) -> &[u8] {
        self.body.get(record.raw.clone()).unwrap_or_default()
    }

    /// Returns the range of a record's line in the body: its text and the line end.
    pub(crate) fn line(&self, record: &Record) -> Range<usize> {
        record.raw.start..record.raw.end + 1
    }

    /// Returns the time of a record as it is written.
    pub(crate) fn created(&self, record: &Record) -> Option<&[u8]> {
        self.body.get(record.created.as_ref()?.text.clone())
    }

    /// Returns the day that the content was created on.
    pub(crate) fn created_on(&self) -> Day {
        Day::of_time(self.created.as_bytes()).unwrap_or_else(|| Day::of(self.window.start))
    }

    /// Returns the day of a record, or `created_on` if the record has no usable time.
    pub(crate) fn day(record: &Record, created_on: Day) -> Day {
        let day = record.created.as_ref().map(|time| time.day);
        day.filter(|day| day.is_plausible_in(created_on)).unwrap_or(created_on)
    }
}

/// A key that represents the ID of a record or a content: 16 bytes, however long the ID is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key([u8; 16]);

impl Key {
    /// Returns the key of an ID: the GUID itself, in any letter case, or else a part of the text's
    /// SHA-256 hash.
    pub(crate) fn of(id: &str) -> Self {
        if id.len() == 36
            && let Ok(guid) = id.parse::<Guid>()
        {
            return Self(*guid.as_bytes());
        }
        let hash = Hash::hash(id.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }

    /// Returns the key with these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key.
    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The reason that a sink cannot be used.
#[derive(Debug)]
pub(crate) struct SinkError {
    /// The file or folder.
    path: PathBuf,
    /// The attempted action: `write`.
    action: &'static str,
    cause: Box<dyn Error + Send + Sync>,
    hint: &'static str,
}

impl SinkError {
    pub(crate) fn new(
        path: impl Into<PathBuf>,
        action: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            path: path.into(),
            action,
            cause: cause.into(),
            hint: "the next run continues where this one stopped",
        }
    }

    /// Wraps an error of the system, with a hint for its kind.
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str, error: io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => "make room on that disk: the next run continues where this one stopped",
            io::ErrorKind::QuotaExceeded => {
                "make room within this user's disk quota, or raise it: the next run continues where this one stopped"
            }
            io::ErrorKind::FileTooLarge => {
                "raise the file size limit (ulimit -f, LimitFSIZE), or move large files away while no collector runs: the \
                 next run continues where this one stopped"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "let this user write there, or name another place with --output or --sqlite"
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => {
                "move away what is there, or name another place with --output or --sqlite"
            }
            _ => "check the disk: the next run continues where this one stopped",
        };
        Self::new(path, action, error).with_hint(hint)
    }

    /// Sets the hint.
    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Returns what to do about the error.
    pub(crate) fn hint(&self) -> &'static str {
        self.hint
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = entra_proto::error::printable(&self.path.to_string_lossy());
        write!(f, "cannot {} {path}: {}", self.action, self.cause)
    }
}

impl Error for SinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
