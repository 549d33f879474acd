//! The events of a client, for logs and metrics.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entra_proto::cache::Lifetime;
use entra_proto::{Target, Tenant};

use crate::error::Error;

/// Is told what a client does: for counters, alarms and tests. It is called in the middle of things, also for every token that is read:
/// it should be quick, and must not call the client.
pub trait Observer: Send + Sync {
    /// This happened.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Something a client did. It holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What.
    pub kind: EventKind,
    /// In which tenant.
    pub tenant: &'a Tenant,
    /// For which API.
    pub target: &'a Target,
    /// Why, where something failed.
    pub error: Option<&'a Error>,
    /// For how long the service is left alone, where an acquisition has failed.
    pub cool_down: Option<Duration>,
    /// The life of the token that the service issued, for [`EventKind::Acquired`].
    pub lifetime: Option<Lifetime>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(kind: EventKind, tenant: &'a Tenant, target: &'a Target, error: Option<&'a Error>) -> Self {
        Self {
            kind,
            tenant,
            target,
            error,
            cool_down: None,
            lifetime: None,
        }
    }
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A caller got a token from the cache.
    CacheHit,
    /// A token came from the shared store.
    StoreHit,
    /// A caller waits for a request that another caller has started.
    Joined,
    /// An acquisition begins: the service will be asked.
    Requested,
    /// The service gave a token.
    Acquired,
    /// An acquisition failed for good.
    Failed,
    /// A caller got the token that is still alive, because there is no newer one to be had.
    ServedAnyway,
    /// A caller got a failure that is remembered. Nothing was sent.
    CachedFailure,
    /// An API rejected a token: it is refreshed, and until then used only where there is no other.
    Invalidated,
    /// A token had to go to make room for another.
    Evicted,
}

impl EventKind {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::CacheHit,
        Self::StoreHit,
        Self::Joined,
        Self::Requested,
        Self::Acquired,
        Self::Failed,
        Self::ServedAnyway,
        Self::CachedFailure,
        Self::Invalidated,
        Self::Evicted,
    ];
}

/// An observer that counts.
///
/// ```
/// use std::sync::Arc;
/// use entra_client::observer::{Counters, EventKind};
///
/// let counters = Arc::new(Counters::default()); // for the builder's `observer`
/// assert_eq!(counters.of(EventKind::Requested), 0);
/// ```
#[derive(Default)]
pub struct Counters([AtomicU64; EventKind::ALL.len()]);

impl Counters {
    /// How often this happened.
    #[must_use]
    pub fn of(&self, kind: EventKind) -> u64 {
        self.0[kind as usize].load(Ordering::Relaxed)
    }
}

impl Observer for Counters {
    fn observe(&self, event: &Event<'_>) {
        self.0[event.kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Observer for std::sync::Arc<Counters> {
    fn observe(&self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(EventKind::ALL.iter().map(|kind| (kind, self.of(*kind))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_counter_of_its_own() {
        let (tenant, target) = ("contoso.com".parse().unwrap(), Target::resource("https://a").unwrap());
        for kind in EventKind::ALL {
            let counters = Counters::default();
            counters.observe(&Event::new(kind, &tenant, &target, None));
            let counted: Vec<EventKind> = EventKind::ALL
                .into_iter()
                .filter(|kind| counters.of(*kind) == 1)
                .collect();
            assert_eq!(counted, [kind]);
        }
    }
}
