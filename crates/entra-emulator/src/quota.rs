//! How many requests an API takes from one caller in a minute.

use std::collections::HashMap;
use std::sync::Mutex;

/// Requests counted for each caller. Callers are tenants and applications of the configuration, which bounds their number.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    windows: Mutex<HashMap<String, Window>>,
}

/// A minute that begins with the first request.
#[derive(Debug)]
struct Window {
    /// In seconds since the epoch.
    start: u64,
    requests: u64,
}

impl Quota {
    /// Counts a request of a caller at a time in seconds since the epoch.
    ///
    /// # Errors
    /// Returns the number of seconds until the next minute begins if there were `most` requests in this one.
    pub(crate) fn take(&self, caller: &str, most: u64, now: u64) -> Result<(), u64> {
        let mut windows = self.windows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let new = || Window {
            start: now,
            requests: 0,
        };
        let window = windows.entry(caller.to_owned()).or_insert_with(new);
        // A clock that was set back begins another minute as well.
        if !(window.start..window.start.saturating_add(MINUTE)).contains(&now) {
            *window = new();
        }
        if window.requests >= most {
            return Err(window.start.saturating_add(MINUTE) - now);
        }
        window.requests += 1;
        Ok(())
    }

    /// Forgets all requests.
    pub(crate) fn clear(&self) {
        self.windows
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
    }
}

const MINUTE: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_caller_and_minute() {
        let quota = Quota::default();
        let take = |caller: &str, now| quota.take(caller, 2, now);
        assert_eq!((take("a", 100), take("a", 130)), (Ok(()), Ok(())));
        assert_eq!((take("a", 130), take("b", 130)), (Err(30), Ok(())));
        assert_eq!((take("a", 159), take("a", 160)), (Err(1), Ok(())));
        // Set back.
        assert_eq!((take("a", 5), take("a", 5), take("a", 5)), (Ok(()), Ok(()), Err(60)));
        assert_eq!((take("a", u64::MAX), quota.take("c", 0, 7)), (Ok(()), Err(60)));
    }
}
