//! The store in a redb database.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, fs, io};

use entra_proto::{ClientId, Guid};
use redb::ReadableTable;
use zeroize::Zeroizing;

use super::key::TenantStoreKey;
use super::lock::TenantStoreLock;
use super::record::{self, KEY, Record};
use super::secrets::{self, Secrets, StoredSecret, full_name};
use super::storage::{self, Fault, SECRETS, TENANTS};
use super::{ConsentedTenant, SecretName, TenantList, TenantStore, TenantStoreError, seal};

/// A store in a file that outlives the process: a [redb](https://docs.rs/redb) database.
///
/// A write is on the disk when its method returns. If the process is killed or the power fails,
/// every acknowledged write is there, and another one is there whole or not at all. The exception
/// is a power failure right after the first write created folders: create them beforehand.
///
/// **Several processes** may use one file. It is opened for each operation and closed after it, so
/// that a command can list the tenants of a running service. An operation waits for another one in
/// progress, by default up to five seconds.
///
/// **Secrets** are sealed by AES-256-GCM with the key of the store, each together with its name.
/// Tenants and the names of secrets are not encrypted: only the owner can read the file (mode 0600)
/// and the folders that are created for it (0700). If an existing file is readable for others, the
/// permission is removed, with a warning (`tracing`). A file or folder that belongs to neither this
/// user nor root is rejected, and so is a folder in which everyone can replace the file. On systems
/// other than Unix, the folder must protect the file.
///
/// **A damaged file**, or a file that is not a store, is an error and left unchanged. Reading never
/// changes the file. Writes stay in memory, one or two megabytes, until redb has found no damage.
/// redb panics at some kinds of damage: such a panic is caught, unless the program is built to
/// abort on panics. Only the panic hook sees it.
///
/// The file requires a local file system with locks and links. It is created under a temporary
/// name, `.NAME.….new` beside it, so that no process sees an incomplete file. A temporary file that
/// a killed process left may be deleted.
///
/// ```no_run
/// use entra_tenants::{RedbTenantStore, TenantStoreKey};
///
/// let key = TenantStoreKey::read_or_create("/var/lib/monitor/tenants.key")?;
/// let store = RedbTenantStore::at("/var/lib/monitor/tenants.redb").with_key(key);
/// store.check()?; // report problems now, not after the first consent
/// # Ok::<(), entra_tenants::TenantStoreError>(())
/// ```
///
/// On a machine with two cores and with hundreds of tenants, a write takes about five milliseconds,
/// and reading a record a quarter of a millisecond.
pub struct RedbTenantStore {
    path: PathBuf,
    key: Option<TenantStoreKey>,
    wait: Duration,
    /// Held by one thread of this process at a time: the others wait here instead of polling.
    turn: Mutex<()>,
}

