//! The laws of events: a caller after an event never gets a token that was requested before it, a
//! late response never replaces a newer token, and a rejected token serves callers that were not
//! rejected until there is a newer one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::clock::ManualClock;
use entra_client::token_store::{StoredToken, TokenStore};
use entra_client::{Client, Policy, Token, TokenOptions, blocking};
use entra_proto::cache::CacheKey;
use entra_proto::claims::ClaimsRequest;

use crate::support::{CountedRandom, Reply, START, Service, Stage, api, app, pass, seconds, secret, settle, together};

fn force() -> TokenOptions {
    TokenOptions::default().with_force_refresh(true)
}

fn instead_of(token: &Token) -> TokenOptions {
    TokenOptions::default().with_rejected(token)
}

/// Returns a service that names each token by the number of its request, counted from 0. A token is
/// issued when its request arrives.
fn numbered(time: impl Fn(usize) -> u64 + Send + Sync + 'static, more: &'static str) -> Service {
    Service::new(move |n, _| {
        let name: &str = n.to_string().leak();
        (seconds(time(n)), Reply::Token(name, 3600, more))
    })
}

fn number(token: &Token) -> usize {
    token.expose().parse().unwrap()
}

fn ask(client: &Client) -> tokio::task::JoinHandle<usize> {
    let client = client.clone();
    tokio::spawn(async move { number(&client.token(&api("graph")).await.unwrap()) })
}

#[tokio::test(start_paused = true)]
async fn forced_refresh_joins_no_earlier_request() {
    let stage = Stage::new(numbered(|_| 1, ""));
    let before = ask(&stage.client);
    settle().await;
    let forced = stage.client.token_with(&api("graph"), &force()).await.unwrap();
    assert_eq!((number(&forced), before.await.unwrap()), (1, 0));
    // A forced refresh is an event for the next one.
    let first = tokio::spawn({
        let client = stage.client.clone();
        async move { client.token_with(&api("graph"), &force()).await.unwrap() }
    });
    settle().await;
    let second = stage.client.token_with(&api("graph"), &force()).await.unwrap();
    assert_eq!((number(&first.await.unwrap()), number(&second)), (2, 3));
    assert_eq!(number(&stage.client.token(&api("graph")).await.unwrap()), 3);
}

/// At most two requests are in flight, and all callers that wait for the next one share it.
#[tokio::test(start_paused = true)]
async fn continuous_forced_refreshes_are_bounded() {
    let stage = Stage::new(numbered(|_| 10, ""));
    let all = together(1000, |n| {
        let client = stage.client.clone();
        let service = stage.service.clone();
        async move {
            pass(Duration::from_millis(10) * n as u32).await;
            let sent = service.requests();
            assert!(service.in_flight() <= 2);
            let token = client.token_with(&api("graph"), &force()).await.unwrap();
            assert!(number(&token) >= sent);
        }
    });
    all.await;
    assert!(stage.service.requests() <= 5, "{}", stage.service.requests());
}

