//! A limit on the number of token requests per minute.

use std::time::Duration;

use crate::path_id::PathId;

/// A limit per minute, with a lower one for each path: one path takes little from the others.
pub(crate) struct RateLimit {
    per_path: usize,
    /// The events admitted within the last minute, by the monotonic clock.
    admitted: Vec<(Duration, PathId)>,
}

impl RateLimit {
    pub(crate) fn new(per_path: usize) -> Self {
        let admitted = Vec::new();
        Self { per_path, admitted }
    }

    pub(crate) fn admit(&mut self, now: Duration, path_id: PathId) -> bool {
        self.admitted.retain(|(at, _)| now.saturating_sub(*at) < MINUTE);
        let of_this = self.admitted.iter().filter(|(_, other)| other.is_same(path_id)).count();
        // Paths that return leave something to those that come for the first time.
        let most = if of_this == 0 {
            MAX_PER_MINUTE
        } else {
            MAX_PER_MINUTE / 2
        };
        let admits = of_this < self.per_path && self.admitted.len() < most;
        if admits {
            self.admitted.push((now, path_id));
        }
        admits
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// The limit per minute for all paths together.
const MAX_PER_MINUTE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path_id::PathIds;

    #[test]
    fn returning_paths_leave_some_to_others() {
        let path_ids = PathIds::new(1);
        let path_id = |path: usize| {
            let request = http::Request::get(format!("https://a.test/{path}"));
            path_ids.of(&request.body(()).unwrap())
        };
        let (mut rate_limit, now) = (RateLimit::new(2), Duration::from_secs(1000));
        let admitted = (0..6).map(|path| (0..3).filter(|_| rate_limit.admit(now, path_id(path))).count());
        assert_eq!(admitted.collect::<Vec<_>>(), [2, 2, 1, 1, 1, 1]);
        assert!(!rate_limit.admit(now + MINUTE / 2, path_id(5)) && rate_limit.admit(now + MINUTE / 2, path_id(6)));
        assert!(
            (0..100)
                .filter(|path| rate_limit.admit(now + MINUTE / 2, path_id(*path)))
                .count()
                <= 2
        );
        assert!(rate_limit.admit(now + MINUTE, path_id(0)));
    }
}
