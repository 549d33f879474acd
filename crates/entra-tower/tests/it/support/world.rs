//! A token service and an API that take time, on tokio's paused clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::clock::{Clock, Moment};
use entra_client::{Client, Policy};
use entra_proto::Timestamp;
use entra_proto::acquire::RetryPolicy;
use entra_tower::BearerLayer;
use entra_transport::{Body, transport_fn};
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use super::{ApiError, Reply, application, get, graph, ok, token_in, unauthorized};

/// A token service that numbers its tokens in the order of its requests, and an API whose tokens
/// can be revoked.
#[derive(Clone)]
pub(crate) struct World {
    client: Client,
    /// The number of token requests so far.
    requests: Arc<AtomicUsize>,
    /// The requests that the API got: path and token number.
    sent: Arc<Mutex<Vec<(String, usize)>>>,
    valid_from: Arc<AtomicUsize>,
    api: Arc<Script>,
}

type Script = dyn Fn(&str, usize) -> Reply + Send + Sync;
type Response200 = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A function that sends a request for a path, and returns true if the response is 200.
pub(crate) type Call = Arc<dyn Fn(&str) -> Response200 + Send + Sync>;

/// The time of tokio's clock.
pub(crate) struct TokioClock(pub(crate) Instant);

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        let passed = self.0.elapsed();
        Moment {
            wall: Timestamp::from_secs(1_767_225_600).plus(passed),
            monotonic: Duration::from_secs(1000) + passed,
        }
    }
}

impl World {
    /// Creates a world. The token service responds to the request with a number with this status
    /// after this time. The API replies as `api` says to a path and the number of a valid token.
    pub(crate) fn new(
        service: impl Fn(usize) -> (u16, Duration) + Send + Sync + 'static,
        api: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let transport = transport_fn(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let (status, latency) = service(number);
            async move {
                sleep(latency).await;
                let body = format!(r#"{{"access_token":"{number}","expires_in":3599}}"#);
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok(response)
            }
        });
        let mut policy = Policy::default();
        policy.retry = RetryPolicy::never();
        let client = Client::builder(application(), transport)
            .policy(policy)
            .clock(TokioClock(Instant::now()))
            .build()
            .unwrap();
        Self {
            client,
            requests,
            sent: Arc::default(),
            valid_from: Arc::default(),
            api: Arc::new(api),
        }
    }

    /// Returns a service with its own layer.
    pub(crate) fn call(&self, replays: bool) -> Call {
        let world = self.clone();
        let inner = tower::service_fn(move |request: Request<String>| {
            let world = world.clone();
            async move {
                sleep(Duration::from_millis(10)).await;
                let number = token_in(request.headers()).parse().unwrap();
                let path = request.uri().path();
                world.sent.lock().unwrap().push((path.to_owned(), number));
                let is_valid = number >= world.valid_from.load(Ordering::SeqCst);
                let (status, _) = if is_valid {
                    (world.api)(path, number)
                } else {
                    unauthorized()
                };
                let mut response = Response::new(String::new());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok::<_, ApiError>(response)
            }
        });
        let source = self.client.source(&graph()).unwrap();
        let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
        let (plain, replaying) = (layer.clone().layer(inner.clone()), layer.replay().layer(inner));
        Arc::new(move |path| {
            let request = get(&format!("https://graph.microsoft.com{path}"));
            let (plain, replaying) = (plain.clone(), replaying.clone());
            Box::pin(async move {
                let response = if replays {
                    replaying.oneshot(request).await
                } else {
                    plain.oneshot(request).await
                };
                response.unwrap().status() == 200
            })
        })
    }

    /// Revokes all tokens that were issued up to now.
    pub(crate) fn revoke(&self) {
        self.valid_from.store(self.requests() + 1, Ordering::SeqCst);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Returns the number of requests for this path at the API.
    pub(crate) fn sent(&self, path: &str) -> usize {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|(other, _)| other == path).count()
    }
}

/// An API that rejects every token at paths that begin with `/evil`.
pub(crate) fn evil(path: &str, _: usize) -> Reply {
    if path.starts_with("/evil") {
        unauthorized()
    } else {
        ok()
    }
}
