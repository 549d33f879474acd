use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use entra_proto::{DeviceAuthorization, DeviceStep, Step, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, BlockingTransport};
use tracing::Span;

use super::runtime::{Runtime, ThreadRuntime, TokenStore};
use crate::attempt::{Attempt, Remedies, Start, Wanted};
use crate::cache::{Key, Lead, Slot};
use crate::core::{Core, Driver, Next, Want};
use crate::error::Error;
use crate::gate::Permit;
use crate::sign_in::SignIn;
use crate::token::Token;

/// What drives the blocking client: the threads of its callers.
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

impl Driver for Threads {
    fn has_store(&self) -> bool {
        self.store.is_some()
    }

    fn fly(core: &Arc<Core<Self>>, lead: Lead, request: TokenRequest, permit: Permit) {
        let runtime = Arc::clone(&core.driver.runtime);
        let core = Arc::clone(core);
        runtime.spawn(Box::new(move || {
            fly(&core, lead, request);
            drop(permit);
        }));
    }
}

/// Gets the token of a slot: starts a flight, or waits for the one that there is.
///
/// A flight for which the caller has nothing else runs on the caller's thread, which cannot give it up. Where a token still lives, the
/// caller waits for a short time only, and the flight has a thread of its own.
pub(super) fn acquire(
    core: &Arc<Core<Threads>>,
    slot: &Arc<Slot>,
    mut request: Option<TokenRequest>,
    want: Want,
) -> Result<Token, Error> {
    let after = Core::<Threads>::after(slot, want);
    // A runtime may drop what it is given.
    let mut runs_tasks = true;
    loop {
        let (waiter, patience, serves, is_mine) = match core.join(slot, after) {
            Next::Done(outcome) => return outcome,
            Next::Wait(waiter, patience, serves) => (waiter, patience, serves, false),
            Next::Lead(lead) => {
                let waiter = lead.waiter();
                // One that was made for a new slot is still at hand.
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                fly(core, lead, request);
                (waiter, core.policy.patience, true, true)
            }
            Next::Behind(lead, permit) => {
                let waiter = lead.waiter();
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                if runs_tasks {
                    Threads::fly(core, lead, request, permit);
                } else {
                    fly(core, lead, request);
                }
                (waiter, core.policy.grace, true, true)
            }
        };
        match park(waiter, patience) {
            Some(Some(outcome)) if serves => return core.settle(slot, after, outcome),
            Some(Some(_)) => {}
            // The flight was dropped, and there has to be another.
            Some(None) => runs_tasks &= !is_mine,
            None => {
                if let Some(token) = core.instead(slot, after, None) {
                    return Ok(token);
                }
            }
        }
    }
}

/// A flight, for all callers: it tells the slot what came of it, also where the code of others panics.
fn fly(core: &Core<Threads>, mut lead: Lead, request: TokenRequest) {
    let span = &Core::<Threads>::span(lead.slot().key());
    let _inside = span.enter();
    if catch_unwind(AssertUnwindSafe(|| fetch(span, core, &mut lead, request))).is_err() {
        core.fail_after_panic(&mut lead);
    }
}

/// Fetches a token: from the shared store, or from the service.
fn fetch(span: &Span, core: &Core<Threads>, lead: &mut Lead, mut request: TokenRequest) {
    let store = core.driver.store.as_ref().filter(|_| lead.slot().key().is_lasting());
    let shared = store.map(|store| (store, request.cache_key()));
    if let Some((store, key)) = shared.as_ref().filter(|_| !lead.slot().distrusts_store()) {
        if let Some(stored) = store.load(key) {
            if core.complete_from_store(span, lead, &stored) {
                return;
            }
        }
    }
    if let Some(left) = lead.slot().pause_left(core.clock.now()) {
        core.driver.runtime.sleep(left);
    }
    let mut done = Remedies::default();
    let (attempt, response) = loop {
        let (mut attempt, step) = match core.begin(span, lead.slot().key(), request, &done) {
            Ok(begun) => begun,
            Err(error) => return core.fail_flight(span, lead, None, error),
        };
        let error = match drive(core, Some(lead), &mut attempt, step, None) {
            Ok(response) => break (attempt, response),
            Err(error) => error,
        };
        request = match core.once_more(span, lead, &attempt, &error, &mut done) {
            Some(request) => request,
            None => return core.fail_flight(span, lead, Some(&attempt), error),
        };
    };
    let to_keep = core.complete_flight(span, lead, attempt, response);
    // The other callers have theirs by now.
    if let (Some((store, key)), Some(stored)) = (shared, to_keep) {
        store.save(&key, &stored);
    }
}

