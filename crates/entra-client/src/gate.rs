//! A bound on the number of things that happen at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A semaphore that never waits: a full gate rejects.
pub(crate) struct Gate {
    limit: usize,
    inside: AtomicUsize,
}

/// An entry of a [`Gate`], returned when dropped.
pub(crate) struct Permit(Arc<Gate>);

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            inside: AtomicUsize::new(0),
        })
    }

    /// Takes a permit if one is left.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
        let one_more = |inside| (inside < self.limit).then_some(inside + 1);
        self.inside
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_gate_opens_when_a_permit_is_dropped() {
        let gate = Gate::new(2);
        let (first, _second) = (gate.enter(), gate.enter().unwrap());
        assert!(gate.enter().is_none());
        drop(first);
        assert!(gate.enter().is_some());
    }
}
