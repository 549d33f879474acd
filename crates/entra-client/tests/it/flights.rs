//! Flights belong to their slots: they go on without their callers, and a panic is a failure like
//! any other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::clock::{Clock, ManualClock, Moment};
use entra_client::observer::EventKind;
use entra_client::runtime::{BoxFuture, Runtime};
use entra_client::token_store::{StoredToken, TokenStore};
use entra_client::{Client, TokenOptions, User, blocking};
use entra_proto::Guid;
use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::CacheKey;

use crate::support::{
    self, CountedRandom, Reply, START, Service, Stage, Wire, api, app, pass, seconds, secret, settle, together,
};

const HOUR: Reply = Reply::Token("t", 3600, "");

async fn within(limit: Duration, client: &Client) -> Option<String> {
    let token = tokio::time::timeout(limit, client.token(&api("graph"))).await.ok()?;
    Some(token.unwrap().expose().to_owned())
}

#[tokio::test(start_paused = true)]
async fn second_caller_gets_the_outcome_of_an_abandoned_wait() {
    let stage = Stage::new(Service::always(HOUR).taking(Duration::from_millis(1200)));
    assert_eq!(within(seconds(1), &stage.client).await, None);
    assert_eq!(within(seconds(1), &stage.client).await.as_deref(), Some("t"));
    assert_eq!(stage.service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_callers_with_short_deadlines_are_one_request() {
    let stage = Stage::new(Service::always(HOUR).taking(Duration::from_millis(1200)));
    let outcomes = together(100, |n| {
        let client = stage.client.clone();
        async move {
            pass(Duration::from_millis(100) * n as u32).await;
            within(seconds(1), &client).await
        }
    });
    let served = outcomes.await.into_iter().flatten().count();
    assert!(served >= 97, "{served}");
    assert_eq!(stage.service.requests(), 1);
}

/// A flight retries without its caller, too.
#[tokio::test(start_paused = true)]
async fn retries_go_on_without_the_caller() {
    let replies = [Reply::status(503), Reply::Broken, HOUR];
    let stage = Stage::new(Service::replies(&replies).taking(seconds(1)));
    assert_eq!(within(Duration::from_millis(1), &stage.client).await, None);
    pass(seconds(30)).await;
    assert_eq!(stage.client.cached(&api("graph")).unwrap().expose(), "t");
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn abandoned_refresh_of_a_user_stores_the_newer_refresh_token() {
    let reply = Reply::Token("t", 3600, r#","refresh_token":"newer""#);
    let stage = Stage::new(Service::always(reply).taking(seconds(2)));
    let user = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("older").unwrap());
    assert_eq!(within(seconds(1), &stage.client.user(&user)).await, None);
    pass(seconds(2)).await;
    assert_eq!(user.refresh_token().unwrap().expose(), "newer");
}

/// A runtime that runs this many tasks and drops the others.
struct Fickle(AtomicUsize);

impl Runtime for Fickle {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            tokio::spawn(task);
        } else {
            self.0.store(0, Ordering::SeqCst);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn runtime_that_drops_tasks_costs_no_token() {
    for tasks in 0..3 {
        let service = Service::always(HOUR).taking(seconds(1));
        let stage = Stage::with(service, |builder| builder.runtime(Fickle(AtomicUsize::new(tasks))));
        for name in ["a", "b", "c"] {
            let all = together(10, |_| {
                let client = stage.client.clone();
                async move { client.token(&api(name)).await.unwrap() }
            });
            assert_eq!(all.await.len(), 10);
        }
        assert_eq!(stage.service.requests(), 3);
    }
}

/// The pause that the service asked for outlives the flight that was to observe it.
#[tokio::test(start_paused = true)]
async fn dropped_flight_leaves_its_pause_to_the_next() {
    let service = Service::replies(&[Reply::retry_after(429, "5"), HOUR]);
    let stage = Stage::with(service, |builder| builder.runtime(Fickle(AtomicUsize::new(0))));
    assert_eq!(within(seconds(1), &stage.client).await, None);
    assert_eq!(within(seconds(60), &stage.client).await.as_deref(), Some("t"));
    assert_eq!(stage.service.requests(), 2);
    assert!(stage.service.seen(1).at >= seconds(5), "{:?}", stage.service.seen(1).at);
}

/// A runtime that stores tasks and runs none of them.
#[derive(Default)]
struct Idle(Mutex<Vec<BoxFuture<()>>>);

impl Runtime for Idle {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.lock().unwrap().push(task);
    }
}

#[tokio::test(start_paused = true)]
async fn runtime_that_runs_no_task_blocks_no_caller_forever() {
    let stage = Stage::with(Service::always(HOUR), |builder| builder.runtime(Idle::default()));
    let all = together(10, |_| {
        let client = stage.client.clone();
        async move { within(seconds(300), &client).await }
    });
    assert!(all.await.iter().all(Option::is_some));
    let options = TokenOptions::default().with_force_refresh(true);
    let graph = api("graph");
    let forced = tokio::time::timeout(seconds(300), stage.client.token_with(&graph, &options));
    forced.await.unwrap().unwrap();
    assert_eq!(stage.service.requests(), 2);
}

/// A runtime that spawns on the tokio runtime on which it was made.
struct Bound(tokio::runtime::Handle);

impl Runtime for Bound {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }
}

#[test]
fn client_outlives_the_runtime_of_its_flights() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    let stage = first.block_on(async {
        let handle = tokio::runtime::Handle::current();
        let stage = Stage::with(Service::always(HOUR).taking(seconds(5)), |b| b.runtime(Bound(handle)));
        assert_eq!(within(seconds(1), &stage.client).await, None);
        stage
    });
    drop(first);
    let second = runtime();
    let token = second.block_on(async { stage.client.token(&api("graph")).await });
    assert_eq!(token.unwrap().expose(), "t");
    assert_eq!(stage.service.requests(), 2);
}

/// The part that panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    Signer,
    Transport,
    Load,
    Save,
    Observer(EventKind),
}

