//! The suite for async transports.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use entra_proto::assertion::BoxFuture;
use entra_transport::{BlockingTransport, Request, Response, Transport, TransportError};

use crate::bench::{Outcome, Setup, setup};
use crate::exchange::{check, got, ok, post};
use crate::jobs::{Job, run_jobs};
use crate::report::Report;
use crate::server::Server;
use crate::suite::run;

/// Runs all cases with the async transports that `make` builds, and the cases for async transports
/// only.
///
/// `block_on` runs a future to completion on the runtime that the transports need. The suite calls
/// it from several threads at the same time. It calls `make` from these threads, outside the
/// runtime.
pub fn run_async(
    make: impl Fn(&Setup) -> Arc<dyn Transport> + Send + Sync + 'static,
    block_on: impl Fn(BoxFuture<'_, ()>) + Send + Sync + 'static,
) -> Report {
    let make: Make = Arc::new(make);
    let block_on: BlockOn = Arc::new(block_on);
    let blocking = {
        let (make, block_on) = (Arc::clone(&make), Arc::clone(&block_on));
        run(move |setup| {
            Box::new(Blocking {
                transport: make(setup),
                block_on: Arc::clone(&block_on),
            })
        })
    };
    let cases: [(&'static str, AsyncCase); 3] = [
        ("dropped_future_closes_its_connection", dropped_while_waiting),
        ("future_dropped_in_body_closes_its_connection", dropped_in_the_body),
        ("future_that_is_never_polled_sends_nothing", never_polled),
    ];
    let jobs = cases.into_iter().map(|(name, case)| {
        let (make, block_on) = (Arc::clone(&make), Arc::clone(&block_on));
        let job = move || case(&*make(&setup()), &block_on).map(|()| None);
        (name, Box::new(job) as Job)
    });
    blocking.and(run_jobs(jobs.collect()))
}

type Make = Arc<dyn Fn(&Setup) -> Arc<dyn Transport> + Send + Sync>;
type AsyncCase = fn(&dyn Transport, &BlockOn) -> Outcome;
type BlockOn = Arc<dyn Fn(BoxFuture<'_, ()>) + Send + Sync>;

/// An async transport that the caller's runtime runs.
struct Blocking {
    transport: Arc<dyn Transport>,
    block_on: BlockOn,
}

impl BlockingTransport for Blocking {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut outcome = None;
        (self.block_on)(Box::pin(async { outcome = Some(self.transport.send(request).await) }));
        outcome.expect("block_on returns when the future is complete")
    }
}

fn dropped_while_waiting(transport: &dyn Transport, block_on: &BlockOn) -> Outcome {
    dropped_after(transport, block_on, b"")
}

fn dropped_in_the_body(transport: &dyn Transport, block_on: &BlockOn) -> Outcome {
    dropped_after(
        transport,
        block_on,
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    )
}

fn dropped_after(transport: &dyn Transport, block_on: &BlockOn, sent: &'static [u8]) -> Outcome {
    let signal = Arc::new(Signal::default());
    let reached = Arc::clone(&signal);
    let server = Server::start(move |peer| {
        if peer.request()?.is_some_and(|request| request.line.contains("/again")) {
            return peer.write(ok("{}").as_bytes());
        }
        peer.write(sent)?;
        reached.fire();
        peer.until_gone()
    });
    let mut finished = false;
    block_on(Box::pin(async {
        let mut response = pin!(transport.send(post(&server.http("/"))));
        // Ends with the response or at the signal, and drops the future in its current state.
        finished = poll_fn(|cx| match response.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => signal.poll(cx.waker()).map(|()| false),
        })
        .await;
    }));
    check(!finished, || "it ended by itself".to_owned())?;
    let mut again = None;
    block_on(Box::pin(async {
        again = Some(transport.send(post(&server.http("/again"))).await)
    }));
    got(again.expect("block_on returns when the future is complete"))?;
    check(server.wait_for_end(2), || "the connection stays open".to_owned())
}

fn never_polled(transport: &dyn Transport, block_on: &BlockOn) -> Outcome {
    let server = Server::responding(ok("{}"));
    block_on(Box::pin(async { drop(transport.send(post(&server.http("/")))) }));
    check(server.connections() == 0, || {
        format!("{} connections", server.connections())
    })
}

/// A signal from a thread to one future.
#[derive(Default)]
struct Signal {
    fired: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn fire(&self) {
        self.fired.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<()> {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        if self.fired.load(Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
