//! A client on virtual time, and a service that replies as a test says.
//!
//! No test sleeps: tokio's clock is paused, and advances by itself when all tasks wait.

pub(crate) mod commands;
pub(crate) mod machine;
pub(crate) mod users;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::Poll;
use std::time::Duration;

use entra_client::clock::{Clock, Moment};
use entra_client::observer::{Counters, EventKind};
use entra_client::random::SecureRandom;
use entra_client::{Client, ClientBuilder, Policy, Principal};
use entra_proto::managed_identity::LocalRoute;
use entra_proto::{Application, ClientCredential, ClientSecret, Guid, Target, Timestamp};
use entra_transport::{Body, Request, Response, Transport, TransportError, TransportErrorKind};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber};

pub(crate) const START: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Both clocks, on tokio's paused time. The time of day can be set.
#[derive(Clone)]
pub(crate) struct VirtualClock {
    start: Instant,
    /// The seconds by which the time of day was set forwards.
    ahead: Arc<Mutex<i64>>,
}

impl VirtualClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            ahead: Arc::default(),
        }
    }

    /// Moves the time of day by this many seconds.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        *self.ahead.lock().unwrap() += seconds;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        let passed = self.start.elapsed();
        let ahead = *self.ahead.lock().unwrap();
        let jump = Duration::from_secs(ahead.unsigned_abs());
        let wall = START.plus(passed);
        Moment {
            wall: if ahead < 0 { wall.minus(jump) } else { wall.plus(jump) },
            monotonic: Duration::from_secs(1_000_000) + passed,
        }
    }
}

/// The reply of the service to one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A token with this name, this lifetime in seconds, and more members.
    Token(&'static str, u64, &'static str),
    /// A status, headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// A connection that breaks.
    Broken,
    /// A host that accepts no connection.
    Unreachable,
    /// A panic of the transport.
    Panic,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }

    pub(crate) fn body(status: u16, body: &str) -> Self {
        Self::Status(status, Vec::new(), body.to_owned())
    }

    pub(crate) fn retry_after(status: u16, value: &str) -> Self {
        Self::Status(status, vec![("retry-after", value.to_owned())], String::new())
    }

    pub(crate) fn into_result(self) -> Result<Response, TransportError> {
        match self {
            Self::Token(name, life, more) => {
                let body = format!(r#"{{"token_type":"Bearer","expires_in":{life},"access_token":"{name}"{more}}}"#);
                Ok(Response::new(Body::from(body)))
            }
            Self::Status(status, headers, body) => {
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                for (name, value) in headers {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                Ok(response)
            }
            Self::Broken => Err(TransportError::new(
                TransportErrorKind::Interrupted,
                "the connection broke",
            )),
            Self::Unreachable => Err(TransportError::not_connected()),
            Self::Panic => panic!("the transport panics"),
        }
    }
}

/// The time that the n-th request takes, and its reply.
type Script = dyn Fn(usize, &Seen) -> (Duration, Reply) + Send + Sync;

/// A service that replies to the n-th request, counted from 0, as `script` says, after some time.
#[derive(Clone)]
pub(crate) struct Service {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    in_flight: Arc<AtomicUsize>,
}

/// A request as the service saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    /// The parameters of the query.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// The time after which the transport gives up on a host that does not respond, if the request
    /// limits it.
    pub(crate) patience: Option<Duration>,
    pub(crate) form: Vec<(String, String)>,
    /// The time at which it arrived, from the start of the test.
    pub(crate) at: Duration,
}

impl Seen {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        value_in(&self.form, name)
    }

    /// Returns the value of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        value_in(&self.query, name)
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn value_in<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
}

