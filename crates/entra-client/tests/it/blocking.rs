//! The blocking client: the same rules, on threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use entra_client::blocking::{Client, Runtime};
use entra_client::clock::ManualClock;
use entra_client::observer::{Counters, EventKind};
use entra_client::{Policy, TokenOptions};
use entra_proto::acquire::RetryPolicy;
use entra_transport::{BlockingTransport, Request, Response, TransportError};

use crate::support::{CountedRandom, Reply, START, Service, api, app, seconds, secret};

/// A transport to a service. Requests wait while the gate is shut.
#[derive(Clone)]
struct Wire {
    service: Service,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    change: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.change.notify_all();
    }

    fn pass(&self) {
        drop(self.change.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap());
    }
}

impl BlockingTransport for Wire {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (_, reply) = self.service.receive(&request, Duration::ZERO);
        self.gate.pass();
        reply.into_result()
    }
}

type Spawned = Box<dyn FnOnce() + Send>;

/// A runtime that sleeps by moving the clock, and leaves spawned tasks for the test to run.
#[derive(Clone)]
struct Hands {
    clock: ManualClock,
    spawned: Arc<Mutex<Vec<Spawned>>>,
}

impl Runtime for Hands {
    fn sleep(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    fn spawn(&self, task: Spawned) {
        self.spawned.lock().unwrap().push(task);
    }
}

struct Scene {
    client: Client,
    wire: Wire,
    clock: ManualClock,
    hands: Hands,
    counters: Arc<Counters>,
}

impl Scene {
    fn new(service: Service) -> Self {
        let clock = ManualClock::at(START);
        let hands = Hands {
            clock: clock.clone(),
            spawned: Arc::default(),
        };
        let wire = Wire {
            service,
            gate: Arc::default(),
        };
        let counters = Arc::new(Counters::default());
        let mut policy = Policy::default();
        // Spawned tasks run when the test says so, so callers need not wait for them.
        policy.grace = Duration::ZERO;
        let client = Client::builder(app(secret()), wire.clone())
            .clock(clock.clone())
            .secure_random(CountedRandom::default())
            .runtime(hands.clone())
            .observer(Arc::clone(&counters))
            .policy(policy)
            .build()
            .unwrap();
        Self {
            client,
            wire,
            clock,
            hands,
            counters,
        }
    }

    fn ask(&self) -> Result<String, entra_client::Error> {
        self.client.token(&api("graph")).map(|token| token.expose().to_owned())
    }

    fn run_spawned(&self) {
        let spawned = std::mem::take(&mut *self.hands.spawned.lock().unwrap());
        spawned.into_iter().for_each(|task| task());
    }
}

#[test]
fn concurrent_threads_share_one_request() {
    let rejection = r#"{"error":"invalid_client","error_codes":[7000215]}"#;
    for reply in [Reply::Token("t", 3600, ""), Reply::body(401, rejection)] {
        let scene = Scene::new(Service::always(reply));
        scene.wire.gate.set(true);
        let (barrier, good) = (Barrier::new(101), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    barrier.wait();
                    match scene.ask() {
                        Ok(token) => assert_eq!(token, "t"),
                        Err(error) => assert_eq!(error.service().unwrap().codes, [7_000_215]),
                    }
                    good.fetch_add(1, Ordering::Relaxed);
                });
            }
            barrier.wait();
            // All threads wait, except the one that sends the request.
            while scene.counters.of(EventKind::Joined) < 99 {
                thread::yield_now();
            }
            scene.wire.gate.set(false);
        });
        assert_eq!((good.into_inner(), scene.wire.service.requests()), (100, 1));
    }
}

#[test]
fn panic_of_the_transport_is_a_failure_that_cools_down() {
    let scene = Scene::new(Service::replies(&[Reply::Panic, Reply::Token("t", 3600, "")]));
    scene.wire.gate.set(true);
    thread::scope(|scope| {
        let first = scope.spawn(|| scene.ask());
        while scene.wire.service.requests() == 0 {
            thread::yield_now();
        }
        let second = scope.spawn(|| scene.ask());
        while scene.counters.of(EventKind::Joined) == 0 {
            thread::yield_now();
        }
        scene.wire.gate.set(false);
        assert!(first.join().unwrap().is_err());
        assert!(second.join().unwrap().is_err());
    });
    assert!(scene.ask().unwrap_err().is_cached());
    scene.clock.advance(seconds(5));
    assert_eq!(scene.ask().unwrap(), "t");
    assert_eq!(
        (scene.wire.service.requests(), scene.counters.of(EventKind::Failed)),
        (2, 1)
    );
}

