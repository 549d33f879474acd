//! A flight: one acquisition in progress, and the callers that wait for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::error::Error;
use crate::token::Token;

/// An acquisition in progress. All callers of a slot share its outcome (single flight).
pub(crate) struct Flight {
    state: Mutex<State>,
    /// The start, by the monotonic clock.
    pub(crate) started_at: Duration,
    /// The number of the last request, or 0 before the first one. It changes only under the lock of
    /// the slot's state.
    number: AtomicU64,
}

enum State {
    InFlight(Wakers),
    Completed(Result<Token, Error>),
    /// The owner was dropped without an outcome.
    Abandoned,
}

/// The wakers of the waiting callers. An entry is empty if its caller gave up.
///
/// Most flights have one waiting caller, which takes no vector.
#[derive(Default)]
struct Wakers {
    first: Option<Waker>,
    others: Vec<Option<Waker>>,
}

impl Wakers {
    /// Returns the index of a free entry. The caller stores its waker there at once.
    fn reserve(&mut self) -> usize {
        if self.first.is_some() {
            self.others.push(None);
            return self.others.len();
        }
        0
    }

    /// Returns the entry at `index`. A reserved entry exists until the flight ends.
    fn entry(&mut self, index: usize) -> Option<&mut Option<Waker>> {
        match index.checked_sub(1) {
            None => Some(&mut self.first),
            Some(other) => self.others.get_mut(other),
        }
    }

    fn remove(&mut self, index: usize) -> Option<Waker> {
        let removed = self.entry(index).and_then(Option::take);
        // The entry of a waiting caller is never empty, so empty entries at the end are free.
        while self.others.last().is_some_and(Option::is_none) {
            self.others.pop();
        }
        removed
    }
}

impl Flight {
    pub(crate) fn start(started_at: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::InFlight(Wakers::default())),
            started_at,
            number: AtomicU64::new(0),
        })
    }

    /// Records that the request with this number is sent now.
    pub(super) fn start_request(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Returns true if the outcome serves callers that require a request with a number above
    /// `after`.
    ///
    /// A flight that has sent nothing yet serves all callers: it sends its request after all events
    /// so far.
    pub(super) fn serves(&self, after: u64) -> bool {
        let number = self.number.load(Ordering::Relaxed);
        number == 0 || number > after
    }

    pub(super) fn complete(&self, outcome: Result<Token, Error>) {
        self.end(State::Completed(outcome));
    }

    pub(crate) fn abandon(&self) {
        self.end(State::Abandoned);
    }

    /// Ends the flight and wakes all waiting callers, outside of the lock: wakers run foreign code.
    fn end(&self, state: State) {
        let before = std::mem::replace(&mut *lock(&self.state), state);
        if let State::InFlight(wakers) = before {
            wakers.first.into_iter().for_each(Waker::wake);
            wakers.others.into_iter().flatten().for_each(Waker::wake);
        }
    }

    pub(crate) fn waiter(self: Arc<Self>) -> Waiter {
        Waiter {
            flight: self,
            index: None,
        }
    }
}

/// A future of the outcome of a flight. It yields `None` if the flight was abandoned, in which case
/// one of the waiting callers must start another one.
pub(crate) struct Waiter {
    flight: Arc<Flight>,
    /// The index of this caller's waker, once it has stored one.
    index: Option<usize>,
}

impl Future for Waiter {
    type Output = Option<Result<Token, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let flight = Arc::clone(&self.flight);
        let mut state = lock(&flight.state);
        match &mut *state {
            State::Completed(outcome) => Poll::Ready(Some(outcome.clone())),
            State::Abandoned => Poll::Ready(None),
            State::InFlight(wakers) => {
                let index = *self.index.get_or_insert_with(|| wakers.reserve());
                match wakers.entry(index) {
                    Some(Some(waker)) => waker.clone_from(cx.waker()),
                    Some(empty) => *empty = Some(cx.waker().clone()),
                    None => {}
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(index) = self.index else { return };
        // Dropped outside of the lock, since a waker runs foreign code.
        let mut removed = None;
        if let State::InFlight(wakers) = &mut *lock(&self.flight.state) {
            removed = wakers.remove(index);
        }
        drop(removed);
    }
}
