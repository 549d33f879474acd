//! How often something may happen.

use std::time::Duration;

use crate::place::Place;

/// Lets something happen some times a minute, and fewer times for one place: what one path does takes little from the others.
pub(crate) struct Pace {
    most: usize,
    most_of_one: usize,
    /// What was admitted within the last minute: when, by the monotonic clock, and for which place.
    admitted: Vec<(Duration, Place)>,
}

impl Pace {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            admitted: Vec::new(),
        }
    }

    pub(crate) fn admit(&mut self, now: Duration, place: Place) -> bool {
        self.admitted
            .retain(|(admitted, _)| now.saturating_sub(*admitted) < MINUTE);
        let of_this = self.admitted.iter().filter(|(_, other)| other.is_same(place)).count();
        let admits = self.admitted.len() < self.most && of_this < self.most_of_one;
        if admits {
            self.admitted.push((now, place));
        }
        admits
    }
}

const MINUTE: Duration = Duration::from_secs(60);
