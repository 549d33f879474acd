//! The part that the two drivers share: the API, the clock, and the key cache with a snapshot that
//! is read without a lock.

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

/// The shared part of a validator. `S` is the state of the driver, under the same lock as the
/// cache.
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

    /// Returns the keys, if they are fresh and contain the token's key.
    pub(crate) fn fresh(&self, version: EndpointVersion, kid: &str, now: Timestamp) -> Option<KeySet> {
        let snapshot = self.snapshot(version).load();
        let Snapshot { keys, since } = &**snapshot.as_ref()?;
        (apart(*since, now) < REFRESH_INTERVAL && keys.has(kid)).then(|| keys.clone())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<S>> {
        // Each change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the outcome of a fetch, and updates the state of the driver under the same lock.
    pub(crate) fn complete(&self, fetched: Fetched, update: impl FnOnce(&mut S)) {
        let version = fetched.version();
        match fetched.error() {
            None => tracing::debug!(?version, "fetched signing keys"),
            Some(error) => tracing::warn!(?version, %error, "failed to fetch signing keys"),
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
        update(&mut state.driver);
    }

    /// Returns the rejection of a request that used up its lookups: the key is unknown if there are
    /// keys, and otherwise the keys are unavailable. A 401 would make a client drop a valid token.
    pub(crate) fn without_outcome(&self, version: EndpointVersion, kid: &str) -> Rejection {
        match self.lock().cache.current(version) {
            Some((keys, _)) if !keys.has(kid) => Rejection::UnknownKey,
            _ => Rejection::KeysUnavailable {
                retry_after: PAUSE,
                problem: "no fetch returned fresh keys".into(),
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

/// The largest number of lookups of one request. Two are usually enough, because a fetch leaves
/// keys or a failure. If the clock jumps, or another caller owns the fetch, there may be one more.
pub(crate) const MAX_LOOKUPS: usize = 4;

const PAUSE: Duration = Duration::from_secs(5);

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}
