//! How often something may happen.

use std::time::Duration;

use crate::place::Place;

/// Lets something happen some times a minute, and fewer times for one place: what one path does takes little from the others.
pub(crate) struct Pace {
    of_one_path: usize,
    /// What was admitted within the last minute, by the monotonic clock.
    admitted: Vec<(Duration, Place)>,
}

impl Pace {
    pub(crate) fn new(of_one_path: usize) -> Self {
        let admitted = Vec::new();
        Self { of_one_path, admitted }
    }

    pub(crate) fn admit(&mut self, now: Duration, place: Place) -> bool {
        self.admitted.retain(|(at, _)| now.saturating_sub(*at) < MINUTE);
        let of_this = self.admitted.iter().filter(|(_, other)| other.is_same(place)).count();
        // Paths that come again and again leave something to those that come for the first time.
        let most = if of_this == 0 { MOST } else { MOST / 2 };
        let admits = of_this < self.of_one_path && self.admitted.len() < most;
        if admits {
            self.admitted.push((now, place));
        }
        admits
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// How often it may happen within a minute for all paths together.
const MOST: usize = 10;
