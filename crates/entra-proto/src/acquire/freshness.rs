//! The lifetime of a token: its arrival, its expiry, and the moment at which a cache refreshes it.

use std::time::Duration;

use crate::time::Timestamp;

/// The arrival and expiry of a token, and the moment at which to request its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// The arrival of the response, by the local clock.
    pub received_at: Timestamp,
    /// The expiry of the token, by the local clock: [`received_at`](Self::received_at) plus the
    /// `expires_in` of the response, so that a wrong local clock does no harm.
    pub expires_at: Timestamp,
    /// The moment at which the service wants the token to be refreshed (`refresh_in`), if it named
    /// one.
    pub refresh_at: Option<Timestamp>,
}

impl Lifetime {
    /// Creates a lifetime that starts at `received_at`. Ignores a `refresh_in` that is not before
    /// the expiry.
    #[must_use]
    pub fn new(received_at: Timestamp, expires_in: Duration, refresh_in: Option<Duration>) -> Self {
        let refresh_in = refresh_in.filter(|refresh_in| *refresh_in < expires_in);
        Self {
            received_at,
            expires_at: received_at.plus(expires_in),
            refresh_at: refresh_in.map(|refresh_in| received_at.plus(refresh_in)),
        }
    }
}

/// The action that a cache takes for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Use the token.
    Fresh,
    /// Use the token, and request a new one in the background.
    NeedsRefresh,
    /// Do not use the token: it has expired, or its expiry is closer than the margin.
    Expired,
}

/// The rules that decide when a token is refreshed and when it is no longer used.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FreshnessPolicy {
    /// The time before its expiry from which a token is no longer used, because the request that
    /// carries it must still arrive. 5 minutes, as in all official clients, but at most
    /// [`margin_fraction`](Self::margin_fraction) of the token's lifetime.
    pub margin: Duration,
    /// The largest part of a token's lifetime that the margin takes: 0.25. Without this limit, a
    /// token that lives no longer than the margin would be requested for each use.
    pub margin_fraction: f64,
    /// The part of its lifetime after which a token is refreshed if the service named no moment:
    /// 0.5.
    pub refresh_fraction: f64,
    /// The shortest lifetime to which `refresh_fraction` applies: 2 hours. A token with a shorter
    /// one is used until the margin.
    pub refresh_min_life: Duration,
    /// The largest random shift of the refresh to an earlier moment, as a part of the time until
    /// it: 0.1. It spreads the requests of many processes that were started together.
    pub jitter: f64,
}

impl Default for FreshnessPolicy {
    fn default() -> Self {
        Self {
            margin: Duration::from_secs(5 * 60),
            margin_fraction: 0.25,
            refresh_fraction: 0.5,
            refresh_min_life: Duration::from_secs(2 * 60 * 60),
            jitter: 0.1,
        }
    }
}

/// Returns the action for a token of this lifetime at `now`.
///
/// `draw` spreads the refreshes: a uniformly distributed random number, drawn once per token. A
/// token from the future counts as [`Expired`](Freshness::Expired): the clock was set back since
/// the token arrived, so its remaining lifetime is unknown.
///
/// ```
/// use std::time::Duration;
/// use entra_proto::cache::{Freshness, FreshnessPolicy, Lifetime, freshness};
/// use entra_proto::Timestamp;
///
/// let noon = Timestamp::from_secs(43_200);
/// let life = Lifetime::new(noon, Duration::from_secs(3599), None);
/// let at = |seconds| {
///     let now = noon.plus(Duration::from_secs(seconds));
///     freshness(&life, now, &FreshnessPolicy::default(), 0)
/// };
/// assert_eq!((at(3298), at(3299)), (Freshness::Fresh, Freshness::Expired));
/// ```
#[must_use]
pub fn freshness(lifetime: &Lifetime, now: Timestamp, policy: &FreshnessPolicy, draw: u32) -> Freshness {
    if now < lifetime.received_at {
        return Freshness::Expired;
    }
    policy.stages(lifetime, draw).at(now.since(lifetime.received_at))
}

