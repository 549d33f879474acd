//! A program that runs on a thread of its own while a future waits for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use super::{Program, ProgramOutput, running};
use crate::error::Error;

/// A future of the output of a program. Dropping it ends the program.
pub(super) struct Pending(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    is_abandoned: AtomicBool,
}

#[derive(Default)]
struct State {
    outcome: Option<Result<ProgramOutput, Error>>,
    waker: Option<Waker>,
}

impl Pending {
    pub(super) fn start(program: Program) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            is_abandoned: AtomicBool::new(false),
        });
        let runner = Runner {
            shared: Arc::clone(&shared),
            program: program.clone(),
        };
        let thread = thread::Builder::new().name("a program".to_owned());
        match thread.spawn(move || runner.run()) {
            Ok(_) => Ok(Self(shared)),
            Err(_) => Err(program.failed(
                "cannot be started: there is no thread for it",
                "check the limits of processes and threads on this machine",
            )),
        }
    }
}

impl Future for Pending {
    type Output = Result<ProgramOutput, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work of the thread. The future gets an outcome even if it panics.
struct Runner {
    shared: Arc<Shared>,
    program: Program,
}

impl Runner {
    fn run(self) {
        let outcome = running::run(&self.program, &self.shared.is_abandoned);
        self.shared.lock().outcome = Some(outcome);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.outcome.is_none() {
            state.outcome = Some(Err(self
                .program
                .failed("was not watched to its end", "report this as a defect")));
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
