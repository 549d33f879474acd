//! The file as redb sees it during a transaction: its changes stay in memory, over the unchanged
//! file.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// The locked file, with redb's changes. It is unlocked when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Overlay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: FileBackend,
    /// The length in bytes before all changes.
    file_len: u64,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// The length in bytes after all changes.
    len: u64,
    changes: Vec<Change>,
}

/// One change of the file by redb.
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

    /// Applies the changes to the file and syncs it. After a crash, the file holds the state before
    /// or the state after the transaction, as with redb itself, because the order of the writes and
    /// syncs is the same.
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

    /// Limits a read to the length of the file, so that a damaged length cannot request more memory
    /// than there is.
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
        // A range of the file as a range of the buffer, cut to what was read.
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
                // The bytes after the old end of a file that grows again are zero.
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
        // redb does not sync here. It panics at a header that declares more than the file holds, so
        // the header must not reach the disk first.
        log.changes.extend([Change::SetLen(len), Change::Sync]);
        Ok(())
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        let mut log = self.log();
        // redb syncs twice when it closes a file.
        if !matches!(log.changes.last(), Some(Change::Sync)) {
            log.changes.push(Change::Sync);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut log = self.log();
        // redb sets the length first, unless the data it read is damaged.
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

/// The longest file in bytes, more than millions of tenants need. A file that requests more is
/// damaged.
const LARGEST: u64 = 16 << 30;
