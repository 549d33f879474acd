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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Places;

    #[test]
    fn paths_that_come_again_leave_some_to_others() {
        let places = Places::new(1);
        let place = |path: usize| {
            let request = http::Request::get(format!("https://a.test/{path}"));
            places.of(&request.body(()).unwrap())
        };
        let (mut pace, now) = (Pace::new(2), Duration::from_secs(1000));
        let admitted = (0..6).map(|path| (0..3).filter(|_| pace.admit(now, place(path))).count());
        assert_eq!(admitted.collect::<Vec<_>>(), [2, 2, 1, 1, 1, 1]);
        assert!(!pace.admit(now + MINUTE / 2, place(5)) && pace.admit(now + MINUTE / 2, place(6)));
        assert!(
            (0..100)
                .filter(|path| pace.admit(now + MINUTE / 2, place(*path)))
                .count()
                <= 2
        );
        assert!(pace.admit(now + MINUTE, place(0)));
    }
}
