//! Tower's rule for readiness: a service is called only after it was ready, on the same handle.

use std::error::Error as _;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Api, BoxError, TokenService, USERS, get, send, unauthorized};

#[tokio::test]
async fn layer_is_ready_when_the_inner_service_is() {
    let mut service = TokenService::new().layer().layer(Api::accepting_all());
    let waker = std::task::Waker::noop();
    let mut poll = || Service::<Request<String>>::poll_ready(&mut service, &mut Context::from_waker(waker));
    assert!(poll().is_pending());
    assert!(poll().is_ready());
}

#[tokio::test]
#[should_panic(expected = "called before it was ready")]
async fn layer_is_not_ready_before_the_inner_service() {
    let mut service = TokenService::new().layer().layer(Api::accepting_all());
    // Without a cached token, the service becomes ready once the token has arrived.
    service.call(get(USERS)).await.unwrap();
    drop(service.call(get(USERS)).await);
}

#[tokio::test]
async fn clone_becomes_ready_by_itself_in_every_flow() {
    // The service panics if it is called before it is ready: without a cached token, with one, and
    // for a replay.
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], unauthorized()));
    let mut service = token_service.layer().replay().layer(api.clone());
    for _ in 0..2 {
        let mut clone = service.clone();
        let first = send(&mut service, get(USERS));
        let (first, second) = tokio::join!(first, send(&mut clone, get(USERS)));
        assert_eq!((first.unwrap().0, second.unwrap().0), (200, 200));
    }
}

#[tokio::test]
async fn permanent_readiness_error_is_returned() {
    let mut broken = TokenService::new().layer().layer(Once::ready_times(0));
    let error = send(&mut broken, get(USERS)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "not ready any more");
    // The same for a rejected request that would be sent again.
    let mut broken = TokenService::new().layer().replay().layer(Once::ready_times(1));
    let error = send(&mut broken, get(USERS)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "not ready any more");
}

/// A service that becomes ready this many times, together with its clones, and rejects every token.
#[derive(Clone)]
struct Once(Arc<AtomicU32>);

impl Once {
    fn ready_times(times: u32) -> Self {
        Self(Arc::new(AtomicU32::new(times)))
    }
}

impl Service<Request<String>> for Once {
    type Response = Response<String>;
    type Error = BoxError;
    type Future = Ready<Result<Response<String>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let left = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        Poll::Ready(left.map(|_| ()).map_err(|_| "not ready any more".into()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        ready(Ok(Response::builder().status(401).body(String::new()).unwrap()))
    }
}

#[tokio::test]
async fn rejection_is_dropped_before_the_service_becomes_ready_again() {
    let open = Arc::new(AtomicU32::new(0));
    let service = TokenService::new()
        .layer()
        .replay()
        .layer(OneAtATime(Arc::clone(&open)));
    let response = service.oneshot(get(USERS)).await.unwrap();
    assert_eq!((response.status().as_u16(), open.load(Ordering::Relaxed)), (200, 1));
}

/// A service with one connection, which is in use until its response is dropped.
#[derive(Clone)]
struct OneAtATime(Arc<AtomicU32>);

struct Open(Arc<AtomicU32>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service<Request<String>> for OneAtATime {
    type Response = Response<Open>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Open>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        assert_eq!(self.0.load(Ordering::Relaxed), 0, "a response is still open");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let is_first = request.headers()["authorization"] == "Bearer t1";
        let status = if is_first { 401 } else { 200 };
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::builder()
            .status(status)
            .body(Open(Arc::clone(&self.0)))
            .unwrap()))
    }
}
