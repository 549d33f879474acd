use std::fmt;
use std::path::Path;
use std::time::Duration;

use redb::backends::FileBackend;

use super::error::DirectoryError;
use super::private_file::{self, Draft};
use super::storage::lock_file;

/// The turn of this process: see [`DiskDirectory::take_turn`](super::DiskDirectory::take_turn).
///
/// The system ends it with the process, however that ends.
pub struct DirectoryTurn {
    /// Unlocked when it is closed.
    _lock: FileBackend,
}

impl DirectoryTurn {
    /// The turn that belongs to this directory's file.
    pub(super) fn take(directory: &Path, wait: Duration) -> Result<Self, DirectoryError> {
        let mut name = directory.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = directory.with_file_name(name);
        let file = match private_file::open(&path, true)? {
            Some(file) => file,
            None => {
                let (draft, _) = Draft::beside(&path)?;
                draft.publish(&path)?;
                let vanished = || DirectoryError::io(&path, "open", std::io::ErrorKind::NotFound.into());
                private_file::open(&path, true)?.ok_or_else(vanished)?
            }
        };
        Ok(Self {
            _lock: lock_file(&path, &file, wait)?,
        })
    }
}

impl fmt::Debug for DirectoryTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectoryTurn")
    }
}
