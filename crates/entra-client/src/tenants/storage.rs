//! A redb file, opened for one transaction.
//!
//! redb trusts what it reads: a damaged file makes it panic rather than fail. Such a panic ends here, and becomes an error. No read is
//! longer than the file, so that no damaged length asks for more memory than there is.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadTransaction, StorageBackend, TableDefinition, WriteTransaction,
};

use super::error::DirectoryError;
use super::private_file::{self, Draft};

/// Tenants by client id and tenant id: see [`super::record`].
pub(super) const TENANTS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("tenants");
/// Secrets by client id, tenant id and name: see [`super::seal`].
pub(super) const SECRETS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("secrets");

/// Runs one transaction that reads; nothing where there is no file.
pub(super) fn read<T>(
    path: &Path,
    wait: Duration,
    act: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
) -> Result<Option<T>, DirectoryError> {
    let Some(file) = open(path, false)? else {
        return Ok(None);
    };
    let lock = lock(path, file, wait)?;
    contain(path, || {
        let database = open_database(Storage::aside(lock))?;
        act(&database.begin_read()?)
    })
    .map(Some)
}

/// Runs one transaction that writes, which `act` commits; makes the file where there is none.
pub(super) fn write<T>(
    path: &Path,
    wait: Duration,
    act: impl FnOnce(WriteTransaction) -> Result<T, Fault>,
) -> Result<T, DirectoryError> {
    let file = match open(path, true)? {
        Some(file) => file,
        None => {
            create(path)?;
            let vanished = || DirectoryError::io(path, "open", io::ErrorKind::NotFound.into());
            open(path, true)?.ok_or_else(vanished)?
        }
    };
    let lock = lock(path, file, wait)?;
    contain(path, || {
        let database = open_database(Storage::through(lock))?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate);
        act(transaction)
    })
}

/// Makes an empty directory: elsewhere first, so that nobody ever meets half of one.
fn create(path: &Path) -> Result<(), DirectoryError> {
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

/// Opens the file, where there is one, and sees to it that it is what it should be and nobody else's to read.
fn open(path: &Path, writable: bool) -> Result<Option<File>, DirectoryError> {
    private_file::check_folder(path)?;
    let Some(mut file) = private_file::open(path, writable)? else {
        return Ok(None);
    };
    let mut start = Vec::with_capacity(MAGIC.len());
    let read = (&mut file).take(MAGIC.len() as u64).read_to_end(&mut start);
    read.map_err(|source| DirectoryError::io(path, "read", source))?;
    if start != MAGIC {
        let why = if start.is_empty() {
            "it is empty"
        } else {
            "it is of another kind"
        };
        return Err(unreadable(path, why));
    }
    if private_file::is_open_to_others(&file).map_err(|source| DirectoryError::io(path, "look at", source))? {
        private_file::close_to_others(&file)
            .map_err(|source| DirectoryError::io(path, "take away from others (chmod 600)", source))?;
        tracing::warn!(path = %path.display(), "others could read the directory of tenants; its mode is 0600 now");
    }
    Ok(Some(file))
}

/// Waits until nobody else has the file open.
fn lock(path: &Path, file: File, wait: Duration) -> Result<FileBackend, DirectoryError> {
    let failed = |source| DirectoryError::io(path, "lock", source);
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
            return Err(DirectoryError::Busy {
                path: path.to_owned(),
                waited: wait,
            });
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What redb says, which is large.
pub(super) struct Fault(Box<redb::Error>);

macro_rules! fault_from {
    ($($error:ty),+) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self(Box::new(error.into()))
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

fn open_database(storage: Storage) -> Result<Database, Fault> {
    let database = builder().create_with_backend(storage)?;
    let format = database.begin_read()?.open_table(FORMAT)?;
    match format.get("format")?.map(|format| format.value()) {
        Some(VERSION) => Ok(database),
        _ => Err(redb::Error::Corrupted("it was written by a later version".into()).into()),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Each transaction opens the file anew, so that little of a cache is ever used. The third format is what redb reads from now on.
    builder.set_cache_size(4 << 20).create_with_file_format_v3(true);
    builder
}

/// Runs what uses redb; a panic of it is a damaged file. Nothing that the panic may have left half done is used again.
fn contain<T>(path: &Path, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, DirectoryError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|Fault(error)| fault(path, *error)),
        Err(_) => Err(unreadable(path, "it is damaged")),
    }
}

fn fault(path: &Path, error: redb::Error) -> DirectoryError {
    use redb::Error as Redb;
    match error {
        Redb::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => unreadable(path, "it is cut short"),
        Redb::Io(error) if error.kind() == io::ErrorKind::InvalidData => unreadable(path, "it is damaged"),
        Redb::Io(source) => DirectoryError::io(path, "use", source),
        Redb::TableDoesNotExist(_) | Redb::TableTypeMismatch { .. } | Redb::TableIsMultimap(_) => {
            unreadable(path, "it is a redb file of another program")
        }
        error => unreadable(path, error.to_string()),
    }
}

fn unreadable(path: &Path, why: impl Into<String>) -> DirectoryError {
    DirectoryError::Unreadable {
        path: path.to_owned(),
        why: why.into(),
    }
}

/// The file as redb sees it.
#[derive(Debug)]
struct Storage {
    file: FileBackend,
    /// Where something is only read: what redb wrote all the same, such as that the file is open, and what has become of its length. It
    /// never reaches the file, which stays as it is, and costs no sync.
    aside: Option<Mutex<Aside>>,
}

#[derive(Debug, Default)]
struct Aside {
    writes: Vec<(u64, Vec<u8>)>,
    len: Option<u64>,
}

impl Storage {
    const fn through(file: FileBackend) -> Self {
        Self { file, aside: None }
    }

    fn aside(file: FileBackend) -> Self {
        Self {
            file,
            aside: Some(Mutex::default()),
        }
    }

    fn with_aside<T>(&self, act: impl FnOnce(&mut Aside) -> T) -> Option<T> {
        let aside = self.aside.as_ref()?;
        Some(act(&mut aside.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        match self.with_aside(|aside| aside.len).flatten() {
            Some(len) => Ok(len),
            None => self.file.len(),
        }
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let end = offset.saturating_add(len as u64);
        if end > self.len()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_file = self.file.len()?.saturating_sub(offset).min(len as u64);
        let mut bytes = if in_file > 0 {
            self.file.read(offset, in_file as usize)?
        } else {
            Vec::new()
        };
        bytes.resize(len, 0);
        self.with_aside(|aside| {
            for (at, written) in &aside.writes {
                let (from, to) = (offset.max(*at), end.min(*at + written.len() as u64));
                if from < to {
                    let into = (from - offset) as usize..(to - offset) as usize;
                    bytes[into].copy_from_slice(&written[(from - at) as usize..(to - at) as usize]);
                }
            }
        });
        Ok(bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        match self.with_aside(|aside| aside.len = Some(len)) {
            Some(()) => Ok(()),
            None => self.file.set_len(len),
        }
    }

    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        match &self.aside {
            Some(_) => Ok(()),
            None => self.file.sync_data(eventual),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.with_aside(|aside| aside.writes.push((offset, data.to_vec()))) {
            Some(()) => Ok(()),
            None => self.file.write(offset, data),
        }
    }
}

/// What a file of redb begins with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
pub(super) const FORMAT: TableDefinition<'static, &str, u64> = TableDefinition::new("entra tenant directory");
const VERSION: u64 = 1;
/// In bytes: more than millions of tenants take. What asks for more is damaged.
const LARGEST: u64 = 16 << 30;
