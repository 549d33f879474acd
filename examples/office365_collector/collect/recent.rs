//! Record ids of late: repeated records are dropped.

use std::collections::{HashSet, VecDeque};

use crate::sink::{Key, Record};

/// The latest ids, a bounded number of them.
pub(super) struct Recent {
    known: HashSet<Key>,
    order: VecDeque<Key>,
    most: usize,
}

impl Recent {
    /// Starts from these ids, oldest first.
    pub(super) fn new(ids: Vec<Key>, most: usize) -> Self {
        let mut recent = Self {
            known: HashSet::new(),
            order: VecDeque::new(),
            most,
        };
        for id in ids {
            recent.insert(id);
        }
        recent
    }

    /// Removes the records that are known already, and knows the others from now on. Returns how many were removed.
    pub(super) fn drop_known(&mut self, records: &mut Vec<Record>) -> usize {
        let before = records.len();
        records.retain(|record| record.key.is_none_or(|key| self.insert(key)));
        before - records.len()
    }

    fn insert(&mut self, key: Key) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_records_are_dropped_within_the_bound() {
        let record = |id: Option<&str>| Record {
            raw: 0..0,
            created: None,
            key: id.map(Key::of),
        };
        let mut recent = Recent::new(vec![Key::of("a"), Key::of("b")], 2);
        let mut records = vec![record(Some("b")), record(None), record(None), record(Some("c"))];
        assert_eq!(recent.drop_known(&mut records), 1);
        assert_eq!(records, [record(None), record(None), record(Some("c"))]);
        // "c" has displaced "a".
        let mut records = vec![record(Some("a")), record(Some("c"))];
        assert_eq!(recent.drop_known(&mut records), 1);
        assert_eq!((recent.known.len(), recent.order.len()), (2, 2));
    }
}
