//! The lifetime of cached keys and the schedule of fetches, as data in, data out.

use std::sync::Arc;
use std::time::Duration;

use entra_proto::{EndpointVersion, Timestamp};

use super::KeySet;
use super::fetch::{Fetch, FetchError, Fetched};
use crate::api::Api;
use crate::rejection::Rejection;

/// The cached keys of a cloud for both versions of tokens, and the schedule of their fetches.
///
/// - A key set that is older than [`REFRESH_INTERVAL`] is fetched again. The old set is used
///   meanwhile.
/// - An unknown `kid` forces another fetch, unless one began within [`FORCED_REFRESH_INTERVAL`],
///   regardless of the number of unknown `kid`s: new keys are known at once, and a flood of forged
///   tokens causes one fetch.
/// - After a failed fetch, the cached keys are used up to the age of [`LAST_KNOWN_GOOD`]. The next
///   attempt waits 5 seconds, then twice as long each time up to 5 minutes, or for the time in
///   `Retry-After` if that is longer.
/// - There is one fetch at a time for each version. A fetch that took two minutes counts as lost,
///   and no longer prevents another one.
#[derive(Debug)]
pub struct KeyCache {
    api: Api,
    v1: Source,
    v2: Source,
}

/// The keys for one version.
#[derive(Debug, Default)]
struct Source {
    current: Option<(KeySet, Timestamp)>,
    /// The time at which the last fetch began.
    began: Option<Timestamp>,
    is_in_flight: bool,
    /// The number of the last fetch.
    number: u64,
    /// The number of the fetch that returned the current keys.
    current_number: u64,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    error: FetchError,
    at: Timestamp,
    pause: Duration,
    /// The pause without `Retry-After`.
    backoff: Duration,
}

/// The keys for a token, or the way to get them. The enum is exhaustive on purpose: there are no
/// other cases.
#[derive(Debug)]
pub enum Lookup {
    /// The keys. If the token's key is not among them, it is too early for another fetch.
    Ready(KeySet),
    /// The keys, which need a refresh. The caller owns the fetch, and need not wait for it.
    Refresh(KeySet, Fetch),
    /// The caller owns the fetch, and calls [`KeyCache::lookup`] again when it is complete.
    Fetch(Fetch),
    /// Another caller owns a fetch. Call [`KeyCache::lookup`] again when it is complete.
    InFlight,
    /// There are no keys, and it is too early for another attempt.
    Unavailable(Rejection),
}

impl KeyCache {
    /// Creates a cache without keys.
    #[must_use]
    pub fn new(api: &Api) -> Self {
        Self {
            api: api.clone(),
            v1: Source::default(),
            v2: Source::default(),
        }
    }

    /// Returns the keys for a token of this version with this `kid`, or the way to get them.
    ///
    /// The owner of a [`Fetch`] must pass its outcome to [`complete`](Self::complete): until then,
    /// or until it counts as lost, no other fetch starts.
    pub fn lookup(&mut self, version: EndpointVersion, kid: &str, now: Timestamp) -> Lookup {
        let api = self.api.clone();
        let source = self.source(version);
        let paused = source.pause_left(now);
        let usable = source.usable(now).cloned();
        match usable {
            Some(keys) if keys.has(kid) => {
                let needs_refresh =
                    source.age(now) >= REFRESH_INTERVAL && paused.is_none() && !source.is_in_flight(now);
                if needs_refresh {
                    Lookup::Refresh(keys, source.begin(&api, version, now))
                } else {
                    Lookup::Ready(keys)
                }
            }
            Some(_) if source.is_in_flight(now) => Lookup::InFlight,
            Some(keys) => {
                let is_early = source
                    .began
                    .is_some_and(|began| apart(began, now) < FORCED_REFRESH_INTERVAL);
                if is_early || paused.is_some() {
                    Lookup::Ready(keys)
                } else {
                    Lookup::Fetch(source.begin(&api, version, now))
                }
            }
            None if source.is_in_flight(now) => Lookup::InFlight,
            None => match (paused, &source.failure) {
                (Some(left), Some(failure)) => Lookup::Unavailable(Rejection::KeysUnavailable {
                    retry_after: left,
                    problem: Arc::clone(failure.error.problem()),
                }),
                _ => Lookup::Fetch(source.begin(&api, version, now)),
            },
        }
    }

