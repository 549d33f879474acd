//! One process at a time, and in it one user of a tenant at a time.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use entra_proto::Guid;

use super::SinkError;

/// A file that this process has locked: the system ends the lock with the process, however that
/// ends.
pub(super) struct LockFile(#[expect(dead_code, reason = "the lock ends when it is closed")] File);

impl LockFile {
    /// Locks the file at this path, which is created where it is missing. `what` it stands for is
    /// named in the error.
    pub(super) fn take(path: &Path, what: &Path) -> Result<Self, SinkError> {
        let file = private_file().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| SinkError::io(path, "open", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(SinkError::new(what, "use", "another process collects into it")
                .with_hint("let one of the two write somewhere else, or wait until the other one has ended")),
            Err(TryLockError::Error(error)) => Err(SinkError::io(path, "lock", error)),
        }
    }
}

/// The tenants that are open in this process.
#[derive(Clone, Default)]
pub(super) struct OpenTenants(Arc<(Mutex<HashSet<Guid>>, Condvar)>);

impl OpenTenants {
    /// Waits until the tenant is closed, for instance by a commit that nothing waits for any more,
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

/// A tenant that is open until this is dropped.
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

/// Options for files that their owner alone may read, if they are created.
pub(super) fn private_file() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true);
    options
}

/// Creates a folder that its owner alone may use, and those above it, where they are missing.
pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the names in a folder outlast a power failure. UnlistedOrigin than on Unix, folders cannot
/// be synced.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
