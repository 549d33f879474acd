//! The driver that blocks its thread: the I/O of the blocking client, and nothing of its rules (see [`flow`](crate::flow)).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use entra_proto::TokenRequest;
use entra_proto::device::DeviceAuthorization;
use entra_transport::BlockingTransport;

use super::runtime::{Runtime, ThreadRuntime, TokenStore};
use crate::cache::{Key, Slot};
use crate::core::{Core, acquisition_span};
use crate::error::Error;
use crate::flow::{Call, Effect, Flight, Flying, Goal, SigningIn, Want, Wanted};
use crate::sign_in::SignIn;
use crate::token::Token;

/// What the blocking client has beside its rules: a transport, sleep and threads, a store.
#[expect(
    unnameable_types,
    reason = "callers name `Client` and `blocking::Client`, not what drives them"
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

/// Drives a flight or a sign-in, and blocks the thread meanwhile.
fn drive<G: Goal>(io: &Threads, mut effect: Effect<'_, Threads, G>) -> G::Output {
    loop {
        effect = match effect {
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

/// Gets the token of a slot.
pub(super) fn acquire(
    core: &Arc<Core<Threads>>,
    slot: &Arc<Slot>,
    request: Option<TokenRequest>,
    want: Want,
) -> Result<Token, Error> {
    let mut call = Call::start(core, slot, request, want);
    loop {
        call = match call {
            Call::Detach(departure) => {
                launch(core, departure.flight);
                Call::Join(departure.join)
            }
            Call::Fly(departure) => {
                fly(core, departure.flight);
                Call::Join(departure.join)
            }
            Call::Join(mut join) => {
                let outcome = park(&mut join.waiter, join.patience);
                join.done(outcome)
            }
            Call::Done(outcome) => return outcome,
        }
    }
}

/// Signs a user in.
pub(super) fn sign_in(
    core: &Core<Threads>,
    key: &Key,
    wanted: Wanted,
    show: impl FnMut(&DeviceAuthorization),
) -> Result<SignIn, Error> {
    let span = acquisition_span(key);
    let _inside = span.enter();
    drive(&core.driver, SigningIn::start(core, &span, key, wanted, show))
}

/// Runs a flight on a thread of its own.
pub(crate) fn launch(core: &Arc<Core<Threads>>, flight: Flight) {
    let (runtime, core) = (Arc::clone(&core.driver.runtime), Arc::clone(core));
    runtime.spawn(Box::new(move || fly(&core, flight)));
}

/// Runs a flight. A panic of the code of others becomes its failure.
fn fly(core: &Core<Threads>, flight: Flight) {
    let Flight {
        mut lead,
        request,
        permit,
    } = flight;
    let span = acquisition_span(lead.slot().key());
    let _inside = span.enter();
    let fly = || drive(&core.driver, Flying::start(core, &span, &mut lead, request));
    if catch_unwind(AssertUnwindSafe(fly)).is_err() {
        core.fail_after_panic(&mut lead);
    }
    drop(permit);
}

/// Blocks the thread until a future is done, but no longer than `patience`.
fn park<F: Future>(future: F, patience: Duration) -> Option<F::Output> {
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
