//! The events of a client, for logs and metrics.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entra_proto::cache::Lifetime;
use entra_proto::{ClientId, Target, Tenant};

use crate::cache::KeyRef;
use crate::error::Error;

/// A receiver of the events of a client, for counters, alarms and tests.
///
/// A client calls it while it works, also for every token that is read from the cache. An observer
/// must be fast and must not call the client.
pub trait Observer: Send + Sync {
    /// Handles an event.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

/// An event of a client. It holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The kind of the event.
    pub kind: EventKind,
    /// The tenant of the token. `None` if the client's principal determines it, as a managed
    /// identity does.
    pub tenant: Option<&'a Tenant>,
    /// The agent identity that the token is requested for, if the client's application is its
    /// blueprint.
    pub agent: Option<ClientId>,
    /// The target of the token.
    pub target: &'a Target,
    /// The error, if something failed.
    pub error: Option<&'a Error>,
    /// The time during which no other request is sent, for [`EventKind::Failed`]. `None` for a
    /// sign-in, and if another acquisition follows at once.
    pub cool_down: Option<Duration>,
    /// The lifetime of the token that the service issued, for [`EventKind::Acquired`].
    pub lifetime: Option<Lifetime>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(kind: EventKind, key: KeyRef<'a>, error: Option<&'a Error>) -> Self {
        Self {
            kind,
            tenant: key.tenant,
            agent: key.subject.agent(),
            target: key.target,
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
    /// An acquisition begins: a request to the service follows.
    Requested,
    /// The service issued a token.
    Acquired,
    /// An acquisition failed, after its retries. Another one follows at once if a newer refresh
    /// token or a newly signed assertion may avoid the failure.
    Failed,
    /// A caller got an old but unexpired token, because no newer one is available.
    ServedAnyway,
    /// A caller got a cached failure. Nothing was sent.
    CachedFailure,
    /// An API rejected a token. It is refreshed, and until then used only if there is no other.
    Invalidated,
    /// A cache entry was evicted to make room for another.
    Evicted,
}

impl EventKind {
    /// All kinds, in the order of their declaration.
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

/// An observer that counts the events of each kind.
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
    /// Returns the number of events of this kind.
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
    use crate::subject::Subject;

    #[test]
    fn every_kind_has_its_own_counter() {
        let key = KeyRef {
            tenant: None,
            target: &Target::resource("https://a").unwrap(),
            claims: None,
            subject: &Subject::Principal,
        };
        for kind in EventKind::ALL {
            let counters = Counters::default();
            counters.observe(&Event::new(kind, key, None));
            let counted: Vec<EventKind> = EventKind::ALL
                .into_iter()
                .filter(|kind| counters.of(*kind) == 1)
                .collect();
            assert_eq!(counted, [kind]);
        }
    }
}
