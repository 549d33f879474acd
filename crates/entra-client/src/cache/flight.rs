use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::error::Error;
use crate::token::Token;

/// One acquisition that is under way, and those who wait for it.
pub(super) struct Flight {
    state: Mutex<State>,
    /// When it started, by the monotonic clock.
    pub(super) since: Duration,
    /// The number of its last request, 0 before that is sent. Changes under the lock of the slot's state only.
    number: AtomicU64,
}

enum State {
    Flying(Waiting),
    Landed(Result<Token, Error>),
    /// Whoever led it went away.
    Abandoned,
}

/// The wakers of those who wait; a place is empty where a caller gave up. Most flights have one waiting caller, which takes no vector.
#[derive(Default)]
struct Waiting {
    first: Option<Waker>,
    others: Vec<Option<Waker>>,
}

impl Waiting {
    /// A place for one who waits, and leaves a waker there at once.
    fn enter(&mut self) -> usize {
        if self.first.is_some() {
            self.others.push(None);
            return self.others.len();
        }
        0
    }

    /// This place: every one that was given out is there until the flight ends.
    fn at(&mut self, place: usize) -> Option<&mut Option<Waker>> {
        match place.checked_sub(1) {
            None => Some(&mut self.first),
            Some(other) => self.others.get_mut(other),
        }
    }

    fn leave(&mut self, place: usize) -> Option<Waker> {
        let given_up = self.at(place).and_then(Option::take);
        // Each caller that waits has a waker in its place: an empty place at the end is free.
        while self.others.last().is_some_and(Option::is_none) {
            self.others.pop();
        }
        given_up
    }
}

impl Flight {
    pub(super) fn start(since: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::Flying(Waiting::default())),
            since,
            number: AtomicU64::new(0),
        })
    }

    /// A request of this number is sent now.
    pub(super) fn depart(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Whether its outcome is for those who want what is requested after this number. What is not sent yet will be sent after all that
    /// has happened.
    pub(super) fn serves(&self, after: u64) -> bool {
        let number = self.number.load(Ordering::Relaxed);
        number == 0 || number > after
    }

    pub(super) fn land(&self, outcome: Result<Token, Error>) {
        self.end(State::Landed(outcome));
    }

    pub(super) fn abandon(&self) {
        self.end(State::Abandoned);
    }

    /// Ends it and wakes everybody, outside of the lock: a waker is code of others.
    fn end(&self, state: State) {
        let before = std::mem::replace(&mut *lock(&self.state), state);
        if let State::Flying(waiting) = before {
            waiting.first.into_iter().for_each(Waker::wake);
            waiting.others.into_iter().flatten().for_each(Waker::wake);
        }
    }

    pub(super) fn join(self: Arc<Self>) -> Waiter {
        Waiter {
            flight: self,
            place: None,
        }
    }
}

/// Waits for somebody else's acquisition: gives what came of it, or `None` where nothing did, and somebody must lead another.
pub(crate) struct Waiter {
    flight: Arc<Flight>,
    place: Option<usize>,
}

impl Future for Waiter {
    type Output = Option<Result<Token, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let flight = Arc::clone(&self.flight);
        let mut state = lock(&flight.state);
        match &mut *state {
            State::Landed(outcome) => Poll::Ready(Some(outcome.clone())),
            State::Abandoned => Poll::Ready(None),
            State::Flying(waiting) => {
                let place = *self.place.get_or_insert_with(|| waiting.enter());
                match waiting.at(place) {
                    Some(Some(waker)) => waker.clone_from(cx.waker()),
                    Some(mine) => *mine = Some(cx.waker().clone()),
                    None => {}
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut given_up = None;
        if let State::Flying(waiting) = &mut *lock(&self.flight.state) {
            given_up = waiting.leave(place);
        }
        drop(given_up);
    }
}
