//! A watcher: a task or a thread that waits for the next change of a slot.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::slot::Slot;
use super::sync::lock;

/// A party that waits for changes of a slot: a token that is replaced or dropped, and the end of a
/// flight.
pub(crate) struct Watcher {
    slot: Arc<Slot>,
    /// The ID among the watchers of the slot.
    id: u64,
    /// The last change that this watcher has noticed.
    noticed: u64,
}

impl Watcher {
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        let (id, noticed) = {
            let mut state = lock(&slot.state);
            state.events_mut().watchers.get_or_insert_default().add()
        };
        Self { slot, id, noticed }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Ready if the slot has changed since the last time that this was ready. Otherwise the waker
    /// is woken by the next change.
    pub(crate) fn poll_change(&mut self, cx: &Context<'_>) -> Poll<()> {
        // Cloned and dropped outside of the lock, since a waker runs foreign code.
        let waker = cx.waker().clone();
        let replaced = {
            let mut state = lock(&self.slot.state);
            let watchers = state.events_mut().watchers.get_or_insert_default();
            if watchers.changes() != self.noticed {
                self.noticed = watchers.changes();
                return Poll::Ready(());
            }
            watchers.wait(self.id, waker)
        };
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let removed = {
            let mut state = lock(&self.slot.state);
            let registered = &mut state.events_mut().watchers;
            let Some(watchers) = registered else { return };
            let waker = watchers.remove(self.id);
            if watchers.is_empty() {
                *registered = None;
            }
            waker
        };
        drop(removed);
    }
}
