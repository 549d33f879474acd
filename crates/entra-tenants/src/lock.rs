//! The lock of a store for longer work than a transaction.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use redb::backends::FileBackend;

use super::error::TenantStoreError;
use super::private_file::{self, Draft};
use super::storage::lock_file;

/// The lock of a store, held by this process: see
/// [`RedbTenantStore::lock`](super::RedbTenantStore::lock).
///
/// The operating system releases it when the process ends, in whatever way.
pub struct TenantStoreLock {
    /// The lock is released when the file is closed.
    _lock: FileBackend,
}

impl TenantStoreLock {
    /// Locks the file beside this store.
    pub(super) fn take(store: &Path, wait: Duration) -> Result<Self, TenantStoreError> {
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = store.with_file_name(name);
        let file = match private_file::open(&path, true)? {
            Some(file) => file,
            None => {
                let (draft, _) = Draft::beside(&path)?;
                draft.publish(&path)?;
                let vanished = || TenantStoreError::io(&path, "open", std::io::ErrorKind::NotFound.into());
                private_file::open(&path, true)?.ok_or_else(vanished)?
            }
        };
        Ok(Self {
            _lock: lock_file(&path, &file, wait)?,
        })
    }
}

impl fmt::Debug for TenantStoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantStoreLock")
    }
}