/// The ages of a token, counted from its arrival, at which it is refreshed and no longer used:
/// [`freshness`] computed in advance, for caches that measure ages by more than one clock. Ages are
/// whole nanoseconds, at most about 584 years, so that a comparison is cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    /// At most `expiry`; equal to `expiry` if the token is never refreshed before it.
    refresh: u64,
    expiry: u64,
}

impl Stages {
    /// The stages of a token that must not be used at all.
    pub const EXPIRED: Self = Self { refresh: 0, expiry: 0 };

    fn new(refresh: Duration, expiry: Duration) -> Self {
        let expiry = nanoseconds(expiry);
        Self {
            refresh: nanoseconds(refresh).min(expiry),
            expiry,
        }
    }

    /// Returns the age at which the token is refreshed, or `None` if it is used unchanged until
    /// [`expiry_age`](Self::expiry_age).
    #[must_use]
    pub fn refresh_age(&self) -> Option<Duration> {
        (self.refresh < self.expiry).then(|| Duration::from_nanos(self.refresh))
    }

    /// Returns the age from which the token is no longer used.
    #[must_use]
    pub fn expiry_age(&self) -> Duration {
        Duration::from_nanos(self.expiry)
    }

    /// Returns the action for a token of this age.
    #[must_use]
    pub fn at(&self, age: Duration) -> Freshness {
        self.at_nanos(nanoseconds(age))
    }

