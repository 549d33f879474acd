//! The life of a token: when it came, when it expires, when a cache should ask for the next one.

use std::time::Duration;

use crate::time::Timestamp;

/// When a token came, when it expires, and when to ask for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// When the answer arrived, by the clock here.
    pub received_at: Timestamp,
    /// When the token expires, by the clock here: [`received_at`](Self::received_at) plus the `expires_in` of the answer, so that
    /// a clock that is wrong here does no harm.
    pub expires_at: Timestamp,
    /// When the service wants to be asked for the next one (`refresh_in`), where it said so.
    pub refresh_at: Option<Timestamp>,
}

impl Lifetime {
    /// A life that starts at `received_at`. A `refresh_in` that is no earlier than the end is dropped.
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

/// What a cache should do with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Use it.
    Fresh,
    /// Use it, and ask for the next one meanwhile.
    Due,
    /// Do not use it.
    Missing,
}

/// When a token counts as fresh, due or missing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FreshnessPolicy {
    /// How long before its expiry a token is no longer used: the request that carries it must still arrive. 5 minutes, as in all
    /// the official clients, but no more than [`margin_fraction`](Self::margin_fraction) of its life.
    pub margin: Duration,
    /// The greatest part of a token's life that the margin takes: 0.25. Without that, a token that lives no longer than the margin
    /// would be requested for each use.
    pub margin_fraction: f64,
    /// From which part of its life on a token is due where the service named no moment: 0.5.
    pub refresh_fraction: f64,
    /// The shortest life to which the fraction applies: 2 hours. A shorter one is used until the margin.
    pub refresh_min_life: Duration,
    /// By how much the due moment may move ahead, as a part of the time until it: 0.1. It keeps many processes, which were
    /// started together, from asking together.
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

/// What to do with a token of this lifetime at `now`.
///
/// `draw` spreads the due moment: a number drawn once a token, of which all values are equally likely. A token from the future is
/// missing: the clock was set back since it came, and nobody knows how much of its life is left.
///
/// ```
/// use std::time::Duration;
/// use entra_proto::cache::{Freshness, FreshnessPolicy, Lifetime, freshness};
/// use entra_proto::Timestamp;
///
/// let noon = Timestamp::from_secs(43_200);
/// let life = Lifetime::new(noon, Duration::from_secs(3599), None);
/// let at = |seconds| freshness(&life, noon.plus(Duration::from_secs(seconds)), &FreshnessPolicy::default(), 0);
/// assert_eq!((at(3298), at(3299)), (Freshness::Fresh, Freshness::Missing));
/// ```
#[must_use]
pub fn freshness(lifetime: &Lifetime, now: Timestamp, policy: &FreshnessPolicy, draw: u32) -> Freshness {
    if now < lifetime.received_at {
        return Freshness::Missing;
    }
    policy.stages(lifetime, draw).at(now.since(lifetime.received_at))
}

/// The ages, counted from the token's arrival, at which it becomes due and missing: [`freshness`] worked out in advance, for caches
/// that measure ages by more than one clock. Small and quick to compare: ages are whole nanoseconds, at most some 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    /// No later than `missing`, and the same where the token never is due.
    due: u64,
    missing: u64,
}

impl Stages {
    /// The stages of a token that is missing from the beginning.
    pub const MISSING: Self = Self { due: 0, missing: 0 };

    fn new(due: Duration, missing: Duration) -> Self {
        let missing = nanoseconds(missing);
        Self {
            due: nanoseconds(due).min(missing),
            missing,
        }
    }

