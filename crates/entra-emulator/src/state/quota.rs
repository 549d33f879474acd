//! Limits on the requests that an API accepts from one caller per minute.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::state::lock::lock;

/// The number of requests in the current minute, by caller. Callers are configured tenants and
/// applications, which bounds their number.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    counts: Mutex<HashMap<String, Count>>,
}

#[derive(Debug, Default)]
struct Count {
    /// Minutes since the epoch.
    minute: u64,
    requests: u64,
}

impl Quota {
    /// Counts a request of a caller at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// Returns the number of seconds until the next minute begins if `most` requests were already
    /// counted in this minute.
    pub(crate) fn take(&self, caller: &str, most: u64, now: u64) -> Result<(), u64> {
        let mut counts = lock(&self.counts);
        if !counts.contains_key(caller) {
            counts.insert(caller.to_owned(), Count::default());
        }
        let Some(count) = counts.get_mut(caller) else {
            return Ok(());
        };
        let minute = now / MINUTE;
        if count.minute != minute {
            *count = Count { minute, requests: 0 };
        }
        if count.requests >= most {
            return Err(MINUTE - now % MINUTE);
        }
        count.requests += 1;
        Ok(())
    }

    /// Forgets all requests.
    pub(crate) fn clear(&self) {
        lock(&self.counts).clear();
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
        assert_eq!((take("a", 60), take("a", 90)), (Ok(()), Ok(())));
        assert_eq!((take("a", 90), take("b", 90)), (Err(30), Ok(())));
        assert_eq!((take("a", 119), take("a", 120)), (Err(1), Ok(())));
        // The clock was set back.
        assert_eq!((take("a", 5), take("a", 5), take("a", 5)), (Ok(()), Ok(()), Err(55)));
        assert_eq!((take("a", u64::MAX), quota.take("c", 0, 60)), (Ok(()), Err(60)));
    }
}