    /// Records the outcome of a fetch.
    pub fn complete(&mut self, fetched: Fetched, now: Timestamp) {
        let source = self.source(fetched.version);
        let number = fetched.number.unwrap_or(source.number);
        let is_last = number == source.number;
        source.is_in_flight &= !is_last;
        match fetched.outcome {
            // Newer keys arrived meanwhile, or a later fetch will report the state of the service.
            Ok(_) if number < source.current_number => {}
            Err(_) if !is_last => {}
            Ok(keys) => {
                source.current = Some((keys, now));
                source.current_number = number;
                source.failure = None;
            }
            Err(error) => {
                let last = source.failure.as_ref().map(|failure| failure.backoff);
                let backoff = last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
                source.failure = Some(Failure {
                    pause: error.retry_after().unwrap_or_default().max(backoff),
                    error,
                    at: now,
                    backoff,
                });
            }
        }
    }

    /// Returns the keys for a version, and the time since which they are cached.
    #[cfg(any(feature = "async", feature = "blocking"))]
    pub(crate) fn current(&self, version: EndpointVersion) -> Option<&(KeySet, Timestamp)> {
        match version {
            EndpointVersion::V1 => self.v1.current.as_ref(),
            EndpointVersion::V2 => self.v2.current.as_ref(),
        }
    }

    /// Returns true if the last fetch took so long that it counts as lost.
    #[cfg(feature = "async")]
    pub(crate) fn is_lost(&self, version: EndpointVersion, now: Timestamp) -> bool {
        let source = match version {
            EndpointVersion::V1 => &self.v1,
            EndpointVersion::V2 => &self.v2,
        };
        source.is_in_flight && !source.is_in_flight(now)
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn is_in_flight(&self, version: EndpointVersion) -> bool {
        match version {
            EndpointVersion::V1 => self.v1.is_in_flight,
            EndpointVersion::V2 => self.v2.is_in_flight,
        }
    }

    fn source(&mut self, version: EndpointVersion) -> &mut Source {
        match version {
            EndpointVersion::V1 => &mut self.v1,
            EndpointVersion::V2 => &mut self.v2,
        }
    }
}

impl Source {
    fn begin(&mut self, api: &Api, version: EndpointVersion, now: Timestamp) -> Fetch {
        self.began = Some(now);
        self.is_in_flight = true;
        self.number += 1;
        Fetch::numbered(api, version, self.number)
    }

    /// Returns true if a fetch is in flight that does not count as lost.
    fn is_in_flight(&self, now: Timestamp) -> bool {
        let is_lost = self.began.is_some_and(|began| apart(began, now) >= LONGEST_FLIGHT);
        self.is_in_flight && !is_lost
    }

    fn age(&self, now: Timestamp) -> Duration {
        self.current
            .as_ref()
            .map_or(Duration::MAX, |(_, since)| apart(*since, now))
    }

    fn usable(&self, now: Timestamp) -> Option<&KeySet> {
        let (keys, since) = self.current.as_ref()?;
        (apart(*since, now) < LAST_KNOWN_GOOD).then_some(keys)
    }

    /// Returns the rest of the pause after a failure.
    fn pause_left(&self, now: Timestamp) -> Option<Duration> {
        let failure = self.failure.as_ref()?;
        let left = failure.pause.checked_sub(apart(failure.at, now))?;
        (!left.is_zero()).then_some(left)
    }
}

/// Returns the time between two moments, in either order: a clock that was set back causes an extra
/// fetch, but never old keys without an end.
pub(crate) fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

/// The age from which keys are refreshed: 12 hours, as in Microsoft's own libraries.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(12 * 3600);

/// The shortest time from the start of a fetch to a fetch that an unknown `kid` forces: 5 minutes.
pub const FORCED_REFRESH_INTERVAL: Duration = Duration::from_secs(300);

/// The age up to which keys are used while they cannot be refreshed: 24 hours.
pub const LAST_KNOWN_GOOD: Duration = Duration::from_secs(24 * 3600);

/// The time after which a fetch counts as lost: two requests with the usual deadline of 30 seconds,
/// and as much again for a busy machine. Otherwise a transport that never responds, or a runtime
/// that is not polled any more, would make all callers wait forever.
pub(crate) const LONGEST_FLIGHT: Duration = Duration::from_secs(120);

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
