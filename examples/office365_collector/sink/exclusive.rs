//! Locks: one process at a time, and in it one user of a tenant at a time.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use entra_proto::Guid;

use super::SinkError;

/// A file that this process has locked: the system releases the lock when the process ends, however
/// it ends.
pub(super) struct LockFile(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl LockFile {
    /// Locks the file at this path, creating it if it does not exist. The error names `what`, the
    /// thing that the lock protects.
    pub(super) fn take(path: &Path, what: &Path) -> Result<Self, SinkError> {
        let file = private_file().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| SinkError::io(path, "open", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(SinkError::new(what, "use", "another process collects into it")
                .with_hint("write to another place, or wait until the other process has ended")),
            Err(TryLockError::Error(error)) => Err(SinkError::io(path, "lock", error)),
        }
    }
}

/// The tenants that are open in this process.
#[derive(Clone, Default)]
pub(super) struct OpenTenants(Arc<(Mutex<HashSet<Guid>>, Condvar)>);

impl OpenTenants {
    /// Waits until the tenant is closed, for example by a commit that continues in the background,
    /// and opens it.
    pub(super) fn open(&self, tenant: Guid) -> OpenTenant {
        let (open, closed) = &*self.0;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = closed
            .wait_while(open, |open| open.contains(&tenant))
            .unwrap_or_else(PoisonError::into_inner);
        open.insert(tenant);
        OpenTenant {
            tenants: self.clone(),
            tenant,
        }
    }
}

/// A tenant that is open until this value is dropped.
pub(super) struct OpenTenant {
    tenants: OpenTenants,
    tenant: Guid,
}

impl Drop for OpenTenant {
    fn drop(&mut self) {
        let (open, closed) = &*self.tenants.0;
        open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
        closed.notify_all();
    }
}

/// Returns options that create files with access for their owner only.
pub(super) fn private_file() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true);
    options
}

/// Creates a folder with access for its owner only, and missing parent folders.
pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the names in a folder survive a power failure. Only on Unix can folders be synced; on
/// other systems this does nothing.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
