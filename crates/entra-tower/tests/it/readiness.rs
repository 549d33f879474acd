//! Tower's rule: what is called was ready before, and is exactly what was.

use std::error::Error as _;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Api, BoxError, Entra, USERS, get, send, unauthorized};

#[tokio::test]
async fn it_is_ready_when_the_inner_service_is() {
    let mut service = Entra::new().layer().layer(Api::kind());
    let waker = std::task::Waker::noop();
    let mut poll = || Service::<Request<String>>::poll_ready(&mut service, &mut Context::from_waker(waker));
    assert!(poll().is_pending());
    assert!(poll().is_ready());
}

#[tokio::test]
#[should_panic(expected = "called before it was ready")]
async fn it_adds_no_readiness_of_its_own() {
    let mut service = Entra::new().layer().layer(Api::kind());
    // Without a token at hand, the service gets ready once the token is there.
    service.call(get(USERS)).await.unwrap();
    drop(service.call(get(USERS)).await);
}

#[tokio::test]
async fn a_clone_gets_ready_by_itself_on_every_way() {
    // Those services panic where they are called before they are ready: without a token at hand, with one, and for a replay.
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], unauthorized()));
    let mut service = entra.layer().replay().layer(api.clone());
    for _ in 0..2 {
        let mut clone = service.clone();
        let first = send(&mut service, get(USERS));
        let (first, second) = tokio::join!(first, send(&mut clone, get(USERS)));
        assert_eq!((first.unwrap().0, second.unwrap().0), (200, 200));
    }
}

#[tokio::test]
async fn that_it_will_never_be_ready_comes_through() {
    let mut broken = Entra::new().layer().layer(Once::ready_times(0));
    let error = send(&mut broken, get(USERS)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "not ready any more");
    // Also where the refused request would have been sent again.
    let mut broken = Entra::new().layer().replay().layer(Once::ready_times(1));
    let error = send(&mut broken, get(USERS)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "not ready any more");
}

/// Gets ready so many times, with its clones together, and refuses every token.
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
async fn the_refusal_is_let_go_before_the_service_is_asked_again() {
    let open = Arc::new(AtomicU32::new(0));
    let service = Entra::new().layer().replay().layer(OneAtATime(Arc::clone(&open)));
    let answer = service.oneshot(get(USERS)).await.unwrap();
    assert_eq!((answer.status().as_u16(), open.load(Ordering::Relaxed)), (200, 1));
}

/// Has one connection, which is taken until the answer on it is dropped.
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
        assert_eq!(self.0.load(Ordering::Relaxed), 0, "an answer is still open");
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
