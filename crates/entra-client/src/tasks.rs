use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use entra_proto::{DeviceAuthorization, DeviceStep, Step, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, Transport};
use tracing::{Instrument as _, Span};

use crate::attempt::{Attempt, Remedies, Start, Wanted};
use crate::cache::{Key, Lead, Slot};
use crate::core::{Core, Driver, Next, Want};
use crate::error::Error;
use crate::gate::{Gate, Permit};
use crate::runtime::{BoxFuture, Runtime};
use crate::sign_in::SignIn;
use crate::token::Token;
use crate::token_store::TokenStore;

/// What drives the async client: tasks of a runtime.
#[expect(
    unnameable_types,
    reason = "callers name `Client` and `blocking::Client`, not what drives them"
)]
pub struct Tasks {
    transport: Arc<dyn Transport>,
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    pub(crate) store: Option<Arc<dyn TokenStore>>,
    /// Flights that run as tasks, and go on without their callers.
    detached: Arc<Gate>,
}

impl Tasks {
    pub(crate) fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            #[cfg(feature = "tokio")]
            runtime: Some(Arc::new(crate::runtime::TokioRuntime)),
            #[cfg(not(feature = "tokio"))]
            runtime: None,
            store: None,
            detached: Gate::new(MOST_DETACHED),
        }
    }

    fn runtime(&self) -> &Arc<dyn Runtime> {
        self.runtime.as_ref().expect("the builder has seen that there is one")
    }
}

impl Driver for Tasks {
    fn has_store(&self) -> bool {
        self.store.is_some()
    }

    fn fly(core: &Arc<Core<Self>>, lead: Lead, request: TokenRequest, permit: Permit) {
        let flight = fly(Arc::clone(core), lead, request);
        core.driver.runtime().spawn(Box::pin(async move {
            flight.await;
            drop(permit);
        }));
    }
}

/// Gets the token of a slot: starts a flight, or waits for the one that there is.
pub(crate) async fn acquire(
    core: &Arc<Core<Tasks>>,
    slot: &Arc<Slot>,
    mut request: Option<TokenRequest>,
    want: Want,
) -> Result<Token, Error> {
    let after = Core::<Tasks>::after(slot, want);
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
                match core.driver.detached.enter().filter(|_| runs_tasks) {
                    Some(permit) => Tasks::fly(core, lead, request, permit),
                    None => fly(Arc::clone(core), lead, request).await,
                }
                (waiter, core.policy.patience, true, true)
            }
            Next::Behind(lead, permit) => {
                let waiter = lead.waiter();
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                if runs_tasks {
                    Tasks::fly(core, lead, request, permit);
                } else {
                    fly(Arc::clone(core), lead, request).await;
                }
                (waiter, core.policy.grace, true, true)
            }
        };
        match or_after(waiter, || core.driver.runtime().sleep(patience)).await {
            Some(Some(outcome)) if serves => return core.settle(slot, after, outcome),
            Some(Some(_)) => {}
            // The flight was dropped, and there has to be another.
            Some(None) => runs_tasks &= !is_mine,
            None => {
                // The runtime may not run it at all.
                runs_tasks &= !is_mine;
                if let Some(token) = core.instead(slot, after, None) {
                    return Ok(token);
                }
            }
        }
    }
}

/// What a future gives, or nothing where the other one is done before. That one is made only if there is something to wait for.
async fn or_after<T>(mut waiter: impl Future<Output = T> + Unpin, after: impl Fn() -> BoxFuture<()>) -> Option<T> {
    let (mut end, mut has_yielded) = (None, false);
    poll_fn(|cx| match Pin::new(&mut waiter).poll(cx) {
        // What is done after one turn of the executor needs no timer.
        Poll::Pending if !mem::replace(&mut has_yielded, true) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => {
            let end = end.get_or_insert_with(&after);
            end.as_mut().poll(cx).map(|()| None)
        }
        Poll::Ready(output) => Poll::Ready(Some(output)),
    })
    .await
}

/// A flight, for all callers: it tells the slot what came of it, also where the code of others panics.
fn fly(core: Arc<Core<Tasks>>, mut lead: Lead, request: TokenRequest) -> impl Future<Output = ()> + Send {
    let span = Core::<Tasks>::span(lead.slot().key());
    let inside = span.clone();
    async move {
        let flown = {
            let mut fetch = pin!(fetch(&span, &core, &mut lead, request));
            poll_fn(|cx| {
                let poll = catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(cx)));
                poll.map_or_else(|_| Poll::Ready(Err(Panicked)), |poll| poll.map(Ok))
            })
            .await
        };
        if let Err(Panicked) = flown {
            core.fail_after_panic(&mut lead);
        }
    }
    .instrument(inside)
}

