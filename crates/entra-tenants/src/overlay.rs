//! A file as redb sees it while a transaction runs: what redb changes lies over the file in memory,
//! and the file stays as it is.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// The file, which stays locked while this or a clone lives, and what redb did to it.
#[derive(Clone, Debug)]
pub(super) struct Overlay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: FileBackend,
    /// In bytes, before any change.
    file_len: u64,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// In bytes, after all changes.
    len: u64,
    changes: Vec<Change>,
}

/// What redb did to its file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Write { at: u64, bytes: Vec<u8> },
    SetLen(u64),
    Sync,
}

impl Overlay {
    pub(super) fn new(file: FileBackend) -> io::Result<Self> {
        let file_len = file.len()?;
        let log = Mutex::new(Log {
            len: file_len,
            changes: Vec::new(),
        });
        Ok(Self(Arc::new(Inner { file, file_len, log })))
    }

    /// Does to the file what redb did, and it is on the disk then. A crash meanwhile leaves what a
    /// crash of redb would: since redb's order and its syncs are kept, the state before or the one
    /// after.
    pub(super) fn replay(&self) -> io::Result<()> {
        replay(&self.log().changes, &self.0.file)
    }

    #[cfg(test)]
    pub(super) fn changes(&self) -> Vec<Change> {
        self.log().changes.clone()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn replay(changes: &[Change], file: &impl StorageBackend) -> io::Result<()> {
    for change in changes {
        match change {
            Change::Write { at, bytes } => file.write(*at, bytes)?,
            Change::SetLen(len) => file.set_len(*len)?,
            Change::Sync => file.sync_data(false)?,
        }
    }
    Ok(())
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.log().len)
    }

    /// No read is longer than the file, so that no damaged length asks for more memory than there
    /// is.
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let log = self.log();
        let end = offset.saturating_add(len as u64);
        if end > log.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_file = self.0.file_len.saturating_sub(offset).min(len as u64);
        let mut bytes = if in_file > 0 {
            self.0.file.read(offset, in_file as usize)?
        } else {
            Vec::new()
        };
        bytes.resize(len, 0);
        // A change from one place of the file to another, as far as it was read.
        let read = |from: u64, to: u64| {
            let (from, to) = (from.clamp(offset, end), to.clamp(offset, end));
            (from - offset) as usize..(to - offset) as usize
        };
        for change in &log.changes {
            match change {
                Change::Write { at, bytes: written } => {
                    let into = read(*at, at + written.len() as u64);
                    let from = offset.saturating_sub(*at).min(written.len() as u64) as usize;
                    let written = &written[from..from + into.len()];
                    bytes[into].copy_from_slice(written);
                }
                // What comes after the end of a file that grows again is zero.
                Change::SetLen(len) => bytes[read(*len, end)].fill(0),
                Change::Sync => {}
            }
        }
        Ok(bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut log = self.log();
        log.len = len;
        // redb does not sync here, and panics over a header that tells of more than the file holds:
        // that may not be on the disk first.
        log.changes.extend([Change::SetLen(len), Change::Sync]);
        Ok(())
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        let mut log = self.log();
        // redb syncs twice where it closes a file.
        if !matches!(log.changes.last(), Some(Change::Sync)) {
            log.changes.push(Change::Sync);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut log = self.log();
        // redb sets the length first, unless what it has read is wrong.
        if offset.saturating_add(data.len() as u64) > log.len {
            return Err(io::ErrorKind::InvalidData.into());
        }
        log.changes.push(Change::Write {
            at: offset,
            bytes: data.to_vec(),
        });
        Ok(())
    }
}

/// In bytes: more than millions of tenants take. What asks for more is damaged.
const LARGEST: u64 = 16 << 30;
