//! The watchers of a slot: the part of its state that they are registered in.

use std::collections::BTreeMap;
use std::task::Waker;

/// The watchers of one slot. They are part of its state, under its lock.
#[derive(Default)]
pub(super) struct Watchers {
    /// The number of changes so far.
    changes: u64,
    last_id: u64,
    count: usize,
    /// The wakers of those that wait, by ID.
    wakers: BTreeMap<u64, Waker>,
}

/// The wakers of those that waited for a change. They run foreign code, so they are called after
/// all locks are released.
#[must_use]
#[derive(Default)]
pub(crate) struct Waiting(BTreeMap<u64, Waker>);

impl Watchers {
    /// Adds a watcher. Returns its ID and the number of changes so far.
    pub(super) fn add(&mut self) -> (u64, u64) {
        self.count += 1;
        self.last_id += 1;
        (self.last_id, self.changes)
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Has the watcher with this ID woken by the next change. Returns its earlier waker.
    pub(super) fn wait(&mut self, id: u64, waker: Waker) -> Option<Waker> {
        self.wakers.insert(id, waker)
    }

    /// Removes the watcher with this ID. Returns its waker.
    pub(super) fn remove(&mut self, id: u64) -> Option<Waker> {
        self.count -= 1;
        self.wakers.remove(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Records a change. Returns the wakers of those that wait for one.
    pub(super) fn record_change(&mut self) -> Waiting {
        self.changes += 1;
        Waiting(std::mem::take(&mut self.wakers))
    }
}

impl Waiting {
    pub(crate) fn wake(self) {
        self.0.into_values().for_each(Waker::wake);
    }
}