    /// Returns the action for a token of this age in nanoseconds.
    #[inline]
    #[must_use]
    pub fn at_nanos(&self, age: u64) -> Freshness {
        if age < self.refresh {
            Freshness::Fresh
        } else if age < self.expiry {
            Freshness::NeedsRefresh
        } else {
            Freshness::Expired
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl FreshnessPolicy {
    /// Returns the stages of a token of this lifetime. `draw` is the random number of
    /// [`freshness`].
    #[must_use]
    pub fn stages(&self, lifetime: &Lifetime, draw: u32) -> Stages {
        let life = lifetime.expires_at.since(lifetime.received_at);
        let expiry = life.saturating_sub(self.margin.min(part(life, self.margin_fraction)));
        let refresh = match lifetime.refresh_at {
            Some(moment) => moment.since(lifetime.received_at),
            None if life >= self.refresh_min_life => part(life, self.refresh_fraction),
            None => return Stages::new(expiry, expiry),
        };
        let ahead = part(refresh, self.jitter * f64::from(draw) / f64::from(u32::MAX));
        Stages::new(refresh.saturating_sub(ahead), expiry)
    }
}

/// Multiplies `duration` by `fraction`, clamped to 0..=1. NaN counts as 0.
pub(super) fn part(duration: Duration, fraction: f64) -> Duration {
    let fraction = if fraction.is_nan() {
        0.0
    } else {
        fraction.clamp(0.0, 1.0)
    };
    Duration::try_from_secs_f64(duration.as_secs_f64() * fraction)
        .unwrap_or(duration)
        .min(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_767_225_600);

    fn at(life: u64, refresh_in: Option<u64>, draw: u32, age: u64) -> Freshness {
        let lifetime = Lifetime::new(START, Duration::from_secs(life), refresh_in.map(Duration::from_secs));
        freshness(
            &lifetime,
            START.plus(Duration::from_secs(age)),
            &FreshnessPolicy::default(),
            draw,
        )
    }

    #[test]
    fn short_lived_token_is_used_until_the_margin() {
        assert_eq!(at(3599, None, 0, 0), Freshness::Fresh);
        assert_eq!(at(3599, None, 0, 3298), Freshness::Fresh);
        assert_eq!(at(3599, None, 0, 3299), Freshness::Expired);
        assert_eq!(at(1201, None, 0, 900), Freshness::Fresh);
        assert_eq!(at(1201, None, 0, 901), Freshness::Expired);
        assert_eq!(at(0, None, 0, 0), Freshness::Expired);
    }

    #[test]
    fn margin_takes_at_most_a_quarter_of_the_lifetime() {
        for life in [4, 60, 300, 1200] {
            assert_eq!(at(life, None, 0, life * 3 / 4 - 1), Freshness::Fresh, "{life}");
            assert_eq!(at(life, None, 0, life * 3 / 4), Freshness::Expired, "{life}");
        }
        let lifetime = Lifetime::new(START, Duration::from_secs(3600), None);
        let policy = FreshnessPolicy {
            margin: Duration::MAX,
            ..FreshnessPolicy::default()
        };
        assert_eq!(policy.stages(&lifetime, 0).expiry_age(), Duration::from_secs(2700));
    }

    #[test]
    fn long_lived_token_is_refreshed_at_half_its_lifetime() {
        assert_eq!(at(7200, None, 0, 3599), Freshness::Fresh);
        assert_eq!(at(7200, None, 0, 3600), Freshness::NeedsRefresh);
        assert_eq!(at(7199, None, 0, 6000), Freshness::Fresh);
        assert_eq!(at(86400, None, 0, 86099), Freshness::NeedsRefresh);
        assert_eq!(at(86400, None, 0, 86100), Freshness::Expired);
    }

    #[test]
    fn refresh_in_of_the_service_takes_precedence() {
        assert_eq!(at(3599, Some(1800), 0, 1799), Freshness::Fresh);
        assert_eq!(at(3599, Some(1800), 0, 1800), Freshness::NeedsRefresh);
        assert_eq!(at(3599, Some(4000), 0, 3000), Freshness::Fresh);
    }

    #[test]
    fn jitter_moves_the_refresh_ahead_by_at_most_a_tenth() {
        assert_eq!(at(7200, None, u32::MAX, 3239), Freshness::Fresh);
        assert_eq!(at(7200, None, u32::MAX, 3240), Freshness::NeedsRefresh);
        assert_eq!(at(7200, None, u32::MAX / 2, 3421), Freshness::NeedsRefresh);
    }

    #[test]
    fn stages_hold_the_ages_of_refresh_and_expiry() {
        let stages = |life, refresh_in: Option<u64>| {
            let lifetime = Lifetime::new(START, Duration::from_secs(life), refresh_in.map(Duration::from_secs));
            let stages = FreshnessPolicy::default().stages(&lifetime, 0);
            (
                stages.refresh_age().map(|age| age.as_secs()),
                stages.expiry_age().as_secs(),
            )
        };
        assert_eq!(stages(3600, None), (None, 3300));
        assert_eq!(stages(3600, Some(1800)), (Some(1800), 3300));
        // The margin begins before the moment that the service named.
        assert_eq!(stages(3600, Some(3500)), (None, 3300));
        assert_eq!(Stages::EXPIRED.at(Duration::ZERO), Freshness::Expired);
    }

    #[test]
    fn token_from_the_future_is_not_used() {
        let lifetime = Lifetime::new(START, Duration::from_secs(3599), None);
        let before = START.minus(Duration::from_secs(1));
        assert_eq!(
            freshness(&lifetime, before, &FreshnessPolicy::default(), 0),
            Freshness::Expired
        );
    }

    #[test]
    fn extreme_policies_and_lifetimes_keep_the_stages_ordered() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 1e300];
        for (fraction, jitter) in odd.iter().flat_map(|one| odd.map(|other| (*one, other))) {
            let policy = FreshnessPolicy {
                refresh_fraction: fraction,
                margin_fraction: fraction,
                jitter,
                ..FreshnessPolicy::default()
            };
            for life in [Duration::ZERO, Duration::from_secs(u64::MAX), Duration::MAX] {
                let lifetime = Lifetime::new(Timestamp::from_secs(0), life, Some(Duration::from_secs(u64::MAX)));
                let stages = policy.stages(&lifetime, u32::MAX);
                assert!(
                    stages.refresh <= stages.expiry && stages.expiry_age() <= life,
                    "{stages:?}"
                );
                assert_eq!(
                    freshness(&lifetime, START, &policy, u32::MAX),
                    stages.at(START.since(Timestamp::from_secs(0)))
                );
            }
        }
    }
}
