//! The state that all tenants share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra_client::Client;
use entra_proto::{Guid, Tenant};
use tokio::sync::Semaphore;

use crate::collect::clock::Clock;
use crate::event::{Observers, Shutdown};
use crate::feed::{Api, ContentType, Webhook};
use crate::sink::{Bounds, Sink};

/// The state that all tenants share.
pub(crate) struct Shared {
    pub(crate) api: Api,
    pub(crate) client: Client,
    /// `None` if the program does not collect.
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) observers: Observers,
    pub(crate) shutdown: Shutdown,
    /// Permits for requests to the API, granted in the order in which they are requested.
    pub(crate) requests: Semaphore,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// The IDs of the tenants. A domain's ID comes from its token.
    pub(super) ids: Mutex<HashMap<Guid, Tenant>>,
}

/// Settings of a tenant's turn.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Empty to collect the types that the permissions allow.
    pub(crate) content_types: Vec<ContentType>,
    pub(crate) since: Duration,
    pub(crate) bounds: Bounds,
    pub(crate) per_tenant: usize,
    pub(crate) back_off: Duration,
    pub(crate) patience: Duration,
    pub(crate) webhook: Option<Webhook>,
}

impl Shared {
    /// Records a tenant's ID. Returns the name that it is collected under: its ID, or the first of
    /// its domains.
    pub(crate) fn know(&self, id: Guid, tenant: &Tenant) -> Tenant {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(tenant, Tenant::Id(_)) {
            ids.insert(id, tenant.clone());
        }
        ids.entry(id).or_insert_with(|| tenant.clone()).clone()
    }

    /// Returns the tenant with this ID, if it is collected from.
    pub(crate) fn tenant(&self, id: Guid) -> Option<Tenant> {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }
}
