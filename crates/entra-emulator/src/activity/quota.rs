//! How many requests a tenant may make in a minute.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// The requests of this minute, by tenant. Bounded by the number of tenants.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    counts: Mutex<BTreeMap<String, Count>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    minute: u64,
    requests: u32,
}

impl Quotas {
    /// Counts a request, and returns false if it is one too many. Those that name no publisher share one quota.
    pub(super) fn take(&self, tenant: Option<&str>, most: u32, now: u64) -> bool {
        let name = tenant.unwrap_or_default();
        let mut counts = self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !counts.contains_key(name) {
            counts.insert(name.to_owned(), Count::default());
        }
        let Some(count) = counts.get_mut(name) else {
            return true;
        };
        let minute = now / 60;
        if count.minute != minute {
            *count = Count { minute, requests: 0 };
        }
        count.requests = count.requests.saturating_add(1);
        count.requests <= most
    }

    pub(crate) fn clear(&self) {
        self.counts
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
    }
}
