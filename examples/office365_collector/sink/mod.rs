//! Sinks: where records and progress become durable together.
//!
//! A sink is opened for one tenant while that tenant is collected. [`TenantSink::commit`] is atomic: after a crash at any moment,
//! [`Sink::open`] returns exactly what was committed, and no part of a group that was not.

pub(crate) mod jsonl;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use entra_proto::{Guid, Timestamp};
use hmac_sha256::Hash;

use crate::feed::ContentType;

/// A place for records and progress, of all tenants.
pub(crate) trait Sink: Send + Sync {
    /// Opens the tenant's part, creating it where it is missing, and returns what was committed there. The caller opens a tenant
    /// once at a time. It blocks.
    ///
    /// # Errors
    /// Returns an error if it cannot be read or written, or is in use by another process.
    fn open(&self, tenant: Guid, bounds: Bounds) -> Result<(Box<dyn TenantSink>, Progress), SinkError>;
}

/// The part of a sink that belongs to one tenant. Dropping it closes it. Its methods block.
pub(crate) trait TenantSink: Send {
    /// Makes all records of these batches durable, together with the fact that their contents are done: all or nothing.
    /// Contents without records come as well.
    ///
    /// # Errors
    /// Returns an error if nothing of it was committed. The tenant is not written again before it is opened again.
    fn commit(&mut self, batches: &[Batch]) -> Result<(), SinkError>;

    /// Makes durable that all content of this type in the window is done, so that the next collection starts at its end. Contents
    /// of this type whose window ended more than [`Bounds::overlap`] before the end of this one may be forgotten.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError>;
}

/// How much of the past matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How far a collection reaches back behind the last finished window.
    pub(crate) overlap: Duration,
    /// Record ids to return with the progress: the latest ones.
    pub(crate) ids: usize,
}

/// What was committed for a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The end of the last finished window of each content type. The greatest of those that were finished.
    pub(crate) finished: BTreeMap<ContentType, Timestamp>,
    /// Keys of the contents that are done and not forgotten.
    pub(crate) contents: Vec<Key>,
    /// Keys of the latest records, oldest first.
    pub(crate) records: Vec<Key>,
}

/// A time in whole seconds, from `start` on and before `end`.
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
    /// The API's name of the content. It may be long, and is hostile text.
    pub(crate) content_id: String,
    /// The window that the content was found in.
    pub(crate) window: Window,
    /// The body that the records are parts of: valid JSON on one line.
    pub(crate) body: Bytes,
    /// New records: repeated ones are left out.
    pub(crate) records: Vec<Record>,
}

/// One record: parts of a body, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The whole record, valid JSON without line ends.
    pub(crate) raw: Range<usize>,
    /// Its `CreationTime` as text between quotation marks, where it has one: `2026-01-31T23:59:58`. Hostile text.
    pub(crate) created: Option<Range<usize>>,
    /// The key of its `Id`; none for a record without one, which is never a repetition.
    pub(crate) key: Option<Key>,
}

impl Batch {
    /// Returns the text of a record.
    pub(crate) fn raw(&self, record: &Record) -> &[u8] {
        self.body.get(record.raw.clone()).unwrap_or_default()
    }

    /// Returns the day of a record, `2026-01-31`; none if it has no valid time.
    pub(crate) fn day(&self, record: &Record) -> Option<&str> {
        let created = self.body.get(record.created.clone()?)?;
        let day = std::str::from_utf8(created.get(..10)?).ok()?;
        let is_day = day.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        (is_day && created.get(10).is_none_or(|next| *next == b'T')).then_some(day)
    }
}

/// What stands for the id of a record or a content: 16 bytes, however long the id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key([u8; 16]);

impl Key {
    /// The key of an id: a GUID is its own, in any case, and another text has a part of its SHA-256 hash.
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

    /// The key with these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Why a sink cannot be used.
#[derive(Debug)]
pub(crate) struct SinkError {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// What was attempted: `write`.
    pub(crate) action: &'static str,
    /// The cause.
    pub(crate) cause: Box<dyn Error + Send + Sync>,
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
        }
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        "check the disk's space and the permissions of the folder; the next run continues where this one stopped"
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.cause)
    }
}

impl Error for SinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
