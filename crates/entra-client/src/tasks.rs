//! The driver that awaits: the I/O of the async client, and nothing of its rules (see [`flow`](crate::flow)).

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use entra_proto::TokenRequest;
use entra_proto::device::DeviceAuthorization;
use entra_transport::Transport;
use tracing::Instrument as _;

use crate::cache::{Key, Slot};
use crate::core::{Core, acquisition_span};
use crate::error::Error;
use crate::flow::{Call, Effect, Flight, Flying, Goal, SigningIn, Want, Wanted};
use crate::runtime::{BoxFuture, Runtime};
use crate::sign_in::SignIn;
use crate::token::Token;
use crate::token_store::TokenStore;

/// What the async client has beside its rules: a transport, a runtime, a store.
#[expect(
    unnameable_types,
    reason = "callers name `Client` and `blocking::Client`, not what drives them"
)]
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

/// Drives a flight or a sign-in by awaiting.
async fn drive<G: Goal>(io: &Tasks, mut effect: Effect<'_, Tasks, G>) -> G::Output {
    loop {
        effect = match effect {
            Effect::Load(load) => {
                let stored = match &io.store {
                    Some(store) => store.load(load.key()).await,
                    None => None,
                };
                load.done(stored)
            }
            Effect::Sleep(sleep) => {
                io.runtime().sleep(sleep.duration()).await;
                sleep.done()
            }
            Effect::Sign(sign) => {
                let signature = sign.credential().sign_async(sign.assertion()).await;
                sign.done(signature)
            }
            Effect::Assert(assert) => {
                let assertion = assert.credential().assertion_async().await;
                assert.done(assertion)
            }
            Effect::Send(mut send) => {
                let outcome = io.transport.as_ref().send(send.request()).await;
                send.done(outcome)
            }
            Effect::Save(save) => {
                if let Some(store) = &io.store {
                    store.save(save.key(), save.token()).await;
                }
                return save.done();
            }
            Effect::Done(output) => return output,
        }
    }
}

/// Gets the token of a slot.
pub(crate) async fn acquire(
    core: &Arc<Core<Tasks>>,
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
                fly(Arc::clone(core), departure.flight).await;
                Call::Join(departure.join)
            }
            Call::Join(mut join) => {
                let patience = join.patience;
                let outcome = or_after(&mut join.waiter, || core.driver.runtime().sleep(patience)).await;
                join.done(outcome)
            }
            Call::Done(outcome) => return outcome,
        }
    }
}

/// Signs a user in.
pub(crate) async fn sign_in(
    core: &Core<Tasks>,
    key: Key,
    wanted: Wanted,
    show: impl FnMut(&DeviceAuthorization) + Send,
) -> Result<SignIn, Error> {
    let span = acquisition_span(&key);
    let sign_in = async { drive(&core.driver, SigningIn::start(core, &span, &key, wanted, show)).await };
    sign_in.instrument(span.clone()).await
}

/// Runs a flight as a task.
pub(crate) fn launch(core: &Arc<Core<Tasks>>, flight: Flight) {
    core.driver.runtime().spawn(Box::pin(fly(Arc::clone(core), flight)));
}

/// Runs a flight. A panic of the code of others becomes its failure.
fn fly(core: Arc<Core<Tasks>>, flight: Flight) -> impl Future<Output = ()> + Send {
    let Flight {
        mut lead,
        request,
        permit,
    } = flight;
    let span = acquisition_span(lead.slot().key());
    let inside = span.clone();
    async move {
        let flown = {
            let mut flight = pin!(async { drive(&core.driver, Flying::start(&core, &span, &mut lead, request)).await });
            poll_fn(|cx| {
                let poll = catch_unwind(AssertUnwindSafe(|| flight.as_mut().poll(cx)));
                poll.map_or_else(|_| Poll::Ready(Err(Panicked)), |poll| poll.map(Ok))
            })
            .await
        };
        if let Err(Panicked) = flown {
            core.fail_after_panic(&mut lead);
        }
        drop(permit);
    }
    .instrument(inside)
}

struct Panicked;

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

/// How many flights that callers wait for run as tasks. Beyond that, a flight runs within the future of the caller that starts it.
pub(crate) const MOST_DETACHED: usize = 4096;
