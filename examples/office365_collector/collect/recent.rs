//! The IDs of recent records, for dropping repeated records.

use std::collections::HashSet;

use crate::sink::{Key, Record};

/// The latest IDs: at least a given number of them, and at most twice as many.
///
/// An ID takes 16 bytes and its share of the table, 20 to 39 bytes in all. The older half is
/// dropped as a whole, so that the order of the IDs is not needed.
pub(super) struct Recent {
    newer: HashSet<Key>,
    older: HashSet<Key>,
    least: usize,
}

impl Recent {
    /// Starts with these IDs, oldest first.
    pub(super) fn new(ids: Vec<Key>, least: usize) -> Self {
        let mut recent = Self {
            newer: HashSet::new(),
            older: HashSet::new(),
            least,
        };
        for id in ids {
            recent.insert(id);
        }
        recent
    }

    /// Removes known records, and remembers the others. Returns the number of removed records.
    pub(super) fn drop_known(&mut self, records: &mut Vec<Record>) -> usize {
        let before = records.len();
        records.retain(|record| record.key.is_none_or(|key| self.insert(key)));
        before - records.len()
    }

    fn insert(&mut self, key: Key) -> bool {
        if self.older.contains(&key) || !self.newer.insert(key) {
            return false;
        }
        if self.newer.len() >= self.least {
            self.older = std::mem::take(&mut self.newer);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: Option<&str>) -> Record {
        Record {
            raw: 0..0,
            created: None,
            key: id.map(Key::of),
        }
    }

    #[test]
    fn repeated_records_are_dropped() {
        let mut recent = Recent::new(vec![Key::of("a"), Key::of("b")], 2);
        let mut records = vec![record(Some("b")), record(None), record(None), record(Some("c"))];
        assert_eq!(recent.drop_known(&mut records), 1);
        assert_eq!(records, [record(None), record(None), record(Some("c"))]);
        let mut records = vec![record(Some("c")), record(Some("d")), record(Some("d"))];
        assert_eq!(recent.drop_known(&mut records), 2);
        assert_eq!(records, [record(Some("d"))]);
    }

    #[test]
    fn between_one_and_two_times_the_latest_ids_are_known() {
        let least = 7;
        let ids: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let mut recent = Recent::new(Vec::new(), least);
        for known in 1..=ids.len() {
            let id = &ids[known - 1];
            assert_eq!(recent.drop_known(&mut vec![record(Some(id))]), 0);
            for latest in &ids[known.saturating_sub(least)..known] {
                assert_eq!(
                    recent.drop_known(&mut vec![record(Some(latest))]),
                    1,
                    "{latest} of {known}"
                );
            }
            assert!(recent.newer.len() + recent.older.len() <= 2 * least);
        }
    }
}
