//! What is kept for a browser between two of its requests: consents while it is at Entra, records that were fetched for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::browser::Browser;

/// Values that are kept for browsers: each for its browser alone, for a while, and no more than a bounded number.
///
/// They are kept here and not in cookies, so that a value is gone once it is taken, whatever the browser sends again.
pub(crate) struct Kept<K, V> {
    most: usize,
    entries: Mutex<HashMap<(Browser, K), Entry<V>>>,
}

struct Entry<V> {
    value: V,
    since: Instant,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::default(),
        }
    }

    /// Keeps a value under this key. If there is no room, the oldest value is dropped.
    pub(crate) fn keep(&self, browser: Browser, key: K, value: V, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.is_alive(now));
        let key = (browser, key);
        if entries.len() >= self.most && !entries.contains_key(&key) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.remove(&oldest);
            }
        }
        entries.insert(key, Entry { value, since: now });
    }

    /// Returns the value that was kept for this browser under this key, and forgets it. A wrong key costs nothing, so that a forged
    /// redirect ends no sign-in.
    pub(crate) fn take(&self, browser: &Browser, key: K, now: Instant) -> Option<V> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.remove(&(browser.clone(), key))?;
        entry.is_alive(now).then_some(entry.value)
    }

    /// Returns the value that was kept for this browser under this key.
    pub(crate) fn get(&self, browser: &Browser, key: K, now: Instant) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&(browser.clone(), key))?;
        entry.is_alive(now).then(|| entry.value.clone())
    }
}

impl<V> Entry<V> {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < LIFE
    }
}

/// Time enough to find the password and the second factor.
pub(crate) const LIFE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::Browsers;

    #[test]
    fn values_are_for_their_own_browser_and_taken_once() {
        let (kept, now) = (Kept::new(4), Instant::now());
        let browsers = Browsers::new(true).unwrap();
        let (one, other) = (browsers.welcome().unwrap().0, browsers.welcome().unwrap().0);
        kept.keep(one.clone(), 1, "first", now);
        kept.keep(one.clone(), 2, "second", now);
        assert_eq!(kept.take(&other, 1, now), None, "another browser");
        assert_eq!(kept.get(&other, 1, now), None, "another browser");
        assert_eq!(kept.take(&one, 3, now), None);
        assert_eq!(kept.get(&one, 1, now), Some("first"));
        assert_eq!(kept.take(&one, 1, now), Some("first"));
        assert_eq!(kept.take(&one, 1, now), None, "the second time");
        assert_eq!(kept.get(&one, 2, now + LIFE), None, "too late");
        assert_eq!(kept.take(&one, 2, now + LIFE), None, "too late");
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        let (kept, start) = (Kept::new(3), Instant::now());
        let (browser, _) = Browsers::new(true).unwrap().welcome().unwrap();
        for number in 0..10 {
            kept.keep(browser.clone(), number, (), start + Duration::from_secs(number));
            assert!(kept.entries.lock().unwrap().len() <= 3);
        }
        let now = start + Duration::from_secs(10);
        // The same key again takes no room.
        kept.keep(browser.clone(), 9, (), now);
        assert!(kept.take(&browser, 6, now).is_none());
        assert!(kept.take(&browser, 7, now).is_some());
        kept.keep(browser, 10, (), now + LIFE);
        assert_eq!(kept.entries.lock().unwrap().len(), 1, "what is too old is dropped");
    }
}