    /// Returns the age from which on the token is due. None if it is used until it is missing.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        (self.due < self.missing).then(|| Duration::from_nanos(self.due))
    }

    /// Returns the age from which on the token is missing.
    #[must_use]
    pub fn missing(&self) -> Duration {
        Duration::from_nanos(self.missing)
    }

    /// Returns what to do with a token of this age.
    #[must_use]
    pub fn at(&self, age: Duration) -> Freshness {
        self.at_nanos(nanoseconds(age))
    }

    /// Returns what to do with a token of this age in nanoseconds.
    #[inline]
    #[must_use]
    pub fn at_nanos(&self, age: u64) -> Freshness {
        if age < self.due {
            Freshness::Fresh
        } else if age < self.missing {
            Freshness::Due
        } else {
            Freshness::Missing
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl FreshnessPolicy {
    /// The stages of a token of this lifetime. `draw` is that of [`freshness`].
    #[must_use]
    pub fn stages(&self, lifetime: &Lifetime, draw: u32) -> Stages {
        let life = lifetime.expires_at.since(lifetime.received_at);
        let missing = life.saturating_sub(self.margin.min(part(life, self.margin_fraction)));
        let due_after = match lifetime.refresh_at {
            Some(moment) => moment.since(lifetime.received_at),
            None if life >= self.refresh_min_life => part(life, self.refresh_fraction),
            None => return Stages::new(missing, missing),
        };
        let ahead = part(due_after, self.jitter * f64::from(draw) / f64::from(u32::MAX));
        Stages::new(due_after.saturating_sub(ahead), missing)
    }
}

/// This part of a duration, from none of it to all of it; what is no number is none.
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
    fn a_short_life_is_used_until_the_margin() {
        assert_eq!(at(3599, None, 0, 0), Freshness::Fresh);
        assert_eq!(at(3599, None, 0, 3298), Freshness::Fresh);
        assert_eq!(at(3599, None, 0, 3299), Freshness::Missing);
        assert_eq!(at(1201, None, 0, 900), Freshness::Fresh);
        assert_eq!(at(1201, None, 0, 901), Freshness::Missing);
        assert_eq!(at(0, None, 0, 0), Freshness::Missing);
    }

    #[test]
    fn margin_takes_at_most_a_quarter_of_a_life() {
        for life in [4, 60, 300, 1200] {
            assert_eq!(at(life, None, 0, life * 3 / 4 - 1), Freshness::Fresh, "{life}");
            assert_eq!(at(life, None, 0, life * 3 / 4), Freshness::Missing, "{life}");
        }
        let lifetime = Lifetime::new(START, Duration::from_secs(3600), None);
        let policy = FreshnessPolicy {
            margin: Duration::MAX,
            ..FreshnessPolicy::default()
        };
        assert_eq!(policy.stages(&lifetime, 0).missing(), Duration::from_secs(2700));
    }

    #[test]
    fn a_long_life_is_due_at_its_half() {
        assert_eq!(at(7200, None, 0, 3599), Freshness::Fresh);
        assert_eq!(at(7200, None, 0, 3600), Freshness::Due);
        assert_eq!(at(7199, None, 0, 6000), Freshness::Fresh);
        assert_eq!(at(86400, None, 0, 86099), Freshness::Due);
        assert_eq!(at(86400, None, 0, 86100), Freshness::Missing);
    }

    #[test]
    fn the_services_own_moment_comes_first() {
        assert_eq!(at(3599, Some(1800), 0, 1799), Freshness::Fresh);
        assert_eq!(at(3599, Some(1800), 0, 1800), Freshness::Due);
        assert_eq!(at(3599, Some(4000), 0, 3000), Freshness::Fresh);
    }

    #[test]
    fn jitter_only_moves_it_ahead_and_never_past_a_tenth() {
        assert_eq!(at(7200, None, u32::MAX, 3239), Freshness::Fresh);
        assert_eq!(at(7200, None, u32::MAX, 3240), Freshness::Due);
        assert_eq!(at(7200, None, u32::MAX / 2, 3421), Freshness::Due);
    }

    #[test]
    fn stages_tell_when_a_token_is_due_and_missing() {
        let stages = |life, refresh_in: Option<u64>| {
            let lifetime = Lifetime::new(START, Duration::from_secs(life), refresh_in.map(Duration::from_secs));
            let stages = FreshnessPolicy::default().stages(&lifetime, 0);
            (stages.due().map(|due| due.as_secs()), stages.missing().as_secs())
        };
        assert_eq!(stages(3600, None), (None, 3300));
        assert_eq!(stages(3600, Some(1800)), (Some(1800), 3300));
        // It is missing before the service wants to be asked.
        assert_eq!(stages(3600, Some(3500)), (None, 3300));
        assert_eq!(Stages::MISSING.at(Duration::ZERO), Freshness::Missing);
    }

    #[test]
    fn a_token_from_the_future_is_not_trusted() {
        let lifetime = Lifetime::new(START, Duration::from_secs(3599), None);
        let before = START.minus(Duration::from_secs(1));
        assert_eq!(
            freshness(&lifetime, before, &FreshnessPolicy::default(), 0),
            Freshness::Missing
        );
    }

    #[test]
    fn no_policy_and_no_lifetime_is_too_odd() {
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
                assert!(stages.due <= stages.missing && stages.missing() <= life, "{stages:?}");
                assert_eq!(
                    freshness(&lifetime, START, &policy, u32::MAX),
                    stages.at(START.since(Timestamp::from_secs(0)))
                );
            }
        }
    }
}
