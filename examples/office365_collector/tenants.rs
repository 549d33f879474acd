//! The tenants to collect from.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use entra_proto::{ClientId, Tenant};
use entra_tenants::{RedbTenantStore, TenantStore, TenantStoreError};

use crate::arguments::Arguments;
use crate::common;
use crate::failure::{Cause, Failure, Place};

/// The source of the tenants.
pub(crate) enum Tenants {
    /// The environment.
    Fixed(Vec<Tenant>),
    /// A tenant store, which is read again for each round, so that tenants that connect in the
    /// meantime are collected from as well.
    Store { path: PathBuf, client_id: ClientId },
}

impl Tenants {
    /// Selects the store, or the tenants in `AZURE_TENANTS` and `AZURE_TENANT_ID`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be used or a variable does not hold a tenant.
    pub(crate) fn new(arguments: &Arguments, client_id: ClientId) -> Result<Self, Box<dyn Error>> {
        let Some(path) = arguments.tenants.clone() else {
            let mut tenants = common::tenants()
                .map_err(|error| format!("{error}; name the tenants there, or a tenant store with --tenants"))?;
            let mut seen = std::collections::HashSet::new();
            tenants.retain(|tenant| seen.insert(tenant.clone()));
            return Ok(Self::Fixed(tenants));
        };
        let store = RedbTenantStore::at(&path);
        if arguments.connect.is_some() {
            store.check()?;
        } else if path.try_exists().is_ok_and(|exists| !exists) {
            // Creating a store here would leave it empty and hide a wrong path.
            let path = path.display();
            return Err(format!("--tenants {path}: there is no such tenant store: --connect creates one").into());
        } else {
            store.list(Some(client_id))?;
        }
        Ok(Self::Store { path, client_id })
    }

    /// Returns the current tenants. Blocks.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(crate) fn list(&self) -> Result<Listed, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Fixed(tenants) => Ok(Listed {
                tenants: tenants.clone(),
                unreadable: Vec::new(),
            }),
            Self::Store { path, client_id } => {
                let list = RedbTenantStore::at(path).list(Some(*client_id))?;
                let mut unreadable = Vec::new();
                for error in list.unreadable {
                    let TenantStoreError::Record { tenant, .. } = &error else {
                        return Err(error.into());
                    };
                    let tenant = Place::tenant(&Tenant::from(*tenant));
                    unreadable.push(Failure::new(tenant, Cause::Store(Arc::new(error))));
                }
                Ok(Listed {
                    tenants: list.tenants.into_iter().map(|tenant| tenant.tenant.into()).collect(),
                    unreadable,
                })
            }
        }
    }
}

/// The tenants at one moment.
pub(crate) struct Listed {
    pub(crate) tenants: Vec<Tenant>,
    /// Tenants whose entries in the store cannot be read.
    pub(crate) unreadable: Vec<Failure>,
}
