//! The cost of the bearer layer over a service that does nothing.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use entra_client::Client;
use entra_tower::BearerLayer;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::client::{application, graph, runtime, secret, stub};
use crate::measure::{allocations, median_of};
use crate::report::Report;

pub(crate) fn measure(report: &mut Report) {
    let client = Client::new(application(secret()), stub());
    let source = client.source(&graph()).unwrap();
    drop(runtime().block_on(client.token(&graph())).unwrap());
    let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
    let (mut bare, mut bearer) = (Trivial, layer.layer(Trivial));
    let mut inserting = Inserting(crate::bare::header());

    // In turns, so that all have the same neighbours.
    let mut of_insertion = Vec::new();
    let of_bearer = median_of(2001, || {
        let bare = batch(&mut bare);
        of_insertion.push(batch(&mut inserting) - bare);
        batch(&mut bearer) - bare
    });
    let mut of_insertion = of_insertion.into_iter();
    let of_insertion = median_of(of_insertion.len(), || of_insertion.next().unwrap());
    report.at_most(
        "bearer",
        of_bearer / of_insertion,
        "times a bare insertion of the header",
        1.5,
    );
    let count = allocations(|| {
        for request in requests() {
            call(&mut bearer, request);
        }
    }) - allocations(|| drop(requests()));
    report.at_most("bearer-allocations", count, "allocations", 0.0);

    // Each thread has a clone; the token is one for both.
    let alone = median_of(301, || batch(&mut bearer));
    let barrier = Barrier::new(2);
    let both = thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            let mut bearer = bearer.clone();
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                median_of(301, || batch(&mut bearer))
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let ratio = (both[0] + both[1]) / 2.0 / alone;
    report.at_most("bearer-on-two-threads", ratio, "times one thread", 1.5);
}

/// The nanoseconds of one call: a batch of them, whose requests are made and dropped off the clock.
fn batch<S>(service: &mut S) -> f64
where
    S: Service<Request<()>, Response = Response<()>>,
{
    let requests = requests();
    let start = Instant::now();
    for request in requests {
        call(service, request);
    }
    start.elapsed().as_nanos() as f64 / BATCH as f64
}

/// With room for one more header, as a request has that was made with others.
fn requests() -> Vec<Request<()>> {
    (0..BATCH)
        .map(|_| {
            let request = Request::get("https://graph.microsoft.com/v1.0/users");
            request.header("accept", "application/json").body(()).unwrap()
        })
        .collect()
}

fn call<S>(service: &mut S, request: Request<()>)
where
    S: Service<Request<()>, Response = Response<()>>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let answer = pin!(service.call(request)).poll(&mut context);
    drop(black_box(answer));
}

/// Responds at once.
#[derive(Clone)]
struct Trivial;

impl Service<Request<()>> for Trivial {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

/// Inserts a clone of a header and responds at once.
struct Inserting(HeaderValue);

impl Service<Request<()>> for Inserting {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<()>) -> Self::Future {
        request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        Trivial.call(request)
    }
}

const BATCH: usize = 256;
