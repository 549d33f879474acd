//! Record ids of late: repeated records are dropped.

use std::collections::HashSet;

use crate::sink::{Key, Record};

/// The latest ids: at least a given number of them, and at most twice as many.
///
/// An id takes 16 bytes and its share of the table, 20 to 39 in all. The older half is dropped as a
/// whole, so that no order has to be kept.
pub(super) struct Recent {
    newer: HashSet<Key>,
    older: HashSet<Key>,
    least: usize,
}

impl Recent {
    /// Starts from these ids, oldest first.
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

    /// Removes the records that are known already, and knows the others from now on. Returns how
    /// many were removed.
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
    fn at_least_the_latest_ids_are_known_and_at_most_twice_as_many() {
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
