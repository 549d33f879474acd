//! A client on virtual time, and a service that answers as a test says. Nothing here sleeps: tokio's clock is paused, and moves on by
//! itself when everybody waits.

pub(crate) mod people;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use entra_client::clock::{Clock, Moment};
use entra_client::observer::{Counters, EventKind};
use entra_client::random::SecureRandom;
use entra_client::{Client, ClientBuilder, Policy};
use entra_proto::{Application, ClientCredential, ClientSecret, Guid, Target, Timestamp};
use entra_transport::{Body, Request, Response, Transport, TransportError, TransportErrorKind};
use http::StatusCode;
use tokio::time::Instant;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber};

pub(crate) const START: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Both clocks on tokio's paused time, of which the time of day can be set.
#[derive(Clone)]
pub(crate) struct VirtualClock {
    start: Instant,
    /// Seconds by which the time of day was set forwards.
    ahead: Arc<Mutex<i64>>,
}

impl VirtualClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            ahead: Arc::default(),
        }
    }

    /// Sets the time of day by this many seconds.
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

/// What the service answers to one request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A token with this name that lives this many seconds, and more members.
    Token(&'static str, u64, &'static str),
    /// A status, headers, a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// No answer at all.
    Broken,
    /// The transport panics.
    Panic,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }

    pub(crate) fn refusal(status: u16, body: &str) -> Self {
        Self::Status(status, Vec::new(), body.to_owned())
    }

    pub(crate) fn retry_after(status: u16, value: &str) -> Self {
        Self::Status(status, vec![("retry-after", value.to_owned())], String::new())
    }

    pub(crate) fn give(self) -> Result<Response, TransportError> {
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
            Self::Panic => panic!("the transport panics"),
        }
    }
}

/// How long the n-th request takes, and its answer.
type Script = dyn Fn(usize, &Seen) -> (Duration, Answer) + Send + Sync;

/// A service that answers the n-th request, counted from 0, as `script` says, after some time.
#[derive(Clone)]
pub(crate) struct Service {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    in_the_air: Arc<AtomicUsize>,
}

/// One request as the service saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) form: Vec<(String, String)>,
    /// When it came, from the start of the test.
    pub(crate) at: Duration,
}

impl Seen {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }
}

impl Service {
    pub(crate) fn new(script: impl Fn(usize, &Seen) -> (Duration, Answer) + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            seen: Arc::default(),
            in_the_air: Arc::default(),
        }
    }

    /// Every request is answered alike, at once.
    pub(crate) fn always(answer: Answer) -> Self {
        Self::new(move |_, _| (Duration::ZERO, answer.clone()))
    }

    /// These answers one after another, and the last of them for ever.
    pub(crate) fn answers(answers: &[Answer]) -> Self {
        let answers = answers.to_vec();
        Self::new(move |n, _| (Duration::ZERO, answers[n.min(answers.len() - 1)].clone()))
    }

    /// The same service, which takes its time.
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

    /// How many requests were begun and neither answered nor given up.
    pub(crate) fn in_the_air(&self) -> usize {
        self.in_the_air.load(Ordering::SeqCst)
    }

    /// Takes note of a request: how long it will take, and what the answer will be.
    pub(crate) fn receive(&self, request: &Request, at: Duration) -> (Duration, Answer) {
        let seen = Seen {
            path: request.uri().path().to_owned(),
            form: form_urlencoded::parse(request.body().as_bytes()).into_owned().collect(),
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

/// Carries requests to a [`Service`] on tokio's time.
pub(crate) struct Wire(Service, Instant);

impl Wire {
    pub(crate) fn to(service: &Service) -> Self {
        Self(service.clone(), Instant::now())
    }
}

struct InTheAir(Arc<AtomicUsize>);

impl Drop for InTheAir {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.0.in_the_air.fetch_add(1, Ordering::SeqCst);
        let _flying = InTheAir(Arc::clone(&self.0.in_the_air));
        let (time, answer) = self.0.receive(&request, self.1.elapsed());
        // At least one turn of the executor, as on every network.
        tokio::task::yield_now().await;
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        answer.give()
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

/// A client of a service on virtual time, and what it counted. Ids are drawn by counting: tests do not depend on chance.
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
        let clock = VirtualClock::new();
        let counters = Arc::new(Counters::default());
        let builder = Client::builder(app(secret()), Wire::to(&service))
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

/// Numbers of 16 bytes that count up. Their last bits, of which jitter is drawn, are low: a token needs refresh as late as possible.
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

/// Lets virtual time pass.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Lets everything run that can run without time passing.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Runs `count` futures as tasks of their own, and gives what came of each.
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
/// There is always a second subscriber. With one alone, tracing asks only the thread that first comes to an event whether it
/// is recorded, and the thread of another test would switch the event off for all.
pub(crate) fn record_traces(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    tracing::subscriber::set_default(subscriber)
}