#[tokio::test(start_paused = true)]
async fn rejected_caller_gets_what_was_requested_since() {
    // The second request is in flight when the earlier tokens are revoked.
    let stage = Stage::new(numbered(|_| 1, r#","refresh_in":100"#));
    let mut source = stage.client.source(&api("graph")).unwrap();
    source.token().await.unwrap();
    pass(seconds(102)).await;
    source.current().unwrap();
    let generation = source.generation();
    pass(Duration::from_millis(300)).await;
    assert_eq!(stage.service.in_flight(), 1);
    assert!(source.reject(generation) && !source.reject(generation));
    let next = source.newer_than(generation).await.unwrap();
    assert_eq!(number(&next), 2);
    assert!(
        source.generation() > generation,
        "it is the token that was returned last"
    );
    assert!(!source.reject(generation), "the rejection is known");
    pass(seconds(10)).await;
    assert_eq!(
        number(source.current().unwrap()),
        2,
        "the late response replaces nothing"
    );
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn many_rejected_callers_are_one_request() {
    let stage = Stage::new(numbered(|_| 1, ""));
    let rejected = stage.client.token(&api("graph")).await.unwrap();
    let all = together(100, |_| {
        let (client, rejected) = (stage.client.clone(), rejected.clone());
        async move { number(&client.token_with(&api("graph"), &instead_of(&rejected)).await.unwrap()) }
    });
    assert!(all.await.into_iter().all(|number| number == 1));
    assert_eq!(stage.service.requests(), 2);
    // Later callers find the new token.
    let late = stage
        .client
        .token_with(&api("graph"), &instead_of(&rejected))
        .await
        .unwrap();
    assert_eq!((number(&late), stage.service.requests()), (1, 2));
}

/// A response with the same token text is newer because its request is.
#[tokio::test(start_paused = true)]
async fn newer_token_is_known_by_its_request() {
    let stage = Stage::new(Service::always(Reply::Token("same", 3600, "")));
    let first = stage.client.token(&api("graph")).await.unwrap();
    stage
        .client
        .token_with(&api("graph"), &instead_of(&first))
        .await
        .unwrap();
    assert_eq!(stage.service.requests(), 2);
    assert!(!stage.client.invalidate(&first), "it has been replaced");
}

#[tokio::test(start_paused = true)]
async fn rejection_of_one_path_takes_no_token_from_the_others() {
    for reply in [
        Reply::status(503),
        Reply::status(400),
        Reply::Broken,
        Reply::retry_after(429, "600"),
    ] {
        let service = Service::replies(&[Reply::Token("t", 3600, ""), reply]).taking(seconds(1));
        let stage = Stage::new(service);
        let token = stage.client.token(&api("graph")).await.unwrap();
        let mut source = stage.client.source(&api("graph")).unwrap();
        for _ in 0..50 {
            stage
                .client
                .token_with(&api("graph"), &instead_of(&token))
                .await
                .unwrap_err();
            let start = tokio::time::Instant::now();
            assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "t");
            assert_eq!(source.token().await.unwrap().expose(), "t");
            assert!(start.elapsed() <= seconds(4), "{:?}", start.elapsed());
            pass(seconds(60)).await;
        }
        assert!(stage.service.requests() < 200);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_with_and_without_claims_are_rejected_separately() {
    let stage = Stage::new(numbered(|_| 0, ""));
    let claims = ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true}}}"#).unwrap();
    let plain = stage.client.token(&api("graph")).await.unwrap();
    let with = || TokenOptions::default().with_claims(claims.clone());
    stage.client.token_with(&api("graph"), &with()).await.unwrap();
    // The rejected token of another slot does not concern this one.
    let other = stage
        .client
        .token_with(&api("graph"), &with().with_rejected(&plain))
        .await
        .unwrap();
    assert!(number(&other) >= 1);
    assert!(
        number(&stage.client.token(&api("graph")).await.unwrap()) > number(&plain),
        "the rejected token is replaced"
    );
}

/// The number of a token has no meaning in another slot.
#[tokio::test(start_paused = true)]
async fn rejected_token_of_another_slot_causes_no_refresh() {
    let stage = Stage::new(numbered(|_| 0, ""));
    let claims = ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true}}}"#).unwrap();
    let mut plain = stage.client.token(&api("graph")).await.unwrap();
    for _ in 0..20 {
        plain = stage.client.token_with(&api("graph"), &force()).await.unwrap();
    }
    let sent = stage.service.requests();
    for _ in 0..20 {
        let options = instead_of(&plain).with_claims(claims.clone());
        stage.client.token_with(&api("graph"), &options).await.unwrap();
        stage
            .client
            .token_with(&api("other"), &instead_of(&plain))
            .await
            .unwrap();
    }
    assert_eq!(stage.service.requests(), sent + 2);
}

/// A store for one token, with a delay.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Option<StoredToken>>>);

#[async_trait::async_trait]
impl TokenStore for Shelf {
    async fn load(&self, _: &CacheKey) -> Option<StoredToken> {
        pass(Duration::from_millis(50)).await;
        self.0.lock().unwrap().clone()
    }

