//! A store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use entra_proto::{ClientId, Guid};
use zeroize::Zeroizing;

use super::{ConsentedTenant, SecretName, TenantList, TenantStore, TenantStoreError};

/// A store that ends with the process: for tests, and for programs that get their tenants from
/// another source.
#[derive(Default)]
pub struct MemoryTenantStore(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    tenants: BTreeMap<(ClientId, Guid), ConsentedTenant>,
    secrets: BTreeMap<(ClientId, Guid), Secrets>,
}

/// The secrets by name.
type Secrets = BTreeMap<String, Zeroizing<Vec<u8>>>;

impl MemoryTenantStore {
    /// Returns the locked data. Every change is one step, so the data is whole even after a panic
    /// of another thread.
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantStore for MemoryTenantStore {
    fn put(&self, tenant: &ConsentedTenant) -> Result<(), TenantStoreError> {
        tenant.check()?;
        let mut newer = tenant.clone().in_whole_seconds();
        let mut contents = self.contents();
        let key = (tenant.client_id, tenant.tenant);
        if let Some(older) = contents.tenants.remove(&key) {
            newer = ConsentedTenant::merge(older, newer);
        }
        contents.tenants.insert(key, newer);
        Ok(())
    }

    fn get(&self, client_id: ClientId, tenant: Guid) -> Result<Option<ConsentedTenant>, TenantStoreError> {
        Ok(self.contents().tenants.get(&(client_id, tenant)).cloned())
    }

    fn list(&self, client_id: Option<ClientId>) -> Result<TenantList, TenantStoreError> {
        let contents = self.contents();
        let wanted = |it: &&ConsentedTenant| client_id.is_none_or(|client_id| it.client_id == client_id);
        Ok(TenantList {
            tenants: contents.tenants.values().filter(wanted).cloned().collect(),
            unreadable: Vec::new(),
        })
    }

    fn forget(&self, client_id: ClientId, tenant: Guid) -> Result<bool, TenantStoreError> {
        let mut contents = self.contents();
        let key = (client_id, tenant);
        let (record, secrets) = (contents.tenants.remove(&key), contents.secrets.remove(&key));
        Ok(record.is_some() || secrets.is_some())
    }

    fn put_secret(&self, name: SecretName<'_>, secret: &[u8]) -> Result<(), TenantStoreError> {
        name.check(secret)?;
        let mut contents = self.contents();
        let secrets = contents.secrets.entry((name.client_id(), name.tenant())).or_default();
        secrets.insert(name.name().to_owned(), Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn secret(&self, name: SecretName<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, TenantStoreError> {
        let contents = self.contents();
        let secrets = contents.secrets.get(&(name.client_id(), name.tenant()));
        Ok(secrets.and_then(|secrets| secrets.get(name.name())).cloned())
    }

    fn forget_secret(&self, name: SecretName<'_>) -> Result<bool, TenantStoreError> {
        let mut contents = self.contents();
        let key = (name.client_id(), name.tenant());
        let Some(secrets) = contents.secrets.get_mut(&key) else {
            return Ok(false);
        };
        let was_there = secrets.remove(name.name()).is_some();
        if secrets.is_empty() {
            contents.secrets.remove(&key);
        }
        Ok(was_there)
    }
}

impl fmt::Debug for MemoryTenantStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents = self.contents();
        f.debug_struct("MemoryTenantStore")
            .field("tenants", &contents.tenants.len())
            .finish_non_exhaustive()
    }
}
