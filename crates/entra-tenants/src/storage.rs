//! A redb file, opened for one transaction.
//!
//! redb trusts its input: a damaged file makes it panic, after it has written to the file. Such a
//! panic is caught here and becomes an error. All writes of redb stay in memory until it has
//! finished without a panic.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, Durability, ReadTransaction, TableDefinition, WriteTransaction};

use super::error::{TenantStoreError, shown};
use super::overlay::Overlay;
use super::private_file::{self, Draft};

/// Tenants by client ID and tenant ID: see [`super::record`].
pub(super) const TENANTS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("tenants");
/// Secrets by client ID, tenant ID and text: see [`super::seal`].
pub(super) const SECRETS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("secrets");

/// Runs a transaction that reads. Returns `None` if there is no file.
pub(super) fn read<T>(
    path: &Path,
    wait: Duration,
    act: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
) -> Result<Option<T>, TenantStoreError> {
    let Some(file) = open(path, false)? else {
        return Ok(None);
    };
    let file = lock(path, file, wait)?;
    contain(path, || {
        let database = open_database(file)?;
        act(&database.begin_read()?)
    })
    .map(Some)
}

/// Runs a transaction that writes, unless `act` fails. Creates the file if it does not exist.
pub(super) fn write<T>(
    path: &Path,
    wait: Duration,
    act: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, TenantStoreError> {
    let (done, file) = prepare(path, wait, act)?;
    file.replay()
        .map_err(|source| TenantStoreError::io(path, "write", source))?;
    Ok(done)
}

/// Runs a transaction that writes in memory. The file is changed afterwards.
pub(super) fn prepare<T>(
    path: &Path,
    wait: Duration,
    act: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<(T, Overlay), TenantStoreError> {
    let file = match open(path, true)? {
        Some(file) => file,
        None => {
            create(path)?;
            let vanished = || TenantStoreError::io(path, "open", io::ErrorKind::NotFound.into());
            open(path, true)?.ok_or_else(vanished)?
        }
    };
    let file = lock(path, file, wait)?;
    let done = contain(path, || {
        let database = open_database(file.clone())?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate);
        // The writes that redb makes when the database is closed, where errors would be lost.
        transaction.set_quick_repair(true);
        let done = act(&transaction)?;
        transaction.commit()?;
        Ok(done)
    })?;
    Ok((done, file))
}

/// Creates an empty store under a temporary name, so that no process sees an incomplete one.
pub(super) fn create(path: &Path) -> Result<(), TenantStoreError> {
    let (draft, file) = Draft::beside(path)?;
    contain(&draft.path, || {
        let database = builder().create_file(file)?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate);
        transaction.open_table(FORMAT)?.insert("format", VERSION)?;
        transaction.open_table(TENANTS)?;
        transaction.open_table(SECRETS)?;
        Ok(transaction.commit()?)
    })?;
    draft.publish(path)
}

/// Opens the file if it exists, and checks that it is a store that only its owner can read.
fn open(path: &Path, writable: bool) -> Result<Option<File>, TenantStoreError> {
    let Some(mut file) = private_file::open(path, writable)? else {
        return Ok(None);
    };
    let mut start = Vec::with_capacity(MAGIC.len());
    let read = (&mut file).take(MAGIC.len() as u64).read_to_end(&mut start);
    read.map_err(|source| TenantStoreError::io(path, "read", source))?;
    if start != MAGIC {
        let why = if start.is_empty() {
            "it is empty"
        } else {
            "it is of another kind"
        };
        return Err(unreadable(path, why));
    }
    if private_file::is_open_to_others(&file).map_err(|source| TenantStoreError::io(path, "examine", source))? {
        private_file::close_to_others(&file)
            .map_err(|source| TenantStoreError::io(path, "restrict to its owner (chmod 600)", source))?;
        tracing::warn!(path = %shown(path), "others could read this file; its mode is 0600 now");
    }
    Ok(Some(file))
}

/// Waits until no other process has the file open.
fn lock(path: &Path, file: File, wait: Duration) -> Result<Overlay, TenantStoreError> {
    let failed = |source| TenantStoreError::io(path, "lock", source);
    Overlay::new(lock_file(path, &file, wait)?).map_err(failed)
}

/// Waits until no other process holds the lock of the file.
pub(super) fn lock_file(path: &Path, file: &File, wait: Duration) -> Result<FileBackend, TenantStoreError> {
    let failed = |source| TenantStoreError::io(path, "lock", source);
    let since = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match FileBackend::new(file.try_clone().map_err(failed)?) {
            Ok(locked) => return Ok(locked),
            Err(DatabaseError::DatabaseAlreadyOpen) => {}
            Err(error) => return Err(fault(path, error.into())),
        }
        let left = wait.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(TenantStoreError::Busy {
                path: path.to_owned(),
                waited: wait,
            });
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The reason for the end of a transaction.
pub(super) enum Fault {
    /// The error of redb, which is large.
    Redb(Box<redb::Error>),
    Store(TenantStoreError),
}

impl From<TenantStoreError> for Fault {
    fn from(error: TenantStoreError) -> Self {
        Self::Store(error)
    }
}

macro_rules! fault_from {
    ($($error:ty),+) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        }
    )+};
}

fault_from!(
    redb::Error,
    redb::CommitError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    DatabaseError
);

fn open_database(file: Overlay) -> Result<Database, Fault> {
    let database = builder().create_with_backend(file)?;
    let format = database.begin_read()?.open_table(FORMAT)?;
    match format.get("format")?.map(|format| format.value()) {
        Some(VERSION) => Ok(database),
        _ => Err(redb::Error::Corrupted("it was written by a later version".into()).into()),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Each transaction opens the file again, so little of the cache is used. A tenth of it is for
    // writes: the state of redb's allocator, a page of a megabyte, must fit, or it is written three
    // times. redb uses the third format from now on.
    builder.set_cache_size(32 << 20).create_with_file_format_v3(true);
    builder
}

/// Runs code that uses redb. A panic means a damaged file; no data that it may have left incomplete
/// is used again.
fn contain<T>(path: &Path, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, TenantStoreError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Err(fault)) => Err(error_of(path, fault)),
        Ok(Ok(done)) => Ok(done),
        Err(_) => Err(unreadable(path, "it is damaged")),
    }
}

/// Returns the error to report for the end of a transaction.
pub(super) fn error_of(path: &Path, fault: Fault) -> TenantStoreError {
    match fault {
        Fault::Redb(error) => self::fault(path, *error),
        Fault::Store(error) => error,
    }
}

fn fault(path: &Path, error: redb::Error) -> TenantStoreError {
    use redb::Error as Redb;
    match error {
        Redb::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => unreadable(path, "it is truncated"),
        Redb::Io(error) if error.kind() == io::ErrorKind::InvalidData => unreadable(path, "it is damaged"),
        Redb::Io(source) => TenantStoreError::io(path, "use", source),
        Redb::TableDoesNotExist(_) | Redb::TableTypeMismatch { .. } | Redb::TableIsMultimap(_) => {
            unreadable(path, "it is a redb file of another program")
        }
        error => unreadable(path, error.to_string()),
    }
}

fn unreadable(path: &Path, why: impl Into<String>) -> TenantStoreError {
    TenantStoreError::Unreadable {
        path: path.to_owned(),
        why: why.into(),
    }
}

/// The first bytes of a redb file.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
pub(super) const FORMAT: TableDefinition<'static, &str, u64> = TableDefinition::new("entra tenant directory");
const VERSION: u64 = 1;
