use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use entra_proto::{DeviceAuthorization, Step, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, Transport};
use tracing::{Instrument as _, Span};

use crate::cache::{Key, Lead, Slot};
use crate::core::{Attempt, Core, Driver, Next, Wanted};
use crate::error::Error;
use crate::runtime::{BoxFuture, Runtime};
use crate::sign_in::SignIn;
use crate::token::Token;
use crate::token_store::{StoredToken, TokenStore};

/// What drives the async client: tasks of a runtime.
pub struct Tasks {
    transport: Arc<dyn Transport>,
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    pub(crate) store: Option<Arc<dyn TokenStore>>,
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

    fn refresh(core: &Arc<Core<Self>>, lead: Lead) {
        let runtime = Arc::clone(core.driver.runtime());
        let core = Arc::clone(core);
        runtime.spawn(Box::pin(async move {
            if let Ok(request) = core.request(lead.slot().key()) {
                // Whoever cares is told by the slot.
                drop(fetch(&core, lead, request, false).await);
            }
        }));
    }
}

/// Gets the token of a slot: leads, or waits for whoever does.
pub(crate) async fn acquire(
    core: &Arc<Core<Tasks>>,
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
                Tasks::refresh(core, lead);
                continue;
            }
            Next::Lead(lead) | Next::Behind(lead) => {
                // One that was made for a new slot is still at hand.
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                Some(fetch(core, lead, request, force).await)
            }
            Next::Wait(waiter, patience) => or_after(waiter, core.driver.runtime().sleep(patience)).await,
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

/// What a future gives, or nothing where the other one is done before.
async fn or_after<T>(mut waiter: impl Future<Output = Option<T>> + Unpin, mut end: BoxFuture<()>) -> Option<T> {
    poll_fn(|cx| match Pin::new(&mut waiter).poll(cx) {
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
        ready => ready,
    })
    .await
}

/// Fetches a token for everybody: from the shared store, or from the service.
async fn fetch(core: &Core<Tasks>, lead: Lead, request: TokenRequest, force: bool) -> Result<Token, Error> {
    let span = Core::<Tasks>::span(lead.slot().key());
    fetch_in(&span, core, lead, request, force)
        .instrument(span.clone())
        .await
}

async fn fetch_in(
    span: &Span,
    core: &Core<Tasks>,
    mut lead: Lead,
    mut request: TokenRequest,
    force: bool,
) -> Result<Token, Error> {
    let store = core.driver.store.as_ref().filter(|_| lead.slot().key().is_lasting());
    let shared = store.map(|store| (store, request.cache_key()));
    if let Some((store, key)) = shared.as_ref().filter(|_| !force && !lead.slot().distrusts_store()) {
        if let Some(stored) = store.load(key).await {
            match core.landed_from_store(span, lead, &stored) {
                Ok(token) => return Ok(token),
                Err(back) => lead = back,
            }
        }
    }
    if let Some(left) = lead.slot().pause_left(core.clock.now()) {
        core.driver.runtime().sleep(left).await;
    }
    let mut is_first = true;
    let (attempt, response) = loop {
        let (mut attempt, step) = match core.begin(span, lead.slot().key(), request) {
            Ok(begun) => begun,
            Err(error) => return Err(core.failed(span, lead, None, error)),
        };
        let error = match drive(core, Some(lead.slot()), &mut attempt, step, None).await {
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
    if let Some((store, key)) = shared {
        let (store, stored) = (Arc::clone(store), StoredToken::from(&response));
        // Nobody waits for that.
        core.driver
            .runtime()
            .spawn(Box::pin(async move { store.save(&key, &stored).await }));
    }
    Ok(core.landed(span, lead, attempt, response))
}

/// Signs somebody in: no others wait for that, and its failure is remembered by nobody.
pub(crate) async fn sign_in(
    core: &Core<Tasks>,
    key: Key,
    wanted: Wanted,
    show: Option<&mut Show<'_>>,
) -> Result<SignIn, Error> {
    let span = Core::<Tasks>::span(&key);
    let acquired = async {
        let (mut attempt, step) = core.begin(&span, &key, wanted).map_err(|error| (None, error))?;
        match drive(core, None, &mut attempt, step, show).await {
            Ok(response) => Ok((attempt, response)),
            Err(error) => Err((Some(attempt), error)),
        }
    };
    match acquired.instrument(span.clone()).await {
        Ok((attempt, response)) => core.signed_in(&span, &key, attempt, response),
        Err((attempt, error)) => {
            let error = error.into();
            core.refused(&span, &key, attempt.as_ref(), &error, None);
            Err(error)
        }
    }
}

/// What shows a person the code to type in.
pub(crate) type Show<'a> = dyn FnMut(&DeviceAuthorization) + Send + 'a;

/// The acquisition machine, driven by awaiting.
async fn drive(
    core: &Core<Tasks>,
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
                match core.driver.transport.send(exchange.request()).await {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) => error.next_step(exchange, now().wall)?,
                }
            }
            Step::Pause(pause) => {
                if let Some(slot) = slot {
                    slot.pause_until(now().monotonic.saturating_add(pause.duration()));
                }
                core.driver.runtime().sleep(pause.duration()).await;
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
