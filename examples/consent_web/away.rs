//! The consents whose browsers are away at Entra.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use entra_client::PendingConsent;

use crate::browser::Browser;

/// What is kept for browsers while they are away: each for its browser alone, once, for a while, and no more than a bounded number.
///
/// Kept here and not in a cookie, so that it is gone when it was used, whatever the browser sends again.
pub(crate) struct Away {
    most: usize,
    entries: Mutex<HashMap<(Browser, String), Entry>>,
}

struct Entry {
    pending: PendingConsent,
    since: Instant,
}

impl Away {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::default(),
        }
    }

    /// Keeps it under its state. Where there is no room, whoever is away for the longest time is given up.
    pub(crate) fn keep(&self, browser: Browser, pending: PendingConsent, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.is_alive(now));
        if entries.len() >= self.most {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.remove(&oldest);
            }
        }
        let key = (browser, pending.state().to_owned());
        entries.insert(key, Entry { pending, since: now });
    }

    /// Hands out what was kept for this browser under this state, once. A wrong state costs nothing, so that nobody can end a sign-in by
    /// a forged redirect.
    pub(crate) fn take(&self, browser: &Browser, state: &str, now: Instant) -> Option<PendingConsent> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.remove(&(browser.clone(), state.to_owned()))?;
        entry.is_alive(now).then_some(entry.pending)
    }
}

impl Entry {
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

    /// A consent of its own each time; nothing is sent anywhere.
    fn pending(number: usize) -> PendingConsent {
        let asked = "authority=https://login.microsoftonline.com/common&client_id=535fb089-9ff3-47b6-9bfb-4f1264799865";
        format!("admin_consent {asked}&state={number:0>43}").parse().unwrap()
    }

    #[test]
    fn it_is_handed_out_once_and_to_its_own_browser() {
        let (away, now) = (Away::new(4), Instant::now());
        let browsers = Browsers::new(true).unwrap();
        let (one, other) = (browsers.welcome().unwrap().0, browsers.welcome().unwrap().0);
        let (first, second) = (pending(1), pending(2));
        away.keep(one.clone(), first.clone(), now);
        away.keep(one.clone(), second.clone(), now);
        assert!(away.take(&other, first.state(), now).is_none(), "another browser");
        assert!(away.take(&one, "another state", now).is_none());
        assert_eq!(away.take(&one, first.state(), now).unwrap().state(), first.state());
        assert!(away.take(&one, first.state(), now).is_none(), "the second time");
        assert!(away.take(&one, second.state(), now + LIFE).is_none(), "too late");
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        let (away, start) = (Away::new(3), Instant::now());
        let (browser, _) = Browsers::new(true).unwrap().welcome().unwrap();
        for number in 0..10 {
            away.keep(
                browser.clone(),
                pending(number),
                start + Duration::from_secs(number as u64),
            );
            assert!(away.entries.lock().unwrap().len() <= 3);
        }
        let now = start + Duration::from_secs(10);
        assert!(away.take(&browser, pending(6).state(), now).is_none());
        assert!(away.take(&browser, pending(7).state(), now).is_some());
        away.keep(browser, pending(10), now + LIFE);
        assert_eq!(away.entries.lock().unwrap().len(), 1, "what is too old is dropped");
    }
}
