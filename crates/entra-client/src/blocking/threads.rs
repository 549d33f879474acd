//! The blocking driver: it performs the effects of [`flow`](crate::flow) on the thread of the
//! caller, and holds none of the client's rules.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use entra_proto::device::DeviceAuthorization;
use entra_transport::BlockingTransport;

use super::runtime::{Runtime, ThreadRuntime, TokenStore};
use crate::cache::Key;
use crate::core::{Core, acquisition_span};
use crate::error::Error;
use crate::flow::{CallerEffect, Effect, FlightGoal, FlightTask, Goal, SignInGoal, TurnLimit};
use crate::request::InitialRequest;
use crate::sign_in::SignIn;
use crate::token::Token;

/// The state of the blocking driver: a transport, a source of threads and sleep, and a store.
#[expect(
    unnameable_types,
    reason = "callers name `Client` and `blocking::Client`, not their drivers"
)]
pub struct Threads {
    transport: Arc<dyn BlockingTransport>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) store: Option<Arc<dyn TokenStore>>,
}

impl Threads {
    pub(super) fn new(transport: Arc<dyn BlockingTransport>) -> Self {
        Self {
            transport,
            runtime: Arc::new(ThreadRuntime),
            store: None,
        }
    }
}

/// Drives a flight or a sign-in to its end, and blocks the thread meanwhile.
fn drive<G: Goal>(io: &Threads, mut effect: Effect<'_, Threads, G>) -> G::Output {
    let mut limit = TurnLimit::default();
    loop {
        limit.count(effect.name());
        effect = match effect {
            Effect::Wait(mut wait) => {
                park(&mut wait.waiter, wait.patience);
                wait.done()
            }
            Effect::Load(load) => {
                let stored = io.store.as_ref().and_then(|store| store.load(load.key()));
                load.done(stored)
            }
            Effect::Sleep(sleep) => {
                io.runtime.sleep(sleep.duration());
                sleep.done()
            }
            Effect::Sign(sign) => {
                let signature = sign.credential().sign(sign.assertion());
                sign.done(signature)
            }
            Effect::Assert(assert) => {
                let assertion = assert.credential().assertion();
                assert.done(assertion)
            }
            Effect::Run(mut run) => {
                let outcome = run.command().run();
                run.done(outcome)
            }
            Effect::Send(mut send) => {
                let outcome = io.transport.send(send.request());
                send.done(outcome)
            }
            Effect::Save(save) => {
                if let Some(store) = &io.store {
                    store.save(save.key(), save.token());
                }
                return save.done();
            }
            Effect::Done(output) => return output,
        }
    }
}

/// Drives a caller to its end, and blocks the thread meanwhile.
pub(super) fn acquire(core: &Core<Threads>, mut effect: CallerEffect<'_, Threads>) -> Result<Token, Error> {
    let mut limit = TurnLimit::default();
    loop {
        limit.count(effect.name());
        effect = match effect {
            CallerEffect::Run(new) => {
                run_flight(core, new.flight);
                CallerEffect::Join(new.join)
            }
            CallerEffect::Join(mut join) => {
                let outcome = park(&mut join.waiter, join.patience);
                join.done(outcome)
            }
            CallerEffect::Done(outcome) => return outcome,
        }
    }
}

/// Signs a user in.
pub(super) fn sign_in(
    core: &Core<Threads>,
    key: &Key,
    request: InitialRequest,
    show: impl FnMut(&DeviceAuthorization),
) -> Result<SignIn, Error> {
    let span = acquisition_span(key);
    let _inside = span.enter();
    drive(&core.driver, SignInGoal::start(core, &span, key, request, show))
}

/// Runs a flight on another thread.
pub(crate) fn spawn_flight(core: &Arc<Core<Threads>>, flight: FlightTask) {
    let (runtime, core) = (Arc::clone(&core.driver.runtime), Arc::clone(core));
    runtime.spawn(Box::new(move || run_flight(&core, flight)));
}

/// Runs a flight. A panic of foreign code fails the flight.
fn run_flight(core: &Core<Threads>, mut flight: FlightTask) {
    let span = acquisition_span(flight.owner.slot().key());
    let _inside = span.enter();
    let run = || {
        drive(
            &core.driver,
            FlightGoal::start(core, &span, &mut flight.owner, flight.request),
        )
    };
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        core.fail_after_panic(&mut flight.owner);
    }
    drop(flight.permit);
}

/// Blocks the thread until a future is done, but for at most `patience`.
pub(super) fn park<F: Future>(future: F, patience: Duration) -> Option<F::Output> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, start) = (pin!(future), Instant::now());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
        thread::park_timeout(left);
    }
}
