//! Secrets within a transaction.

use std::fmt;
use std::path::Path;

use entra_proto::{ClientId, Guid};
use redb::{ReadableTable, Table};
use zeroize::Zeroizing;

use super::error::TenantStoreError;
use super::key::TenantStoreKey;
use super::record::{self, KEY};
use super::storage::{self, Fault, SECRETS};
use super::{SecretName, seal};

/// A secret as [`RedbTenantStore::secrets`](super::RedbTenantStore::secrets) lists it.
#[non_exhaustive]
pub struct StoredSecret {
    /// The application.
    pub client_id: ClientId,
    /// The tenant.
    pub tenant: Guid,
    /// The caller's text in its name.
    pub name: String,
    /// The secret, or `None` if it was sealed with another key or is damaged.
    pub secret: Option<Zeroizing<Vec<u8>>>,
}

impl StoredSecret {
    /// Returns its name.
    #[must_use]
    pub fn secret_name(&self) -> SecretName<'_> {
        SecretName::new(self.client_id, self.tenant, &self.name)
    }
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "StoredSecret({:?} of {:?} in {:?})",
            self.name, self.client_id, self.tenant
        )
    }
}

/// The secrets of a store during one transaction: see
/// [`RedbTenantStore::change_secrets`](super::RedbTenantStore::change_secrets).
pub struct Secrets<'a> {
    table: Table<'a, &'static [u8], &'static [u8]>,
    key: &'a TenantStoreKey,
    path: &'a Path,
}

impl<'a> Secrets<'a> {
    pub(super) fn open(
        transaction: &'a redb::WriteTransaction,
        key: &'a TenantStoreKey,
        path: &'a Path,
    ) -> Result<Self, Fault> {
        Ok(Self {
            table: transaction.open_table(SECRETS)?,
            key,
            path,
        })
    }

    /// Returns the secret under this name. One that cannot be unsealed counts as absent.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn get(&self, name: SecretName<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, TenantStoreError> {
        let name = full_name(name);
        let sealed = self.table.get(name.as_slice()).map_err(|error| self.failed(error))?;
        Ok(sealed.and_then(|sealed| seal::open(self.key, &name, sealed.value())))
    }

    /// Stores a secret under this name, and replaces the old one.
    ///
    /// # Errors
    /// Returns an error if the secret or its name is larger than a store accepts, or if the file
    /// cannot be written.
    pub fn put(&mut self, name: SecretName<'_>, secret: &[u8]) -> Result<(), TenantStoreError> {
        name.check(secret)?;
        let name = full_name(name);
        let sealed = seal::seal(self.key, &name, secret)?;
        let put = self.table.insert(name.as_slice(), sealed.as_slice()).map(drop);
        put.map_err(|error| self.failed(error))
    }

    /// Removes the secret under this name. Returns true if there was one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn remove(&mut self, name: SecretName<'_>) -> Result<bool, TenantStoreError> {
        let removed = self
            .table
            .remove(full_name(name).as_slice())
            .map(|found| found.is_some());
        removed.map_err(|error| self.failed(error))
    }

    /// Returns all secrets, of every application and tenant.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn list(&self) -> Result<Vec<StoredSecret>, TenantStoreError> {
        list(&self.table, Some(self.key)).map_err(|error| storage::error_of(self.path, error))
    }

    fn failed(&self, error: redb::StorageError) -> TenantStoreError {
        storage::error_of(self.path, error.into())
    }
}

impl fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets of {:?}", self.path)
    }
}

/// Reads every secret of a table. A name that this program did not write is ignored.
pub(super) fn list(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: Option<&TenantStoreKey>,
) -> Result<Vec<StoredSecret>, Fault> {
    let mut found = Vec::new();
    for entry in table.range::<&[u8]>(..)? {
        let (name, sealed) = entry?;
        let name = name.value();
        let Some((of, text)) = name.split_first_chunk::<KEY>() else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(text) else {
            continue;
        };
        let (client_id, tenant) = record::names(of);
        found.push(StoredSecret {
            client_id,
            tenant,
            name: text.to_owned(),
            secret: key.and_then(|key| seal::open(key, name, sealed.value())),
        });
    }
    Ok(found)
}

/// Returns the key of a secret in the file: the key of its tenant, then its text.
pub(super) fn full_name(name: SecretName<'_>) -> Vec<u8> {
    let key = record::key(name.client_id(), name.tenant());
    [key.as_slice(), name.name().as_bytes()].concat()
}
