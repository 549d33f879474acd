//! Events that coincide: a caller gives up during a pause, a token is rejected while the store is
//! read, a machine sleeps while a response is in transit. Each was a bug once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use entra_client::TokenOptions;
use entra_client::observer::EventKind;
use entra_client::token_store::{StoredToken, TokenStore};
use entra_proto::Target;
use entra_proto::cache::CacheKey;

use crate::support::{self, Reply, Service, Stage, api, pass, seconds, settle, together};

/// A store with a delay.
#[derive(Clone, Default)]
struct Shelf {
    tokens: Arc<Mutex<HashMap<CacheKey, StoredToken>>>,
    slow: Duration,
}

#[async_trait]
impl TokenStore for Shelf {
    async fn load(&self, key: &CacheKey) -> Option<StoredToken> {
        let found = self.tokens.lock().unwrap().get(key).cloned();
        tokio::time::sleep(self.slow).await;
        found
    }
    async fn save(&self, key: &CacheKey, token: &StoredToken) {
        self.tokens.lock().unwrap().insert(key.clone(), token.clone());
    }
}

const A: Reply = Reply::Token("a", 3600, r#","refresh_in":1800"#);
const B: Reply = Reply::Token("b", 3600, r#","refresh_in":1800"#);

#[tokio::test(start_paused = true)]
async fn forgotten_token_does_not_come_back_from_the_store() {
    for clear in [false, true] {
        let shelf = Shelf::default();
        let stage = Stage::with(Service::replies(&[A, B]), |b| b.token_store(shelf.clone()));
        assert_eq!(stage.client.token(&api("g")).await.unwrap().expose(), "a");
        settle().await;
        if clear {
            stage.client.clear()
        } else {
            stage.client.forget(&api("g"))
        }
        let again = stage.client.token(&api("g")).await.unwrap();
        assert_eq!(again.expose(), "b");
    }
}

#[tokio::test(start_paused = true)]
async fn forced_refresh_does_not_accept_a_stored_token() {
    let mut shelf = Shelf::default();
    let service = Service::replies(&[A, B]);
    let first = Stage::with(service.clone(), |b| b.token_store(shelf.clone()));
    first.client.token(&api("g")).await.unwrap();
    settle().await;
    shelf.slow = Duration::from_millis(50);
    let other = Stage::with(service.clone(), |b| b.token_store(shelf.clone()));
    let c = other.client.clone();
    let plain = tokio::spawn(async move { c.token(&api("g")).await.unwrap() });
    settle().await;
    let force = TokenOptions::default().with_force_refresh(true);
    let forced = other.client.token_with(&api("g"), &force).await.unwrap();
    plain.await.unwrap();
    assert_eq!(forced.expose(), "b");
}

#[tokio::test(start_paused = true)]
async fn token_rejected_during_a_store_read_does_not_come_back() {
    let mut shelf = Shelf::default();
    let service = Service::replies(&[A, B]);
    shelf.slow = Duration::from_millis(50);
    let stage = Stage::with(service.clone(), |b| b.token_store(shelf.clone()));
    let rejected = stage.client.token(&api("g")).await.unwrap();
    settle().await;
    pass(seconds(1800)).await;
    stage.client.token(&api("g")).await.unwrap(); // a refresh begins and reads the store
    settle().await;
    assert!(stage.client.invalidate(&rejected)); // the API rejects the token meanwhile
    let next = stage.client.token(&api("g")).await.unwrap();
    assert_eq!(next.expose(), "b");
}

#[tokio::test(start_paused = true)]
async fn pause_of_an_abandoned_flight_binds_the_next() {
    let service = Service::always(Reply::retry_after(429, "30"));
    let stage = Stage::new(service.clone());
    for _ in 0..10 {
        let _ = tokio::time::timeout(seconds(2), stage.client.token(&api("g"))).await;
    }
    assert_eq!(service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn thousand_abandoned_callers_send_no_request() {
    let service = Service::always(Reply::retry_after(429, "30"));
    let stage = Stage::new(service.clone());
    let client = stage.client.clone();
    together(1000, move |n| {
        let client = client.clone();
        async move {
            let _ = tokio::time::timeout(Duration::from_millis(1000 + n as u64), client.token(&api("g"))).await;
        }
    })
    .await;
    assert_eq!(service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn sleep_during_a_response_counts_towards_the_token_age() {
    let clock_cell: Arc<Mutex<Option<support::VirtualClock>>> = Arc::default();
    let cell = Arc::clone(&clock_cell);
    let service = Service::new(move |_, _| {
        // The service issues the token now. Then the machine sleeps for 90 minutes before it reads
        // the response.
        if let Some(clock) = &*cell.lock().unwrap() {
            clock.set_ahead(5400);
        }
        (Duration::ZERO, Reply::Token("a", 3600, ""))
    });
    let stage = Stage::new(service);
    *clock_cell.lock().unwrap() = Some(stage.clock.clone());
    let token = stage.client.token(&api("g")).await.unwrap();
    assert_eq!(token.expires_at(), token.received_at(), "it has expired");
    assert!(stage.client.cached(&api("g")).is_none());
}

#[tokio::test(start_paused = true)]
async fn stored_lifetime_is_not_longer_than_the_cached_one() {
    let shelf = Shelf::default();
    let service = Service::always(A).taking(seconds(25));
    let stage = Stage::with(service, |b| b.token_store(shelf.clone()));
    let token = stage.client.token(&api("g")).await.unwrap();
    settle().await;
    let stored = shelf
        .tokens
        .lock()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .lifetime
        .expires_at;
    assert_eq!(token.expires_at(), stored);
}

#[tokio::test(start_paused = true)]
async fn caller_after_clear_gets_a_token_requested_since() {
    let service = Service::new(|n, _| (seconds(1), if n == 0 { A } else { B }));
    let stage = Stage::new(service.clone());
    let c = stage.client.clone();
    let before = tokio::spawn(async move { c.token(&api("g")).await.unwrap() });
    settle().await;
    stage.client.clear();
    let after = stage.client.token(&api("g")).await.unwrap();
    before.await.unwrap();
    assert_eq!(after.expose(), "b");
}

#[tokio::test(start_paused = true)]
async fn repeated_scope_is_the_same_scope() {
    let service = Service::always(A);
    let stage = Stage::new(service.clone());
    stage
        .client
        .token(&Target::scopes("https://a/.default").unwrap())
        .await
        .unwrap();
    stage
        .client
        .token(&Target::scopes("https://a/.default https://a/.default").unwrap())
        .await
        .unwrap();
    assert_eq!(service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn hanging_service_delays_no_caller_with_an_unexpired_token() {
    // The token lives for 3600 s. At the margin the service hangs, for 30 s per attempt.
    let service = Service::new(|n, _| {
        if n == 0 {
            (Duration::ZERO, Reply::Token("a", 3600, ""))
        } else {
            (seconds(30), Reply::Broken)
        }
    });
    let stage = Stage::new(service.clone());
    stage.client.token(&api("g")).await.unwrap();
    pass(seconds(3301)).await;
    let t = tokio::time::Instant::now();
    let token = stage.client.token(&api("g")).await.unwrap();
    assert_eq!((token.expose(), t.elapsed()), ("a", seconds(2)));
    assert_eq!(stage.count(EventKind::ServedAnyway), 1);
    assert_eq!(service.in_flight(), 1, "the request goes on");
}

#[tokio::test(start_paused = true)]
async fn failures_evict_no_unexpired_token() {
    let service = Service::new(|_, seen| {
        let bad = seen.value("scope").unwrap().contains("bad");
        (Duration::ZERO, if bad { Reply::status(400) } else { A })
    });
    let stage = Stage::with_policy(service, |policy| policy.capacity = 16);
    for n in 0..8 {
        stage.client.token(&api(&format!("good{n}"))).await.unwrap();
    }
    for n in 0..100 {
        stage.client.token(&api(&format!("bad{n}"))).await.unwrap_err();
    }
    assert!((0..8).all(|n| stage.client.cached(&api(&format!("good{n}"))).is_some()));
    assert!(stage.client.cache_entries() <= 16);
}

#[tokio::test(start_paused = true)]
async fn patience_must_exceed_the_retry_deadline() {
    let build = |patience| {
        let mut policy = entra_client::Policy::default();
        policy.patience = patience;
        let service = Service::always(A);
        let builder = entra_client::Client::builder(support::app(support::secret()), support::Wire::to(&service));
        builder.policy(policy).build().map(drop)
    };
    for patience in [Duration::ZERO, seconds(60)] {
        assert!(
            matches!(build(patience), Err(entra_client::BuildError::Policy(_))),
            "{patience:?}"
        );
    }
    assert_eq!(build(seconds(61)), Ok(()));
}
