//! The map of slots: found by key, and iterated in an order that allows to pause.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;

use super::key::KeyRef;
use super::slot::Slot;

/// Slots by key and in an order.
#[derive(Default)]
pub(super) struct Map {
    entries: HashSet<Entry, RandomState>,
    /// The same slots in an order, so that an iteration can release the lock and resume. Each slot
    /// holds its index.
    pub(super) order: Vec<Arc<Slot>>,
}

impl Map {
    /// Returns the slot of `key`, if there is one.
    pub(super) fn get(&self, key: KeyRef<'_>) -> Option<&Arc<Slot>> {
        self.entries.get(&key as &dyn Keyed).map(|entry| &entry.0)
    }

    pub(super) fn insert(&mut self, slot: Arc<Slot>) {
        slot.map_index.store(to_u32(self.order.len()), Ordering::Relaxed);
        self.order.push(Arc::clone(&slot));
        self.entries.insert(Entry(slot));
    }

    /// Removes a slot. Returns true if it was in the map.
    pub(super) fn remove(&mut self, slot: &Arc<Slot>) -> bool {
        let index = slot.map_index.load(Ordering::Relaxed) as usize;
        if !self.order.get(index).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            return false;
        }
        self.order.swap_remove(index);
        if let Some(moved) = self.order.get(index) {
            moved.map_index.store(to_u32(index), Ordering::Relaxed);
        }
        self.entries.remove(slot as &dyn Keyed)
    }
}

/// Converts an index. Memory is exhausted long before `u32` is.
fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A type with a key, so that the map can be searched with a borrowed one.
trait Keyed {
    fn key_ref(&self) -> KeyRef<'_>;
}

impl Keyed for KeyRef<'_> {
    fn key_ref(&self) -> KeyRef<'_> {
        *self
    }
}

impl Keyed for Arc<Slot> {
    fn key_ref(&self) -> KeyRef<'_> {
        self.key().view()
    }
}

impl PartialEq for dyn Keyed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key_ref() == other.key_ref()
    }
}

impl Eq for dyn Keyed + '_ {}

impl Hash for dyn Keyed + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key_ref().hash(state);
    }
}

/// A slot in the map, found by its key.
struct Entry(Arc<Slot>);

impl<'a> Borrow<dyn Keyed + 'a> for Entry {
    fn borrow(&self) -> &(dyn Keyed + 'a) {
        &self.0
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_ref() == other.0.key_ref()
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key_ref().hash(state);
    }
}
