//! The allocations of a request with a cached token: none.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use entra_tower::Bearer;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::support::{self, TokenService, USERS};

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
        assert!(request.headers()["authorization"].is_sensitive());
        let (wanted, claims) = match request.uri().path() {
            "/a" => ("t2", "c1"),
            "/b" => ("t3", "c2"),
            _ => return ready(Ok(Response::new(()))),
        };
        if support::token_in(request.headers()) == wanted {
            return ready(Ok(Response::new(())));
        }
        let (status, fields) = support::challenge(&support::context(claims));
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(name, value);
        }
        ready(Ok(response.body(()).unwrap()))
    }
}

/// Returns a request with room for one more header.
fn request(uri: &str) -> Request<()> {
    let mut request = Request::get(uri).body(()).unwrap();
    request.headers_mut().reserve(4);
    request
}

fn send(service: &mut Bearer<Trivial>, request: Request<()>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let Poll::Ready(response) = pin!(service.call(request)).poll(&mut cx) else {
        panic!("the inner service responds at once")
    };
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn cached_token_takes_no_allocation() {
    let token_service = TokenService::new();
    let pristine = token_service.layer().layer(Trivial);
    token_service.client.token(&support::graph()).await.unwrap();
    let mut service = pristine.clone();
    for _ in 0..3 {
        let request = request(USERS);
        let allocated = measure(|| send(&mut service, request));
        assert_eq!(allocated.count_total, 0);
    }
    // A service that is cloned for each request does not allocate either.
    let request = request(USERS);
    let allocated = measure(|| send(&mut pristine.clone(), request));
    assert_eq!(allocated.count_total, 0);
}

#[tokio::test]
async fn tokens_of_two_contexts_take_no_allocation() {
    let token_service = TokenService::new();
    let mut service = token_service.layer().layer(Trivial);
    let uris = ["https://graph.microsoft.com/a", "https://graph.microsoft.com/b"];
    for expected in [401, 200] {
        for uri in uris {
            let response = service.ready().await.unwrap().call(request(uri)).await.unwrap();
            assert_eq!(response.status(), expected);
        }
    }
    send(&mut service, request(uris[0]));
    for uri in uris {
        let request = request(uri);
        let allocated = measure(|| send(&mut service, request));
        assert_eq!(allocated.count_total, 0, "{uri}");
    }
}
