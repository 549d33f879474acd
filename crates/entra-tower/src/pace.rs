//! How often something may happen.

use std::time::Duration;

use crate::place::Place;

/// Lets something happen some times a minute, and fewer times for one place: what one path does takes little from the others.
pub(crate) struct Pace {
    bounds: Bounds,
    /// What was admitted within the last minute.
    admitted: Vec<Admitted>,
}

/// How often something may happen within a minute.
pub(crate) struct Bounds {
    pub(crate) most: usize,
    pub(crate) of_one_path: usize,
    /// As long as nothing shows that it was of use.
    pub(crate) of_one_path_in_vain: usize,
}

struct Admitted {
    /// By the monotonic clock.
    at: Duration,
    place: Place,
    was_of_use: bool,
}

impl Pace {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let admitted = Vec::new();
        Self { bounds, admitted }
    }

    pub(crate) fn admit(&mut self, now: Duration, place: Place) -> bool {
        self.admitted
            .retain(|admitted| now.saturating_sub(admitted.at) < MINUTE);
        let of_this = || self.admitted.iter().filter(|admitted| admitted.place.is_same(place));
        let in_vain = of_this().filter(|admitted| !admitted.was_of_use).count();
        let admits = self.admitted.len() < self.bounds.most
            && of_this().count() < self.bounds.of_one_path
            && in_vain < self.bounds.of_one_path_in_vain;
        if admits {
            self.admitted.push(Admitted {
                at: now,
                place,
                was_of_use: false,
            });
        }
        admits
    }

    /// Whether it is not known yet if the last time for this place was of use.
    pub(crate) fn is_open(&self, place: Place) -> bool {
        let mut admitted = self.admitted.iter();
        admitted.any(|admitted| !admitted.was_of_use && admitted.place.is_same(place))
    }

    /// What was admitted for this place was of use.
    pub(crate) fn confirm(&mut self, place: Place) {
        for admitted in self.admitted.iter_mut().filter(|other| other.place.is_same(place)) {
            admitted.was_of_use = true;
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