impl RedbTenantStore {
    /// Creates a store in this file. The first use opens it, and the first write creates it.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            key: None,
            wait: Duration::from_secs(5),
            turn: Mutex::new(()),
        }
    }

    /// Sets the key that seals secrets and opens sealed ones. Without a key the store holds no
    /// secrets.
    #[must_use]
    pub fn with_key(mut self, key: TenantStoreKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the time that an operation waits for another process that has the file open. The
    /// default is five seconds.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file if it does not exist, and checks that it is writable. A program can call
    /// this at its start.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created or written.
    pub fn check(&self) -> Result<(), TenantStoreError> {
        self.write(|_| Ok(()))
    }

    /// Returns all secrets, of every application and tenant. Without a file there are no secrets.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn secrets(&self) -> Result<Vec<StoredSecret>, TenantStoreError> {
        let found = self.read(|transaction| secrets::list(&transaction.open_table(SECRETS)?, self.key.as_ref()))?;
        Ok(found.unwrap_or_default())
    }

    /// Reads and changes secrets in one transaction. If `act` fails or the process ends, none of
    /// the changes is stored. No other process changes a secret meanwhile, so that an older secret
    /// never replaces a newer one.
    ///
    /// # Errors
    /// Returns the error of `act`, or an error if the file cannot be used or there is no key.
    pub fn change_secrets<T>(
        &self,
        act: impl FnOnce(&mut Secrets<'_>) -> Result<T, TenantStoreError>,
    ) -> Result<T, TenantStoreError> {
        let key = self.key.as_ref().ok_or(TenantStoreError::NoKey)?;
        self.write(|transaction| Ok(act(&mut Secrets::open(transaction, key, &self.path)?)?))
    }

    /// Waits until no other process holds the lock, and takes it until the returned value is
    /// dropped or the process ends. It is for work that is too long for a transaction: a request
    /// with a refresh token that the response replaces. It locks `NAME.lock` beside the file;
    /// transactions ignore it.
    ///
    /// # Errors
    /// Returns [`TenantStoreError::Busy`] if another process holds the lock for all of `wait`, and
    /// an error if the lock cannot be used.
    pub fn lock(&self, wait: Duration) -> Result<TenantStoreLock, TenantStoreError> {
        TenantStoreLock::take(&self.path, wait)
    }

    fn read<T>(
        &self,
        act: impl FnOnce(&redb::ReadTransaction) -> Result<T, Fault>,
    ) -> Result<Option<T>, TenantStoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        storage::read(&self.path, self.wait, act)
    }

    fn write<T>(&self, act: impl FnOnce(&redb::WriteTransaction) -> Result<T, Fault>) -> Result<T, TenantStoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        storage::write(&self.path, self.wait, act)
    }

    /// Returns false if the file does not exist: forgetting an entry then does not create it.
    /// Returns true if that is unknown or the path is a dangling link: using it reports the reason.
    fn may_exist(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

impl TenantStore for RedbTenantStore {
    fn put(&self, tenant: &ConsentedTenant) -> Result<(), TenantStoreError> {
        tenant.check()?;
        let key = record::key(tenant.client_id, tenant.tenant);
        self.write(|transaction| {
            let mut tenants = transaction.open_table(TENANTS)?;
            let known = tenants
                .get(key.as_slice())?
                .map(|bytes| Record::decode(&key, bytes.value()));
            let mut record = Record {
                tenant: tenant.clone().in_whole_seconds(),
                later: serde_json::Map::new(),
            };
            match known {
                Some(Ok(known)) => {
                    record.tenant = ConsentedTenant::merge(known.tenant, record.tenant);
                    record.later = known.later;
                }
                Some(Err(error)) => tracing::warn!(%error, "a record that could not be read is replaced"),
                None => {}
            }
            tenants.insert(key.as_slice(), record.encode()?.as_slice())?;
            Ok(())
        })
    }

    fn get(&self, client_id: ClientId, tenant: Guid) -> Result<Option<ConsentedTenant>, TenantStoreError> {
        let key = record::key(client_id, tenant);
        let found = self.read(|transaction| {
            let found = transaction.open_table(TENANTS)?.get(key.as_slice())?;
            Ok(found.map(|bytes| Record::decode(&key, bytes.value())))
        })?;
        Ok(found.flatten().transpose()?.map(|record| record.tenant))
    }

    fn list(&self, client_id: Option<ClientId>) -> Result<TenantList, TenantStoreError> {
        let list = self.read(|transaction| {
            let mut list = TenantList::default();
            for entry in transaction.open_table(TENANTS)?.range::<&[u8]>(..)? {
                let (key, bytes) = entry?;
                let Ok(key) = <&[u8; KEY]>::try_from(key.value()) else {
                    tracing::warn!("a record of the tenant store has an unreadable key");
                    continue;
                };
                if client_id.is_some_and(|client_id| client_id != record::names(key).0) {
                    continue;
                }
                match Record::decode(key, bytes.value()) {
                    Ok(record) => list.tenants.push(record.tenant),
                    Err(error) => list.unreadable.push(error),
                }
            }
            Ok(list)
        })?;
        Ok(list.unwrap_or_default())
    }

    fn forget(&self, client_id: ClientId, tenant: Guid) -> Result<bool, TenantStoreError> {
        if !self.may_exist() {
            return Ok(false);
        }
        let key = record::key(client_id, tenant);
        self.write(|transaction| {
            let mut was_there = transaction.open_table(TENANTS)?.remove(key.as_slice())?.is_some();
            let secrets = names_under(&key);
            transaction.open_table(SECRETS)?.retain_in::<&[u8], _>(
                secrets.start().as_slice()..=secrets.end().as_slice(),
                |_, _| {
                    was_there = true;
                    false
                },
            )?;
            Ok(was_there)
        })
    }

    fn put_secret(&self, name: SecretName<'_>, secret: &[u8]) -> Result<(), TenantStoreError> {
        name.check(secret)?;
        let key = self.key.as_ref().ok_or(TenantStoreError::NoKey)?;
        let name = full_name(name);
        let sealed = seal::seal(key, &name, secret)?;
        self.write(|transaction| {
            transaction
                .open_table(SECRETS)?
                .insert(name.as_slice(), sealed.as_slice())?;
            Ok(())
        })
    }

    fn secret(&self, name: SecretName<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, TenantStoreError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let name = full_name(name);
        let found = self.read(|transaction| {
            let sealed = transaction.open_table(SECRETS)?.get(name.as_slice())?;
            Ok(sealed.and_then(|sealed| seal::open(key, &name, sealed.value())))
        })?;
        Ok(found.flatten())
    }

    fn forget_secret(&self, name: SecretName<'_>) -> Result<bool, TenantStoreError> {
        if !self.may_exist() {
            return Ok(false);
        }
        let name = full_name(name);
        self.write(|transaction| {
            let mut secrets = transaction.open_table(SECRETS)?;
            Ok(secrets.remove(name.as_slice())?.is_some())
        })
    }
}

impl fmt::Debug for RedbTenantStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbTenantStore")
            .field("path", &self.path)
            .field("key", &self.key)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// Returns the range of a tenant's secret names. UTF-8 never contains the byte 0xff.
fn names_under(key: &[u8; KEY]) -> RangeInclusive<Vec<u8>> {
    key.to_vec()..=[key.as_slice(), &[0xff]].concat()
}
