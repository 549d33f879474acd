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

/// A store in a file, which outlasts the process: a [redb](https://docs.rs/redb) database.
///
/// A write is on the disk when its method returns. The process may be killed at any time, or the
/// power fail: what was acknowledged is there, and a write that was not is there whole or not at
/// all. Of power that fails, folders that the first write made are excepted: make them beforehand.
///
/// **Several processes** may use one file: it is opened for each operation, and not held between
/// them, so that a command can list the tenants of a service that runs. Whoever finds it in use
/// waits, for five seconds unless told otherwise.
///
/// **Secrets** are sealed by AES-256-GCM with the key that the store is given, each with the name
/// it is kept under. Tenants, and the names of secrets, are not hidden: the file is for its owner
/// alone (mode 0600), folders that are made for it too (0700). Where others can read a file that is
/// there already, that is taken from them, with a warning (`tracing`). A file or folder that
/// belongs to neither this user nor root is refused, and a folder in which everybody may put
/// another file in its place. UnlistedOrigin than on Unix all that is the folder's affair.
///
/// **A file that is damaged**, or no store, is an error and left as it is: to read never changes
/// the file, and what is written is held in memory, a megabyte or two, until redb has seen no
/// fault. redb panics over some damage: such a panic is caught, and seen by the panic hook alone,
/// unless the program is built to abort on panics.
///
/// The file needs a file system that locks files and can link them, a local one. It is made under
/// another name first, `.NAME.….new` beside it, so that nobody meets half of one; what a process
/// that was killed left under such a name can be removed.
///
/// ```no_run
/// use entra_tenants::{RedbTenantStore, TenantStoreKey};
///
/// let key = TenantStoreKey::read_or_create("/var/lib/monitor/tenants.key")?;
/// let store = RedbTenantStore::at("/var/lib/monitor/tenants.redb").with_key(key);
/// store.check()?; // rather now than when somebody has consented
/// # Ok::<(), entra_tenants::TenantStoreError>(())
/// ```
///
/// On a machine with two cores a write takes some five milliseconds, and to read a record a quarter
/// of one, with hundreds of tenants.
pub struct RedbTenantStore {
    path: PathBuf,
    key: Option<TenantStoreKey>,
    wait: Duration,
    /// One thread of this process at a time: they queue here, rather than by trying.
    turn: Mutex<()>,
}

impl RedbTenantStore {
    /// The store in this file. It is not looked at before it is used, and made by the first write.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            key: None,
            wait: Duration::from_secs(5),
            turn: Mutex::new(()),
        }
    }

    /// Seals secrets with this key, and opens what was sealed with it. Without one there are no
    /// secrets.
    #[must_use]
    pub fn with_key(mut self, key: TenantStoreKey) -> Self {
        self.key = Some(key);
        self
    }

    /// How long an operation waits for another process that has the file open: five seconds unless
    /// told otherwise.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file where there is none, and sees whether it can be written: a program that
    /// starts may want to know.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn check(&self) -> Result<(), TenantStoreError> {
        self.write(|_| Ok(()))
    }

    /// Returns all secrets, of every application and tenant: none where there is no file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn secrets(&self) -> Result<Vec<StoredSecret>, TenantStoreError> {
        let found = self.read(|transaction| secrets::list(&transaction.open_table(SECRETS)?, self.key.as_ref()))?;
        Ok(found.unwrap_or_default())
    }

    /// Reads and changes secrets in one transaction: all of its changes are kept, or none of them
    /// where `act` fails or the process ends. No other process changes a secret meanwhile, so that
    /// a newer one is never replaced by an older one.
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

    /// Waits until no other process has taken its turn, which lasts until the returned value is
    /// dropped or its process ends. It is for what a transaction is too short for: a request with a
    /// refresh token that the response replaces. It locks `NAME.lock` beside the file; transactions
    /// do not look at it.
    ///
    /// # Errors
    /// Returns [`TenantStoreError::Busy`] if another process keeps its turn for all of `wait`, and
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

    /// To forget what is not there makes no file. Where nobody can tell, or it is a link to
    /// nothing, to use it tells why.
    fn is_there(&self) -> bool {
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
                Some(Err(error)) => tracing::warn!(%error, "a record is replaced that could not be read"),
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
                    tracing::warn!("a record of the tenant store has no key that can be read");
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
        if !self.is_there() {
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
        if !self.is_there() {
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

/// From the first to the last name of a tenant's secrets: no UTF-8 has the byte 0xff.
fn names_under(key: &[u8; KEY]) -> RangeInclusive<Vec<u8>> {
    key.to_vec()..=[key.as_slice(), &[0xff]].concat()
}