/// Signs somebody in: no others wait for that, and its failure is remembered by nobody.
pub(super) fn sign_in(
    core: &Core<Threads>,
    key: &Key,
    wanted: Wanted,
    mut show: Option<&mut Show<'_>>,
) -> Result<SignIn, Error> {
    let span = &Core::<Threads>::span(key);
    let _inside = span.enter();
    let mut done = Remedies::default();
    let refused = |attempt: Option<&Attempt>, error: AcquireError| {
        let error = error.into();
        core.report_failure(span, key, attempt, &error, None);
        error
    };
    loop {
        let begun = core.begin(span, key, wanted.clone(), &done);
        let (mut attempt, step) = begun.map_err(|error| refused(None, error))?;
        let error = match drive(core, None, &mut attempt, step, show.as_deref_mut()) {
            Ok(response) => return core.complete_sign_in(span, key, attempt, response),
            Err(error) => refused(Some(&attempt), error),
        };
        if !core.signs_anew(&attempt, &error, &mut done) {
            return Err(error);
        }
    }
}

/// What shows a person the code to type in.
pub(super) type Show<'a> = dyn FnMut(&DeviceAuthorization) + 'a;

/// The acquisition machine, driven by blocking.
fn drive(
    core: &Core<Threads>,
    mut lead: Option<&mut Lead>,
    attempt: &mut Attempt,
    start: Start,
    show: Option<&mut Show<'_>>,
) -> Result<TokenResponse, AcquireError> {
    let now = || core.clock.now();
    let mut step = match start {
        Start::Token(step) => step,
        Start::Device(step) => show_code(core, attempt, step, show)?,
    };
    loop {
        step = match step {
            Step::Exchange(exchange) => {
                attempt.sent = now();
                if let Some(lead) = &mut lead {
                    lead.depart();
                }
                match core.driver.transport.send(exchange.request()) {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) => error.next_step(exchange, now().wall)?,
                }
            }
            Step::Pause(pause) => {
                tracing::debug!("waiting {} ms before the next try", pause.duration().as_millis());
                if let Some(lead) = &lead {
                    lead.slot()
                        .pause_until(now().monotonic.saturating_add(pause.duration()));
                }
                core.driver.runtime.sleep(pause.duration());
                pause.resume(now().wall)
            }
            Step::Sign(sign) => attempt.sign(sign, now())?,
            Step::Assert(assert) => assert.fetch()?,
            Step::Done(mut token) => {
                attempt.shorten(&mut token.lifetime, now(), core.policy.cool_down);
                return Ok(token);
            }
        }
    }
}

/// The machine of a device flow until its code is shown.
fn show_code(
    core: &Core<Threads>,
    attempt: &mut Attempt,
    mut step: DeviceStep,
    mut show: Option<&mut Show<'_>>,
) -> Result<Step, AcquireError> {
    let now = || core.clock.now();
    loop {
        step = match step {
            DeviceStep::Exchange(exchange) => {
                attempt.sent = now();
                match core.driver.transport.send(exchange.request()) {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) => exchange.failed(error.failure(), now().wall).ok_or(error)?,
                }
            }
            DeviceStep::Pause(pause) => {
                core.driver.runtime.sleep(pause.duration());
                pause.resume()
            }
            DeviceStep::ShowCode(code) => {
                if let Some(show) = &mut show {
                    show(code.authorization());
                }
                return Ok(code.shown());
            }
        }
    }
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