const BUGS: [Bug; 8] = [
    Bug::Signer,
    Bug::Transport,
    Bug::Load,
    Bug::Save,
    Bug::Observer(EventKind::Requested),
    Bug::Observer(EventKind::Acquired),
    Bug::Observer(EventKind::StoreHit),
    Bug::Observer(EventKind::Failed),
];

/// A signer, observer and store that panics while it is switched on.
#[derive(Clone)]
struct Fragile {
    bug: Bug,
    is_on: Arc<Mutex<bool>>,
    panics: Arc<AtomicUsize>,
}

impl Fragile {
    fn new(bug: Bug) -> Self {
        Self {
            bug,
            is_on: Arc::default(),
            panics: Arc::default(),
        }
    }

    fn touch(&self, part: Bug) {
        if part == self.bug && *self.is_on.lock().unwrap() {
            self.panics.fetch_add(1, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("a bug"));
        }
    }

    fn switch(&self, on: bool) {
        *self.is_on.lock().unwrap() = on;
    }
}

impl Signer for Fragile {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [1; 32], Vec::new())
    }

    fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.touch(Bug::Signer);
        Ok(vec![1])
    }
}

impl entra_client::observer::Observer for Fragile {
    fn observe(&self, event: &entra_client::observer::Event<'_>) {
        self.touch(Bug::Observer(event.kind));
    }
}

#[async_trait::async_trait]
impl TokenStore for Fragile {
    async fn load(&self, _: &CacheKey) -> Option<StoredToken> {
        self.touch(Bug::Load);
        None
    }

    async fn save(&self, _: &CacheKey, _: &StoredToken) {
        self.touch(Bug::Save);
    }
}

impl blocking::TokenStore for Fragile {
    fn load(&self, _: &CacheKey) -> Option<StoredToken> {
        self.touch(Bug::Load);
        None
    }

    fn save(&self, _: &CacheKey, _: &StoredToken) {
        self.touch(Bug::Save);
    }
}

