use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use entra_proto::{DeviceAuthorization, Step, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, BlockingTransport};

use super::runtime::{Runtime, ThreadRuntime, TokenStore};
use crate::cache::{Key, Lead, Slot};
use crate::core::{Attempt, Core, Driver, Next, Wanted};
use crate::error::Error;
use crate::sign_in::SignIn;
use crate::token::Token;
use crate::token_store::StoredToken;

/// What drives the blocking client: the threads of its callers.
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

    fn refresh(core: &Arc<Core<Self>>, lead: Lead) {
        let runtime = Arc::clone(&core.driver.runtime);
        let core = Arc::clone(core);
        runtime.spawn(Box::new(move || {
            if let Ok(request) = core.request(lead.slot().key()) {
                // Whoever cares is told by the slot.
                drop(fetch(&core, lead, request, false));
            }
        }));
    }
}

/// Gets the token of a slot: leads, or waits for whoever does.
pub(super) fn acquire(
    core: &Arc<Core<Threads>>,
    slot: &Arc<Slot>,
    mut request: Option<TokenRequest>,
    force: bool,
) -> Result<Token, Error> {
    let mut went_behind = false;
    loop {
        let outcome = match core.join(slot, force) {
            Next::Done(outcome) => return outcome,
            Next::Behind(lead) if !went_behind => {
                // Once: a runtime may drop what it is given.
                went_behind = true;
                Threads::refresh(core, lead);
                continue;
            }
            Next::Lead(lead) | Next::Behind(lead) => {
                // One that was made for a new slot is still at hand.
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                Some(fetch(core, lead, request, force))
            }
            Next::Wait(waiter, patience) => park(waiter, patience).flatten(),
        };
        match outcome {
            // Others' flight may have ended at the shared store, which is a cache as well.
            Some(Ok(token)) if force && token.request_id().is_none() => {}
            Some(outcome) => return core.settle(slot, force, outcome),
            // Whoever led went away or takes too long, and somebody else has to.
            None => {
                if let Some(token) = core.instead(slot, force, None) {
                    return Ok(token);
                }
            }
        }
    }
}

/// Fetches a token for everybody: from the shared store, or from the service.
fn fetch(core: &Core<Threads>, mut lead: Lead, mut request: TokenRequest, force: bool) -> Result<Token, Error> {
    let span = &Core::<Threads>::span(lead.slot().key());
    let _inside = span.enter();
    let store = core.driver.store.as_ref().filter(|_| lead.slot().key().is_lasting());
    let shared = store.map(|store| (store, request.cache_key()));
    if let Some((store, key)) = shared.as_ref().filter(|_| !force && !lead.slot().distrusts_store()) {
        if let Some(stored) = store.load(key) {
            match core.landed_from_store(span, lead, &stored) {
                Ok(token) => return Ok(token),
                Err(back) => lead = back,
            }
        }
    }
    if let Some(left) = lead.slot().pause_left(core.clock.now()) {
        core.driver.runtime.sleep(left);
    }
    let mut is_first = true;
    let (attempt, response) = loop {
        let (mut attempt, step) = match core.begin(span, lead.slot().key(), request) {
            Ok(begun) => begun,
            Err(error) => return Err(core.failed(span, lead, None, error)),
        };
        let error = match drive(core, Some(lead.slot()), &mut attempt, step, None) {
            Ok(response) => break (attempt, response),
            Err(error) => error,
        };
        // Once.
        request = match is_first
            .then(|| core.with_newer(span, &lead, &attempt, &error))
            .flatten()
        {
            Some(newer) => newer,
            None => return Err(core.failed(span, lead, Some(&attempt), error)),
        };
        is_first = false;
    };
    let to_save = shared.map(|(store, key)| (store, key, StoredToken::from(&response)));
    let token = core.landed(span, lead, attempt, response);
    // Those who wait have theirs by now.
    if let Some((store, key, stored)) = to_save {
        store.save(&key, &stored);
    }
    Ok(token)
}

/// Signs somebody in: no others wait for that, and its failure is remembered by nobody.
pub(super) fn sign_in(
    core: &Core<Threads>,
    key: &Key,
    wanted: Wanted,
    show: Option<&mut Show<'_>>,
) -> Result<SignIn, Error> {
    let span = &Core::<Threads>::span(key);
    let _inside = span.enter();
    let refused = |attempt: Option<&Attempt>, error: AcquireError| {
        let error = error.into();
        core.refused(span, key, attempt, &error, None);
        error
    };
    let (mut attempt, step) = core.begin(span, key, wanted).map_err(|error| refused(None, error))?;
    match drive(core, None, &mut attempt, step, show) {
        Ok(response) => core.signed_in(span, key, attempt, response),
        Err(error) => Err(refused(Some(&attempt), error)),
    }
}

/// What shows a person the code to type in.
pub(super) type Show<'a> = dyn FnMut(&DeviceAuthorization) + 'a;

/// The acquisition machine, driven by blocking.
fn drive(
    core: &Core<Threads>,
    slot: Option<&Arc<Slot>>,
    attempt: &mut Attempt,
    mut step: Step,
    mut show: Option<&mut Show<'_>>,
) -> Result<TokenResponse, AcquireError> {
    let now = || core.clock.now();
    loop {
        step = match step {
            Step::Exchange(exchange) => {
                attempt.sent = now();
                match core.driver.transport.send(exchange.request()) {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) => error.next_step(exchange, now().wall)?,
                }
            }
            Step::Pause(pause) => {
                if let Some(slot) = slot {
                    slot.pause_until(now().monotonic.saturating_add(pause.duration()));
                }
                core.driver.runtime.sleep(pause.duration());
                pause.resume(now().wall)
            }
            Step::Sign(sign) => attempt.sign(sign, now())?,
            Step::Assert(assert) => assert.fetch()?,
            Step::ShowCode(code) => match &mut show {
                Some(show) => {
                    show(code.authorization());
                    code.shown()
                }
                None => return Err(code.nobody().into()),
            },
            Step::Done(mut token) => {
                attempt.shorten(&mut token.lifetime, now());
                return Ok(token);
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
