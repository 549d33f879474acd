use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::sync::{Mutex, lock};
use crate::error::Error;
use crate::token::Token;

/// One acquisition that is under way, and those who wait for it.
pub(super) struct Flight(Mutex<State>);

enum State {
    /// Those who wait; a place is empty where somebody gave up.
    Flying(Vec<Option<Waker>>),
    Landed(Result<Token, Error>),
    /// Whoever led it went away.
    Abandoned,
}

impl Flight {
    pub(super) fn start() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Flying(Vec::new()))))
    }

    pub(super) fn land(&self, outcome: Result<Token, Error>) {
        self.end(State::Landed(outcome));
    }

    pub(super) fn abandon(&self) {
        self.end(State::Abandoned);
    }

    /// Ends it and wakes everybody, outside of the lock: a waker is code of others.
    fn end(&self, state: State) {
        let before = std::mem::replace(&mut *lock(&self.0), state);
        if let State::Flying(waiting) = before {
            waiting.into_iter().flatten().for_each(Waker::wake);
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
        let mut state = lock(&flight.0);
        match &mut *state {
            State::Landed(outcome) => Poll::Ready(Some(outcome.clone())),
            State::Abandoned => Poll::Ready(None),
            State::Flying(waiting) => {
                let place = *self.place.get_or_insert_with(|| {
                    waiting.push(None);
                    waiting.len() - 1
                });
                // Every place that was given out is there until the flight ends.
                let mine = &mut waiting[place];
                match mine {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *mine = Some(cx.waker().clone()),
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
        if let State::Flying(waiting) = &mut *lock(&self.flight.0) {
            given_up = waiting.get_mut(place).and_then(Option::take);
            // Whoever waits has left a waker in his place: what is empty at the end is nobody's.
            while waiting.last().is_some_and(Option::is_none) {
                waiting.pop();
            }
        }
        drop(given_up);
    }
}