/// Returns a service whose first token needs refresh after half an hour.
fn service(fragile: &Fragile) -> Service {
    let fragile = fragile.clone();
    Service::new(move |_, _| {
        fragile.touch(Bug::Transport);
        (Duration::ZERO, Reply::Token("t", 7200, r#","refresh_in":1800"#))
    })
}

fn policy() -> entra_client::Policy {
    let mut policy = entra_client::Policy::default();
    policy.assertion_margin = None;
    policy
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_refresh_cools_down() {
    for bug in BUGS {
        let fragile = Fragile::new(bug);
        let service = service(&fragile);
        let client = Client::builder(app(fragile.clone()), Wire::to(&service))
            .clock(support::VirtualClock::new())
            .secure_random(CountedRandom::default())
            .policy(policy())
            .observer(fragile.clone())
            .token_store(fragile.clone())
            .build()
            .unwrap();
        client.token(&api("graph")).await.unwrap();
        pass(seconds(1800)).await;
        fragile.switch(true);
        for _ in 0..1000 {
            client.token(&api("graph")).await.expect("it is unexpired");
            settle().await;
        }
        let panics = fragile.panics.load(Ordering::SeqCst);
        assert!(
            panics <= 1 && service.requests() <= 2,
            "{bug:?}: {panics} {}",
            service.requests()
        );
        // A target without a token gets the error until the bug is gone.
        if ![
            Bug::Save,
            Bug::Observer(EventKind::StoreHit),
            Bug::Observer(EventKind::Failed),
        ]
        .contains(&bug)
        {
            let error = client.token(&api("other")).await.unwrap_err();
            assert!(error.to_string().contains("panic"), "{error}");
            assert!(client.token(&api("other")).await.unwrap_err().is_cached());
        }
        fragile.switch(false);
        pass(seconds(5)).await;
        client.token(&api("other")).await.unwrap();
    }
}

struct Threads(ManualClock);

impl blocking::Runtime for Threads {
    fn sleep(&self, duration: Duration) {
        self.0.advance(duration);
    }

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        std::thread::spawn(task)
            .join()
            .expect("a flight catches what panics in it");
    }
}

#[test]
fn panic_in_a_refresh_cools_down_on_threads() {
    for bug in BUGS {
        let (fragile, clock) = (Fragile::new(bug), ManualClock::at(START));
        let service = service(&fragile);
        let wire = service.clone();
        let transport = entra_transport::blocking_transport_fn(move |request| {
            wire.receive(&request, Duration::ZERO).1.into_result()
        });
        let client = blocking::Client::builder(app(fragile.clone()), transport)
            .clock(clock.clone())
            .runtime(Threads(clock.clone()))
            .policy(policy())
            .observer(fragile.clone())
            .token_store(fragile.clone())
            .build()
            .unwrap();
        client.token(&api("graph")).unwrap();
        clock.advance(seconds(1800));
        fragile.switch(true);
        for _ in 0..1000 {
            client.token(&api("graph")).expect("it is unexpired");
        }
        let panics = fragile.panics.load(Ordering::SeqCst);
        assert!(
            panics <= 1 && service.requests() <= 2,
            "{bug:?}: {panics} {}",
            service.requests()
        );
        if ![
            Bug::Save,
            Bug::Observer(EventKind::StoreHit),
            Bug::Observer(EventKind::Failed),
        ]
        .contains(&bug)
        {
            assert!(client.token(&api("other")).unwrap_err().to_string().contains("panic"));
            assert!(client.token(&api("other")).unwrap_err().is_cached());
        }
        fragile.switch(false);
        clock.advance(seconds(5));
        client.token(&api("other")).unwrap();
    }
}

/// A caller with a token within the margin waits no longer than `grace`. The flight goes on, and
/// the next caller gets its token.
#[test]
fn blocking_caller_that_gives_up_leaves_the_flight_running() {
    let (clock, service) = (
        ManualClock::at(START),
        Service::replies(&[HOUR, Reply::Token("next", 3600, "")]),
    );
    let gate = Arc::new(std::sync::Barrier::new(2));
    let (wire, shut) = (service.clone(), Arc::clone(&gate));
    let transport = entra_transport::blocking_transport_fn(move |request| {
        let reply = wire.receive(&request, Duration::ZERO).1;
        if wire.requests() == 2 {
            shut.wait();
        }
        reply.into_result()
    });
    let mut policy = entra_client::Policy::default();
    policy.grace = Duration::from_millis(1);
    let client = blocking::Client::builder(app(secret()), transport)
        .clock(clock.clone())
        .policy(policy)
        .build()
        .unwrap();
    client.token(&api("graph")).unwrap();
    clock.advance(seconds(3400));
    assert_eq!(client.token(&api("graph")).unwrap().expose(), "t");
    gate.wait();
    while client
        .cached(&api("graph"))
        .is_none_or(|token| token.expose() != "next")
    {
        std::thread::yield_now();
    }
    assert_eq!(service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_rotation_callback_costs_no_token() {
    let reply = Reply::Token("t", 3600, r#","refresh_token":"newer""#);
    let stage = Stage::new(Service::always(reply));
    let user = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("older").unwrap());
    user.on_rotation(|_| std::panic::resume_unwind(Box::new("a bug")));
    assert_eq!(
        within(seconds(1), &stage.client.user(&user)).await.as_deref(),
        Some("t")
    );
    assert_eq!(
        within(seconds(1), &stage.client.user(&user)).await.as_deref(),
        Some("t")
    );
    assert_eq!(user.refresh_token().unwrap().expose(), "newer");
    assert_eq!(stage.service.requests(), 1);
}

/// A clock that panics while it is switched on.
#[derive(Clone)]
struct Stopped(ManualClock, Arc<AtomicBool>);

impl Clock for Stopped {
    fn now(&self) -> Moment {
        if self.1.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("a bug"));
        }
        self.0.now()
    }
}

#[test]
fn panic_of_the_clock_cools_down() {
    let clock = Stopped(ManualClock::at(START), Arc::default());
    let service = Service::always(HOUR);
    let (wire, stop) = (service.clone(), Arc::clone(&clock.1));
    let transport = entra_transport::blocking_transport_fn(move |request| {
        stop.store(true, Ordering::SeqCst);
        wire.receive(&request, Duration::ZERO).1.into_result()
    });
    let client = blocking::Client::builder(app(secret()), transport)
        .clock(clock.clone())
        .build()
        .unwrap();
    let ask = || {
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.token(&api("graph"))));
        clock.1.store(false, Ordering::SeqCst);
        asked
    };
    for _ in 0..100 {
        if let Ok(asked) = ask() {
            assert!(asked.unwrap_err().to_string().contains("panic"));
        }
    }
    assert_eq!(service.requests(), 1);
    clock.0.advance(seconds(5));
    drop(ask());
    assert_eq!(service.requests(), 2);
}