impl Service {
    pub(crate) fn new(script: impl Fn(usize, &Seen) -> (Duration, Reply) + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            seen: Arc::default(),
            in_flight: Arc::default(),
        }
    }

    /// Replies to every request alike, at once.
    pub(crate) fn always(reply: Reply) -> Self {
        Self::new(move |_, _| (Duration::ZERO, reply.clone()))
    }

    /// Sends these replies one after another, and then the last of them forever.
    pub(crate) fn replies(replies: &[Reply]) -> Self {
        let replies = replies.to_vec();
        Self::new(move |n, _| (Duration::ZERO, replies[n.min(replies.len() - 1)].clone()))
    }

    /// Delays each reply.
    pub(crate) fn taking(self, time: Duration) -> Self {
        let script = Arc::clone(&self.script);
        Self {
            script: Arc::new(move |n, seen| (time, script(n, seen).1)),
            ..self
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn seen(&self, n: usize) -> Seen {
        self.seen.lock().unwrap()[n].clone()
    }

    /// Returns the number of requests that have begun and neither have a reply nor were dropped.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Records a request. Returns the time that it takes, and the reply.
    pub(crate) fn receive(&self, request: &Request, at: Duration) -> (Duration, Reply) {
        let seen = Seen {
            path: request.uri().path().to_owned(),
            query: pairs(request.uri().query().unwrap_or_default().as_bytes()),
            headers: request.headers().clone(),
            patience: LocalRoute::of(request).and_then(|route| {
                let limits = [route.connect_timeout(), route.timeout()];
                limits.into_iter().flatten().min()
            }),
            form: pairs(request.body().as_bytes()),
            at,
        };
        let n = {
            let mut all = self.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        (self.script)(n, &seen)
    }
}

/// A transport to a [`Service`] on tokio's time.
pub(crate) struct Wire(Service, Instant);

impl Wire {
    pub(crate) fn to(service: &Service) -> Self {
        Self(service.clone(), Instant::now())
    }
}

struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        let _guard = InFlight(Arc::clone(&self.0.in_flight));
        let (time, reply) = self.0.receive(&request, self.1.elapsed());
        // At least one turn of the executor, as on every network.
        tokio::task::yield_now().await;
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        reply.into_result()
    }
}

pub(crate) fn app(credential: impl Into<ClientCredential>) -> Application {
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential)
}

pub(crate) fn secret() -> ClientSecret {
    ClientSecret::new("canary-secret").unwrap()
}

pub(crate) fn api(name: &str) -> Target {
    Target::resource(&format!("https://{name}.example")).unwrap()
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A client of a service on virtual time, and its counters. Random numbers are counted, so that no
/// test depends on chance.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) clock: VirtualClock,
    pub(crate) service: Service,
    pub(crate) counters: Arc<Counters>,
}

impl Stage {
    pub(crate) fn new(service: Service) -> Self {
        Self::with(service, |builder| builder)
    }

    pub(crate) fn with_policy(service: Service, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = Policy::default();
        change(&mut policy);
        Self::with(service, |builder| builder.policy(policy))
    }

    pub(crate) fn with(service: Service, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        Self::of(app(secret()), service, change)
    }

    pub(crate) fn of(
        principal: impl Into<Principal>,
        service: Service,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let clock = VirtualClock::new();
        let counters = Arc::new(Counters::default());
        let builder = Client::builder(principal, Wire::to(&service))
            .clock(clock.clone())
            .secure_random(CountedRandom::default())
            .observer(Arc::clone(&counters));
        Self {
            client: change(builder).build().unwrap(),
            clock,
            service,
            counters,
        }
    }

    pub(crate) fn count(&self, kind: EventKind) -> u64 {
        self.counters.of(kind)
    }
}

/// Numbers of 16 bytes that count up. The last bytes determine the jitter and are low: a token
/// needs refresh as late as possible.
#[derive(Default)]
pub(crate) struct CountedRandom(AtomicUsize);

impl SecureRandom for CountedRandom {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        for chunk in bytes.chunks_mut(16) {
            let number = self.0.fetch_add(1, Ordering::Relaxed) as u128 + 1;
            chunk.copy_from_slice(&number.to_be_bytes());
        }
        Ok(())
    }
}

/// Advances virtual time.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs everything that can run without time passing.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future once, and drops it.
pub(crate) async fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Runs `count` futures as tasks, and returns their outputs.
pub(crate) async fn together<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(task(n))).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

/// Records what this thread traces until the guard is dropped.
///
/// There is always a second subscriber. With only one, tracing asks only the thread that first
/// reaches an event whether it is recorded, and the thread of another test could switch it off for
/// all.
pub(crate) fn record_traces(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    tracing::subscriber::set_default(subscriber)
}
