//! One stack of connections for the API and the token service: the layer holds none of them while
//! it awaits a token.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use entra_client::{Client, Policy};
use entra_proto::acquire::RetryPolicy;
use entra_tower::{BearerError, BearerLayer};
use entra_transport::{Body, transport_fn};
use http::{Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt};

use crate::support::{self, USERS, challenge, get, not_before, token_in, unauthorized};

/// A stack with some connections. A handle takes one when it becomes ready, and a response holds it
/// until it is dropped.
struct Stack {
    connections: Arc<Semaphore>,
    script: Arc<Script>,
    /// The path and token of each request.
    sent: Arc<Mutex<Vec<String>>>,
    waiting: Option<Waiting>,
    ready: Option<OwnedSemaphorePermit>,
}

type Script = dyn Fn(&Request<String>, usize) -> support::Reply + Send + Sync;
type Waiting = Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>;

/// A body that holds its connection.
struct Held(String, #[allow(dead_code)] OwnedSemaphorePermit);

impl Stack {
    /// Creates a stack whose servers respond after 20 ms as `script` says, given the number of
    /// earlier requests for the same path.
    fn new(
        connections: usize,
        script: impl Fn(&Request<String>, usize) -> support::Reply + Send + Sync + 'static,
    ) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(connections)),
            script: Arc::new(script),
            sent: Arc::default(),
            waiting: None,
            ready: None,
        }
    }

    /// Returns a client whose token requests take a connection of this stack.
    fn client(&self) -> Client {
        let stack = Mutex::new(self.clone());
        let transport = transport_fn(move |request: entra_transport::Request| {
            let stack = stack.lock().unwrap().clone();
            async move {
                let request = Request::post(request.uri()).body(String::new()).unwrap();
                let (head, body) = stack.oneshot(request).await.unwrap().into_parts();
                let text = body.0.clone();
                drop(body);
                Ok(Response::from_parts(head, Body::from(text)))
            }
        });
        let mut policy = Policy::default();
        policy.retry = RetryPolicy::never();
        Client::builder(support::application(), transport)
            .policy(policy)
            .build()
            .unwrap()
    }

    fn layer(&self) -> BearerLayer {
        let source = self.client().source(&support::graph()).unwrap();
        BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap()
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

impl Clone for Stack {
    fn clone(&self) -> Self {
        Self {
            connections: Arc::clone(&self.connections),
            script: Arc::clone(&self.script),
            sent: Arc::clone(&self.sent),
            waiting: None,
            ready: None,
        }
    }
}

impl Service<Request<String>> for Stack {
    type Response = Response<Held>;
    type Error = BearerError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Held>, BearerError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BearerError>> {
        if self.ready.is_none() {
            let connections = Arc::clone(&self.connections);
            let waiting = self.waiting.get_or_insert_with(|| {
                Box::pin(async move { connections.acquire_owned().await.expect("the semaphore stays open") })
            });
            self.ready = Some(ready!(waiting.as_mut().poll(cx)));
            self.waiting = None;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let connection = self.ready.take().expect("called before it was ready");
        let line = format!("{} {}", request.uri().path(), token_in(request.headers()));
        let before = {
            let mut sent = self.sent.lock().unwrap();
            let path = request.uri().path();
            let before = sent.iter().filter(|line| line.starts_with(path)).count();
            sent.push(line);
            before
        };
        let (status, fields) = (self.script)(&request, before);
        let is_token = request.uri().path().ends_with("token");
        let body = match status {
            200 if is_token => format!(r#"{{"access_token":"t{before}","expires_in":3599}}"#),
            _ => token_in(request.headers()).to_owned(),
        };
        let mut response = Response::new(Held(body, connection));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in fields {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            Ok(response)
        })
    }
}

/// Sends requests at once. Returns status and token of each response, and the time that all took.
async fn send<S>(service: &S, requests: usize) -> (Vec<(u16, String)>, Duration)
where
    S: Service<Request<String>, Response = Response<Held>, Error = BearerError> + Clone + Send + 'static,
    S::Future: Send,
{
    let start = Instant::now();
    let calls: Vec<_> = (0..requests)
        .map(|_| {
            let call = service.clone().oneshot(get(USERS));
            tokio::spawn(async move {
                // Far more than it takes, so that a deadlock fails and does not hang.
                let response = timeout(Duration::from_secs(600), call)
                    .await
                    .expect("a deadlock")
                    .unwrap();
                (response.status().as_u16(), response.into_body().0)
            })
        })
        .collect();
    let mut responses = Vec::new();
    for call in calls {
        responses.push(call.await.unwrap());
    }
    (responses, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn cold_request_on_one_connection_takes_two_round_trips() {
    let stack = Stack::new(1, |_, _| (200, vec![]));
    let api = stack.layer().layer(stack.clone());
    let (responses, took) = send(&api, 1).await;
    assert_eq!(responses, [(200, "t0".to_owned())]);
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn service_that_outlives_its_cold_call_holds_no_connection() {
    let stack = Stack::new(1, |_, _| (200, vec![]));
    let mut api = stack.layer().layer(stack.clone());
    let call = async { api.ready().await?.call(get(USERS)).await };
    let response = timeout(Duration::from_secs(1), call).await.expect("no deadlock");
    assert_eq!(response.unwrap().into_body().0, "t0");
    assert_eq!(stack.connections.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn cold_requests_leave_their_token_a_connection() {
    for (connections, requests) in [(1, 5), (3, 3), (3, 10)] {
        let stack = Stack::new(connections, |_, _| (200, vec![]));
        let api = stack.layer().layer(stack.clone());
        let (responses, took) = send(&api, requests).await;
        assert!(responses.iter().all(|response| *response == (200, "t0".to_owned())));
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(stack.sent().len(), requests + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_request_leaves_its_new_token_a_connection() {
    for rejection in [unauthorized(), challenge(&not_before(1))] {
        let stack = Stack::new(1, move |request, _| match token_in(request.headers()) {
            "t0" => rejection.clone(),
            _ => (200, vec![]),
        });
        let api = stack.layer().replay().layer(stack.clone());
        let (responses, took) = send(&api, 1).await;
        assert_eq!(responses, [(200, "t1".to_owned())]);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn response_of_the_api_is_returned_if_there_is_no_new_token() {
    for rejection in [unauthorized(), challenge(&not_before(1))] {
        let stack = Stack::new(1, move |request, before| {
            match (request.uri().path().ends_with("token"), before) {
                (true, 0) => (200, vec![]),
                (true, _) => (503, vec![]),
                (false, _) => rejection.clone(),
            }
        });
        let api = stack.layer().replay().layer(stack.clone());
        // A response holds no connection while a token request has to wait, so the request is sent
        // again.
        let (responses, took) = send(&api, 1).await;
        assert_eq!(responses, [(401, "t0".to_owned())]);
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(stack.sent().iter().filter(|line| line.ends_with("users t0")).count(), 2);
        assert_eq!(stack.connections.available_permits(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_call_holds_nothing() {
    // Every token is rejected once, so a call takes up to 80 ms: token, request, token, request.
    for after in 0..90 {
        let stack = Stack::new(1, |request, _| match token_in(request.headers()) {
            "t0" => unauthorized(),
            _ => (200, vec![]),
        });
        let api = stack.layer().replay().layer(stack.clone());
        let given_up = timeout(Duration::from_millis(after), api.clone().oneshot(get(USERS)));
        drop(given_up.await);
        // The token request goes on without its caller.
        sleep(Duration::from_millis(100)).await;
        assert_eq!(stack.connections.available_permits(), 1, "after {after} ms");
        let (responses, took) = send(&api, 3).await;
        assert!(responses.iter().all(|response| *response == (200, "t1".to_owned())));
        assert!(took < Duration::from_secs(1), "{took:?}");
        let tokens = stack.sent().iter().filter(|line| line.contains("token")).count();
        assert_eq!(tokens, 2, "after {after} ms");
    }
}