struct Panicked;

/// Fetches a token: from the shared store, or from the service.
async fn fetch(span: &Span, core: &Core<Tasks>, lead: &mut Lead, mut request: TokenRequest) {
    let store = core.driver.store.as_ref().filter(|_| lead.slot().key().is_lasting());
    let shared = store.map(|store| (store, request.cache_key()));
    if let Some((store, key)) = shared.as_ref().filter(|_| !lead.slot().distrusts_store()) {
        if let Some(stored) = store.load(key).await {
            if core.complete_from_store(span, lead, &stored) {
                return;
            }
        }
    }
    if let Some(left) = lead.slot().pause_left(core.clock.now()) {
        core.driver.runtime().sleep(left).await;
    }
    let mut done = Remedies::default();
    let (attempt, response) = loop {
        let (mut attempt, step) = match core.begin(span, lead.slot().key(), request, &done) {
            Ok(begun) => begun,
            Err(error) => return core.fail_flight(span, lead, None, error),
        };
        let error = match drive(core, Some(lead), &mut attempt, step, None).await {
            Ok(response) => break (attempt, response),
            Err(error) => error,
        };
        request = match core.once_more(span, lead, &attempt, &error, &mut done) {
            Some(request) => request,
            None => return core.fail_flight(span, lead, Some(&attempt), error),
        };
    };
    let to_keep = core.complete_flight(span, lead, attempt, response);
    // The callers have theirs by now.
    if let (Some((store, key)), Some(stored)) = (shared, to_keep) {
        store.save(&key, &stored).await;
    }
}

/// Signs somebody in: no others wait for that, and its failure is remembered by nobody.
pub(crate) async fn sign_in(
    core: &Core<Tasks>,
    key: Key,
    wanted: Wanted,
    mut show: Option<&mut Show<'_>>,
) -> Result<SignIn, Error> {
    let span = Core::<Tasks>::span(&key);
    let mut done = Remedies::default();
    loop {
        let acquired = async {
            let begun = core.begin(&span, &key, wanted.clone(), &done);
            let (mut attempt, step) = begun.map_err(|error| (None, error))?;
            match drive(core, None, &mut attempt, step, show.as_deref_mut()).await {
                Ok(response) => Ok((attempt, response)),
                Err(error) => Err((Some(attempt), error)),
            }
        };
        let (attempt, error) = match acquired.instrument(span.clone()).await {
            Ok((attempt, response)) => return core.complete_sign_in(&span, &key, attempt, response),
            Err((attempt, error)) => (attempt, Error::from(error)),
        };
        core.report_failure(&span, &key, attempt.as_ref(), &error, None);
        if !attempt.is_some_and(|attempt| core.signs_anew(&attempt, &error, &mut done)) {
            return Err(error);
        }
    }
}

/// What shows a person the code to type in.
pub(crate) type Show<'a> = dyn FnMut(&DeviceAuthorization) + Send + 'a;

/// The acquisition machine, driven by awaiting.
async fn drive(
    core: &Core<Tasks>,
    mut lead: Option<&mut Lead>,
    attempt: &mut Attempt,
    start: Start,
    show: Option<&mut Show<'_>>,
) -> Result<TokenResponse, AcquireError> {
    let now = || core.clock.now();
    let mut step = match start {
        Start::Token(step) => step,
        Start::Device(step) => show_code(core, attempt, step, show).await?,
    };
    loop {
        step = match step {
            Step::Exchange(exchange) => {
                attempt.sent = now();
                if let Some(lead) = &mut lead {
                    lead.depart();
                }
                match core.driver.transport.as_ref().send(exchange.request()).await {
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
                core.driver.runtime().sleep(pause.duration()).await;
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
async fn show_code(
    core: &Core<Tasks>,
    attempt: &mut Attempt,
    mut step: DeviceStep,
    mut show: Option<&mut Show<'_>>,
) -> Result<Step, AcquireError> {
    let now = || core.clock.now();
    loop {
        step = match step {
            DeviceStep::Exchange(exchange) => {
                attempt.sent = now();
                match core.driver.transport.as_ref().send(exchange.request()).await {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) => exchange.failed(error.failure(), now().wall).ok_or(error)?,
                }
            }
            DeviceStep::Pause(pause) => {
                core.driver.runtime().sleep(pause.duration()).await;
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

/// How many flights that callers wait for run as tasks. Beyond that, a flight runs within the future of the caller that starts it.
const MOST_DETACHED: usize = 4096;
