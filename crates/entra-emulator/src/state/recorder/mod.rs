//! Recorded requests, as typed events with lints about each request.

mod event;
mod lint;
mod parameter;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::state::lock::lock;

pub use crate::state::recorder::event::{Channel, Endpoint, Purpose, RequestEvent};
pub use crate::state::recorder::lint::Lint;
pub use crate::state::recorder::parameter::Parameter;

pub(crate) use crate::state::recorder::event::Shown;
pub(crate) use crate::state::recorder::parameter::{SECRET_PARAMETERS, is_secret, parameters};

/// The newest events, limited in number and in bytes.
#[derive(Debug)]
pub(crate) struct Recorder {
    state: Mutex<State>,
    capacity: usize,
    observer: Observer,
    changes: AtomicU64,
}

/// A callback that receives every request after its response is determined.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<Observe>>);

type Observe = dyn Fn(&RequestEvent) + Send + Sync;

impl Observer {
    pub(crate) fn new(observe: impl Fn(&RequestEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer" } else { "None" })
    }
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<RequestEvent>,
    /// The bytes of all events.
    bytes: usize,
    count: u64,
}

impl Recorder {
    pub(crate) fn new(capacity: usize, observer: Observer) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
            observer,
            changes: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, mut event: RequestEvent) {
        event.cut();
        let mut state = self.state();
        event.index = state.count;
        state.count += 1;
        let observed = self.observer.0.as_ref().map(|observe| (observe, event.clone()));
        state.bytes += event.weight();
        state.events.push_back(event);
        while state.events.len() > self.capacity || state.bytes > MOST_BYTES {
            let Some(oldest) = state.events.pop_front() else { break };
            state.bytes -= oldest.weight();
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        // Notified after the lock is released, so that the observer may call the emulator.
        drop(state);
        if let Some((observe, event)) = observed {
            // A panic of the observer does not affect the client, which receives its response.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| observe(&event)));
        }
    }

    pub(crate) fn events(&self) -> Vec<RequestEvent> {
        self.state().events.iter().cloned().collect()
    }

    /// Returns the events after the first `number` requests, and the count of all requests.
    pub(crate) fn events_after(&self, number: u64) -> (Vec<RequestEvent>, u64) {
        let state = self.state();
        let events = state.events.iter().filter(|event| event.index >= number);
        (events.cloned().collect(), state.count)
    }

    /// Passes the newest events to `show`, the newest first, and returns their number.
    pub(crate) fn newest(&self, most: usize, show: impl FnMut(&RequestEvent)) -> usize {
        let state = self.state();
        let newest = state.events.iter().rev().take(most);
        newest.map(show).count()
    }

    pub(crate) fn count(&self) -> u64 {
        self.state().count
    }

    /// Returns the number of changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Forgets the events. The count continues.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.events.clear();
        state.bytes = 0;
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets the events and the count.
    pub(crate) fn reset(&self) {
        *self.state() = State::default();
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The limit on the bytes of all events together.
const MOST_BYTES: usize = 32 * 1024 * 1024;