    async fn save(&self, _: &CacheKey, token: &StoredToken) {
        *self.0.lock().unwrap() = Some(token.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn response_from_before_an_event_is_not_shared() {
    for event in 0..3 {
        let shelf = Shelf::default();
        // The first response arrives after the second.
        let stage = Stage::with(numbered(|n| if n == 0 { 5 } else { 1 }, ""), |b| {
            b.token_store(shelf.clone())
        });
        let before = ask(&stage.client);
        pass(seconds(1)).await;
        match event {
            0 => stage.client.clear(),
            1 => stage.client.forget(&api("graph")),
            _ => drop(stage.client.token_with(&api("graph"), &force()).await.unwrap()),
        }
        assert_eq!(ask(&stage.client).await.unwrap(), 1);
        assert_eq!(before.await.unwrap(), 0);
        pass(seconds(1)).await;
        assert_eq!(ask(&stage.client).await.unwrap(), 1);
        assert_eq!(shelf.0.lock().unwrap().as_ref().unwrap().access_token.expose(), "1");
    }
}

/// Callers that require a newer token join a flight that reads the shared store.
#[tokio::test(start_paused = true)]
async fn event_while_the_store_is_read_makes_a_request() {
    for is_forced in [true, false] {
        let shelf = Shelf::default();
        let stage = Stage::with(numbered(|n| n as u64, r#","refresh_in":100"#), |b| {
            b.token_store(shelf.clone())
        });
        let old = stage.client.token(&api("graph")).await.unwrap();
        settle().await;
        if is_forced {
            // Another process has the same store and an empty cache.
            let other = Stage::with(numbered(|_| 1, ""), |b| b.token_store(shelf.clone()));
            let before = ask(&other.client);
            pass(Duration::from_millis(10)).await;
            other.client.token_with(&api("graph"), &force()).await.unwrap();
            before.await.unwrap();
            assert_eq!(other.service.requests(), 1, "both share the request");
        } else {
            pass(seconds(102)).await;
            stage.client.token(&api("graph")).await.unwrap();
            pass(Duration::from_millis(10)).await;
            assert!(stage.client.invalidate(&old));
            assert_eq!(ask(&stage.client).await.unwrap(), 1);
            assert_eq!(stage.service.requests(), 2);
        }
    }
}

/// A small generator (Marsaglia's xorshift): the same seed gives the same schedule.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }
}

/// Random orders of callers, events, and slow or failing responses.
#[tokio::test(start_paused = true)]
async fn laws_hold_for_random_orders_of_events() {
    for seed in 1..300_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let script = Mutex::new(Dice(seed | 1 << 40));
        let service = Service::new(move |n, _| {
            let mut dice = script.lock().unwrap();
            let reply = match dice.roll(8) {
                0 => Reply::status(503),
                1 => Reply::status(400),
                _ => Reply::Token(n.to_string().leak(), 3600, [r#","refresh_in":5"#, ""][dice.roll(2)]),
            };
            (seconds(dice.roll(4) as u64), reply)
        });
        let stage = Stage::with_policy(service, |policy| policy.cool_down = seconds(1));
        let seen: Arc<Mutex<Vec<Token>>> = Arc::default();
        // Everything up to this request was forgotten.
        let mut forgotten = 0;
        let mut newest = 0;
        let mut callers = Vec::new();
        for _ in 0..40 {
            let (client, service, seen) = (stage.client.clone(), stage.service.clone(), Arc::clone(&seen));
            let sent = service.requests();
            let known = seen.lock().unwrap().last().cloned();
            match dice.roll(10) {
                0 => {
                    stage.client.forget(&api("graph"));
                    (forgotten, newest) = (sent, 0);
                }
                1 => callers.push(tokio::spawn(async move {
                    if let Ok(token) = client.token_with(&api("graph"), &force()).await {
                        assert!(number(&token) >= sent, "seed {seed}: forced");
                        seen.lock().unwrap().push(token);
                    }
                })),
                2 | 3 => {
                    if let Some(known) = known {
                        let is_new = client.invalidate(&known);
                        callers.push(tokio::spawn(async move {
                            if let Ok(token) = client.token_with(&api("graph"), &instead_of(&known)).await {
                                assert!(number(&token) > number(&known), "seed {seed}: rejected");
                                assert!(!is_new || number(&token) >= sent, "seed {seed}: before the rejection");
                                seen.lock().unwrap().push(token);
                            }
                        }));
                    }
                }
                4..=6 => callers.push(tokio::spawn(async move {
                    let patience = seconds(1 + sent as u64 % 3);
                    let asked = tokio::time::timeout(patience, client.token(&api("graph"))).await;
                    if let Ok(Ok(token)) = asked {
                        assert!(number(&token) >= forgotten, "seed {seed}: forgotten");
                        seen.lock().unwrap().push(token);
                    }
                })),
                _ => pass(Duration::from_millis(dice.roll(4000) as u64)).await,
            }
            assert!(stage.service.in_flight() <= 2, "seed {seed}");
            if let Some(cached) = stage.client.cached(&api("graph")) {
                assert!(
                    number(&cached) >= newest.max(forgotten),
                    "seed {seed}: an older token came back"
                );
                newest = number(&cached);
            }
        }
        for caller in callers {
            caller.await.unwrap();
        }
    }
}

/// A blocking client whose transport runs code of the test during a request: what other threads do
/// meanwhile.
struct Scene {
    client: blocking::Client,
    clock: ManualClock,
    requests: Arc<AtomicUsize>,
    is_down: Arc<AtomicBool>,
}

type Meanwhile = Box<dyn FnOnce(&blocking::Client) + Send>;

impl Scene {
    fn new(meanwhile: Vec<(usize, Meanwhile)>) -> Self {
        let (requests, is_down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, down) = (Arc::clone(&requests), Arc::clone(&is_down));
        let handle: Arc<Mutex<Option<blocking::Client>>> = Arc::default();
        let (own, meanwhile) = (Arc::clone(&handle), Mutex::new(meanwhile));
        let transport = entra_transport::blocking_transport_fn(move |_| {
            let n = count.fetch_add(1, Ordering::SeqCst);
            let scheduled = {
                let mut meanwhile = meanwhile.lock().unwrap();
                let found = meanwhile.iter().position(|(at, _)| *at == n);
                found.map(|found| meanwhile.remove(found).1)
            };
            if let Some(run) = scheduled {
                let client = own.lock().unwrap().clone().unwrap();
                run(&client);
            }
            if down.load(Ordering::SeqCst) {
                return Reply::status(503).into_result();
            }
            Reply::Token(n.to_string().leak(), 3600, "").into_result()
        });
        let clock = ManualClock::at(START);
        let mut policy = Policy::default();
        policy.grace = Duration::ZERO;
        let client = blocking::Client::builder(app(secret()), transport)
            .clock(clock.clone())
            .secure_random(CountedRandom::default())
            .runtime(Inline(clock.clone()))
            .policy(policy)
            .build()
            .unwrap();
        *handle.lock().unwrap() = Some(client.clone());
        Self {
            client,
            clock,
            requests,
            is_down,
        }
    }

    fn ask(&self) -> usize {
        number(&self.client.token(&api("graph")).unwrap())
    }
}

struct Inline(ManualClock);

impl blocking::Runtime for Inline {
    fn sleep(&self, duration: Duration) {
        self.0.advance(duration);
    }

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        task();
    }
}

#[test]
fn blocking_forced_refresh_joins_no_earlier_request() {
    let meanwhile: Meanwhile = Box::new(|client| {
        assert_eq!(number(&client.token_with(&api("graph"), &force()).unwrap()), 1);
    });
    let scene = Scene::new(vec![(0, meanwhile)]);
    assert_eq!(scene.ask(), 0, "the late response serves its own caller");
    assert_eq!(scene.ask(), 1);
    assert_eq!(scene.requests.load(Ordering::SeqCst), 2);
}

#[test]
fn blocking_caller_after_clear_joins_no_earlier_request() {
    for forget in [
        |client: &blocking::Client| client.clear(),
        |client: &blocking::Client| client.forget(&api("graph")),
    ] {
        let meanwhile: Meanwhile = Box::new(move |client| {
            forget(client);
            assert_eq!(number(&client.token(&api("graph")).unwrap()), 1);
        });
        let scene = Scene::new(vec![(0, meanwhile)]);
        assert_eq!(scene.ask(), 0);
        assert_eq!(scene.ask(), 1);
    }
}

#[test]
fn blocking_rejected_caller_gets_what_was_requested_since() {
    // The token is rejected while a refresh is in flight.
    let meanwhile: Meanwhile = Box::new(|client| {
        let mut source = client.source(&api("graph")).unwrap();
        let old = source.token().unwrap();
        let generation = source.generation();
        assert!(source.reject(generation) && !client.invalidate(&old));
        assert_eq!(number(&source.newer_than(generation).unwrap()), 2);
    });
    let scene = Scene::new(vec![(1, meanwhile)]);
    assert_eq!(scene.ask(), 0);
    scene.clock.advance(seconds(3400));
    scene.ask();
    assert_eq!(scene.ask(), 2);
    assert_eq!(scene.requests.load(Ordering::SeqCst), 3);
}

#[test]
fn blocking_rejection_takes_no_token_from_the_others() {
    let scene = Scene::new(Vec::new());
    let mut source = scene.client.source(&api("graph")).unwrap();
    let token = source.token().unwrap();
    let generation = source.generation();
    scene.is_down.store(true, Ordering::SeqCst);
    source.reject(generation);
    for _ in 0..20 {
        source.newer_than(generation).unwrap_err();
        scene.client.token_with(&api("graph"), &instead_of(&token)).unwrap_err();
        assert_eq!(scene.ask(), 0);
        scene.clock.advance(seconds(30));
    }
    scene.is_down.store(false, Ordering::SeqCst);
    scene.clock.advance(seconds(60));
    assert!(number(&source.newer_than(generation).unwrap()) > 0);
    assert!(scene.ask() > 0);
}
