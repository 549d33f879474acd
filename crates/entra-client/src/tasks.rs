//! The async driver: it performs the effects of [`flow`](crate::flow) by awaiting, and holds none
//! of the client's rules.

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use entra_proto::device::DeviceAuthorization;
use entra_transport::Transport;
use tracing::Instrument as _;

use crate::cache::Key;
use crate::core::{Core, acquisition_span};
use crate::error::Error;
use crate::flow::{CallerEffect, Effect, FlightGoal, FlightTask, Goal, SignInGoal, TurnLimit};
use crate::request::InitialRequest;
use crate::runtime::{BoxFuture, Runtime};
use crate::sign_in::SignIn;
use crate::token::Token;
use crate::token_store::TokenStore;

/// The state of the async driver: a transport, a runtime and a store.
#[expect(
    unnameable_types,
    reason = "callers name `Client` and `blocking::Client`, not their drivers"
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

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        self.runtime.as_ref().expect("the builder requires a runtime")
    }
}

/// Drives a flight or a sign-in to its end.
async fn drive<G: Goal>(io: &Tasks, mut effect: Effect<'_, Tasks, G>) -> G::Output {
    let mut limit = TurnLimit::default();
    loop {
        limit.count(effect.name());
        effect = match effect {
            Effect::Wait(mut wait) => {
                let patience = wait.patience;
                or_after(&mut wait.waiter, || io.runtime().sleep(patience)).await;
                wait.done()
            }
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
            Effect::Run(mut run) => {
                let outcome = run.command().run_async().await;
                run.done(outcome)
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

/// Drives a caller to its end.
pub(crate) async fn acquire(core: &Arc<Core<Tasks>>, mut effect: CallerEffect<'_, Tasks>) -> Result<Token, Error> {
    let mut limit = TurnLimit::default();
    loop {
        limit.count(effect.name());
        effect = match effect {
            CallerEffect::Run(new) => {
                run_flight(Arc::clone(core), new.flight).await;
                CallerEffect::Join(new.join)
            }
            CallerEffect::Join(mut join) => {
                let patience = join.patience;
                let outcome = or_after(&mut join.waiter, || core.driver.runtime().sleep(patience)).await;
                join.done(outcome)
            }
            CallerEffect::Done(outcome) => return outcome,
        }
    }
}

/// Signs a user in.
pub(crate) async fn sign_in(
    core: &Core<Tasks>,
    key: Key,
    request: InitialRequest,
    show: impl FnMut(&DeviceAuthorization) + Send,
) -> Result<SignIn, Error> {
    let span = acquisition_span(&key);
    let sign_in = async { drive(&core.driver, SignInGoal::start(core, &span, &key, request, show)).await };
    sign_in.instrument(span.clone()).await
}

/// Runs a flight as a task.
pub(crate) fn spawn_flight(core: &Arc<Core<Tasks>>, flight: FlightTask) {
    core.driver
        .runtime()
        .spawn(Box::pin(run_flight(Arc::clone(core), flight)));
}

/// Runs a flight. A panic of foreign code fails the flight.
fn run_flight(core: Arc<Core<Tasks>>, mut flight: FlightTask) -> impl Future<Output = ()> + Send {
    let span = acquisition_span(flight.owner.slot().key());
    let inside = span.clone();
    async move {
        let outcome = {
            let run = async {
                drive(
                    &core.driver,
                    FlightGoal::start(&core, &span, &mut flight.owner, flight.request),
                )
                .await
            };
            let mut run = pin!(run);
            poll_fn(|cx| {
                let poll = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx)));
                poll.map_or_else(|_| Poll::Ready(Err(Panicked)), |poll| poll.map(Ok))
            })
            .await
        };
        if let Err(Panicked) = outcome {
            core.fail_after_panic(&mut flight.owner);
        }
        drop(flight.permit);
    }
    .instrument(inside)
}

struct Panicked;

/// Returns the output of `waiter`, or `None` if the future that `after` makes ends first. That one
/// is made only if `waiter` is not ready after one turn of the executor.
async fn or_after<T>(mut waiter: impl Future<Output = T> + Unpin, after: impl Fn() -> BoxFuture<()>) -> Option<T> {
    let (mut end, mut has_yielded) = (None, false);
    poll_fn(|cx| match Pin::new(&mut waiter).poll(cx) {
        // An outcome that is ready after one turn of the executor does not need a timer.
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

/// The number of flights with waiting callers that run as tasks. Beyond it, a flight runs within
/// the future of the caller that starts it.
pub(crate) const MOST_DETACHED: usize = 4096;