#[test]
fn token_that_needs_refresh_is_returned_during_one_refresh() {
    let replies = [
        Reply::Token("first", 3600, r#","refresh_in":1800"#),
        Reply::Token("second", 3600, ""),
    ];
    let scene = Scene::new(Service::replies(&replies));
    scene.ask().unwrap();
    scene.clock.advance(seconds(1800));
    for _ in 0..10 {
        assert_eq!(scene.ask().unwrap(), "first");
    }
    assert_eq!(scene.hands.spawned.lock().unwrap().len(), 1);
    scene.run_spawned();
    assert_eq!(scene.ask().unwrap(), "second");
    assert_eq!(scene.wire.service.requests(), 2);
}

#[test]
fn dropped_refresh_is_started_again() {
    let replies = [
        Reply::Token("first", 3600, r#","refresh_in":1800"#),
        Reply::Token("second", 3600, ""),
    ];
    let scene = Scene::new(Service::replies(&replies));
    scene.ask().unwrap();
    scene.clock.advance(seconds(1800));
    scene.ask().unwrap();
    scene.hands.spawned.lock().unwrap().clear();
    scene.ask().unwrap();
    scene.run_spawned();
    assert_eq!(scene.ask().unwrap(), "second");
}

#[test]
fn failing_service_is_retried_and_its_failure_is_cached() {
    let down = Reply::status(503);
    let scene = Scene::new(Service::replies(&[
        down.clone(),
        Reply::Token("first", 3600, ""),
        down.clone(),
        down.clone(),
        down,
        Reply::retry_after(429, "600"),
    ]));
    assert_eq!(scene.ask().unwrap(), "first", "the second attempt");
    scene.clock.advance(seconds(3400));
    assert_eq!(scene.ask().unwrap(), "first", "within the margin, and unexpired");
    scene.run_spawned();
    let asked = scene.wire.service.requests();
    assert_eq!(asked, 5);
    scene.ask().unwrap();
    assert_eq!(scene.wire.service.requests(), asked, "the failure is cached");
    scene.clock.advance(seconds(200));
    let error = scene.ask().unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(600)));
    assert!(
        scene
            .client
            .token_with(&api("graph"), &TokenOptions::default().with_force_refresh(true))
            .unwrap_err()
            .is_cached()
    );
}

#[test]
fn sources_and_tenants_behave_as_in_the_async_client() {
    let scene = Scene::new(Service::replies(&[
        Reply::Token("first", 3600, ""),
        Reply::Token("second", 3600, ""),
    ]));
    let mut source = scene.client.source(&api("graph")).unwrap();
    let first = source.token().unwrap();
    assert_eq!(source.current().unwrap().expose(), "first");
    assert!(source.invalidate(&first));
    assert!(source.current().is_none());
    assert_eq!(scene.ask().unwrap(), "first", "there is no other yet");
    scene.run_spawned();
    assert_eq!(scene.ask().unwrap(), "second");
    let fabrikam = scene
        .client
        .tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    fabrikam.token(&api("graph")).unwrap();
    assert_eq!(scene.wire.service.seen(2).path, "/fabrikam.com/oauth2/v2.0/token");
    scene.client.forget(&api("graph"));
    assert_eq!(
        scene.client.cache_entries(),
        2,
        "the source refers to its slot, which is empty now"
    );
    assert!(scene.client.cached(&api("graph")).is_none());
    scene.client.clear();
    assert!(source.current().is_none());
}

#[test]
fn background_threads_refresh() {
    let replies = [
        Reply::Token("first", 3600, r#","refresh_in":1800"#),
        Reply::Token("second", 3600, ""),
    ];
    let clock = ManualClock::at(START);
    let wire = Wire {
        service: Service::replies(&replies),
        gate: Arc::default(),
    };
    let mut policy = Policy::default();
    policy.retry = RetryPolicy::never();
    let client = Client::builder(app(secret()), wire.clone())
        .clock(clock.clone())
        .policy(policy)
        .build()
        .unwrap();
    client.token(&api("graph")).unwrap();
    clock.advance(seconds(1800));
    while client.token(&api("graph")).unwrap().expose() == "first" {
        thread::yield_now();
    }
    assert_eq!(wire.service.requests(), 2);
}
