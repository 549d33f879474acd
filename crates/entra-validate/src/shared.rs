//! The part that the two drivers share: the API, the clock, and the keys behind a snapshot that
//! costs no lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use entra_proto::{EndpointVersion, Timestamp};

use crate::api::Api;
use crate::keys::{Fetched, KeyCache, KeySet, REFRESH_INTERVAL, apart};
use crate::rejection::Rejection;

/// The clock of a validator.
pub(crate) type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// `S` is what a driver keeps beside the cache, under the same lock.
pub(crate) struct Shared<S> {
    pub(crate) api: Api,
    pub(crate) clock: Clock,
    v1: ArcSwapOption<Snapshot>,
    v2: ArcSwapOption<Snapshot>,
    state: Mutex<State<S>>,
}

pub(crate) struct State<S> {
    pub(crate) cache: KeyCache,
    pub(crate) driver: S,
}

struct Snapshot {
    keys: KeySet,
    since: Timestamp,
}

impl<S> Shared<S> {
    pub(crate) fn new(api: Api, clock: Clock, driver: S) -> Self {
        Self {
            v1: ArcSwapOption::empty(),
            v2: ArcSwapOption::empty(),
            state: Mutex::new(State {
                cache: KeyCache::new(&api),
                driver,
            }),
            api,
            clock,
        }
    }

    /// The keys, where they are fresh and the token's is among them.
    pub(crate) fn fresh(&self, version: EndpointVersion, kid: &str, now: Timestamp) -> Option<KeySet> {
        let snapshot = self.snapshot(version).load();
        let Snapshot { keys, since } = &**snapshot.as_ref()?;
        (apart(*since, now) < REFRESH_INTERVAL && keys.has(kid)).then(|| keys.clone())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<S>> {
        // Each change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the outcome of a fetch, and what the driver has to do in the same moment.
    pub(crate) fn complete(&self, fetched: Fetched, also: impl FnOnce(&mut S)) {
        let version = fetched.version();
        match fetched.error() {
            None => tracing::debug!(?version, "signing keys were fetched"),
            Some(error) => tracing::warn!(?version, %error, "signing keys were not fetched"),
        }
        let now = (self.clock)();
        let mut state = self.lock();
        state.cache.complete(fetched, now);
        let current = state.cache.current(version).map(|(keys, since)| {
            Arc::new(Snapshot {
                keys: keys.clone(),
                since: *since,
            })
        });
        self.snapshot(version).store(current);
        also(&mut state.driver);
    }

    /// The rejection of a request that looked too often: its key is unknown if there are keys, and
    /// else they cannot be fetched. A client would drop a good token on a 401.
    pub(crate) fn without_outcome(&self, version: EndpointVersion, kid: &str) -> Rejection {
        match self.lock().cache.current(version) {
            Some((keys, _)) if !keys.has(kid) => Rejection::UnknownKey,
            _ => Rejection::KeysUnavailable {
                retry_after: PAUSE,
                problem: "no fetch of them led to keys that are fresh".into(),
            },
        }
    }

    fn snapshot(&self, version: EndpointVersion) -> &ArcSwapOption<Snapshot> {
        match version {
            EndpointVersion::V1 => &self.v1,
            EndpointVersion::V2 => &self.v2,
        }
    }
}

/// The most looks of a request for its keys. A fetch leaves something to return, so two looks are
/// enough; where the clock leaps, or others own the fetch, there may be one more.
pub(crate) const MOST_LOOKS: usize = 4;

const PAUSE: Duration = Duration::from_secs(5);

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}
