//! The schedules of the platforms: which failures are temporary, and the waits after them.

use std::time::Duration;

use crate::managed_identity::source::Source;

/// A temporary failure of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The platform is busy, or the connection broke.
    Busy,
    /// The instance metadata service is being upgraded, which takes up to 70 s.
    Upgrade,
}

impl Failure {
    /// Returns the failure that a status means, or `None` if it is permanent.
    pub(super) fn of(source: Source, status: u16) -> Option<Self> {
        match (source, status) {
            (Source::Imds, 410) => Some(Self::Upgrade),
            (Source::Imds, 404 | 408 | 429 | 500..=599) => Some(Self::Busy),
            (Source::Imds, _) | (Source::ServiceFabric, 404) => None,
            (_, 404 | 408 | 429 | 500 | 502 | 503 | 504) => Some(Self::Busy),
            _ => None,
        }
    }
}

/// The failures of one acquisition. Each acquisition counts its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failures {
    busy: u32,
    upgrade: u32,
}

/// The wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) duration: Duration,
    /// `true` if a random delay is added.
    pub(crate) is_spread: bool,
}

impl Failures {
    /// Returns the number of failed attempts.
    pub(crate) fn count(self) -> u32 {
        self.busy.saturating_add(self.upgrade)
    }

    /// Returns whether the platform was upgraded during the acquisition.
    pub(crate) fn has_upgrade(self) -> bool {
        self.upgrade > 0
    }

    /// Counts a failure. Returns the wait before the next attempt, or `None` if the platform's
    /// schedule ends here.
    pub(crate) fn add(&mut self, source: Source, failure: Failure) -> Option<Wait> {
        match failure {
            Failure::Upgrade => {
                self.upgrade = self.upgrade.saturating_add(1);
                (self.upgrade <= MAX_UPGRADE).then_some(Wait {
                    duration: UPGRADE_WAIT,
                    is_spread: false,
                })
            }
            Failure::Busy => {
                self.busy = self.busy.saturating_add(1);
                let is_imds = source == Source::Imds;
                let doublings = if is_imds { self.busy - 1 } else { 0 };
                (self.busy <= MAX_BUSY).then(|| Wait {
                    duration: Duration::from_secs(1 << doublings.min(8)),
                    is_spread: is_imds,
                })
            }
        }
    }
}

/// The maximum number of attempts after failures of a platform that is busy.
const MAX_BUSY: u32 = 3;

/// The maximum number of attempts during an upgrade: 70 s.
const MAX_UPGRADE: u32 = 7;

const UPGRADE_WAIT: Duration = Duration::from_secs(10);

/// The time in which attempts may begin during an upgrade: 70 s of waits, and the requests between
/// them.
pub(crate) const UPGRADE_DEADLINE: Duration = Duration::from_secs(90);
