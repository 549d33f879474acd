//! Detection of assertions that are used twice.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use crate::certificate::sha256;
use crate::state::lock::lock;

/// The used assertions that have not expired yet, in a bounded number.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: HashMap<Vec<u8>, u64>,
    by_expiry: BTreeSet<(u64, Vec<u8>)>,
}

impl Replays {
    /// Forgets every use.
    pub(crate) fn clear(&self) {
        *lock(&self.state) = State::default();
    }

    /// Records the use of an assertion that expires at `until`, and returns false if it was used
    /// before. Times are in seconds since the epoch. If there are too many, those that expire first
    /// are forgotten.
    pub(crate) fn record(&self, client_id: &str, id: &str, now: u64, until: u64) -> bool {
        let key = sha256(format!("{client_id}\n{id}").as_bytes());
        let mut state = lock(&self.state);
        while state.by_expiry.first().is_some_and(|(expiry, _)| *expiry < now) {
            state.forget_first();
        }
        if state.seen.contains_key(&key) {
            return false;
        }
        while state.seen.len() >= MOST {
            state.forget_first();
        }
        state.by_expiry.insert((until, key.clone()));
        state.seen.insert(key, until);
        true
    }
}

impl State {
    fn forget_first(&mut self) {
        if let Some((_, key)) = self.by_expiry.pop_first() {
            self.seen.remove(&key);
        }
    }
}

const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_use_is_detected_until_the_assertion_expires() {
        let replays = Replays::default();
        assert!(replays.record("a", "1", 0, 10));
        assert!(!replays.record("a", "1", 10, 10));
        assert!(replays.record("b", "1", 10, 10), "IDs are separate per client");
        assert!(replays.record("a", "1", 11, 20));
    }

    #[test]
    fn memory_is_bounded() {
        let replays = Replays::default();
        for number in 0..2 * MOST as u64 {
            assert!(replays.record("a", &number.to_string(), 0, number));
        }
        let state = replays.state.lock().unwrap();
        assert_eq!((state.seen.len(), state.by_expiry.len()), (MOST, MOST));
    }
}
