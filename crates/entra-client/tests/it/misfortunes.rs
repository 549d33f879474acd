//! Misfortunes that come together: a leader who gives up while the service is to be left alone, a token that is refused while a store is
//! read, a machine that sleeps while an answer is under way. Each was found by somebody who looked for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use entra_client::TokenOptions;
use entra_client::observer::EventKind;
use entra_client::token_store::{StoredToken, TokenStore};
use entra_proto::Target;
use entra_proto::cache::CacheKey;

use crate::support::{self, Answer, Service, Stage, api, pass, seconds, settle, together};

/// A store that takes its time.
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

const A: Answer = Answer::Token("a", 3600, r#","refresh_in":1800"#);
const B: Answer = Answer::Token("b", 3600, r#","refresh_in":1800"#);

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_does_not_come_back_from_the_store() {
    for clear in [false, true] {
        let shelf = Shelf::default();
        let stage = Stage::with(Service::answers(&[A, B]), |b| b.token_store(shelf.clone()));
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
async fn a_forced_refresh_is_not_content_with_what_others_found_in_the_store() {
    let mut shelf = Shelf::default();
    let service = Service::answers(&[A, B]);
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
async fn a_token_refused_while_the_store_is_read_does_not_come_back() {
    let mut shelf = Shelf::default();
    let service = Service::answers(&[A, B]);
    shelf.slow = Duration::from_millis(50);
    let stage = Stage::with(service.clone(), |b| b.token_store(shelf.clone()));
    let refused = stage.client.token(&api("g")).await.unwrap();
    settle().await;
    pass(seconds(1800)).await;
    stage.client.token(&api("g")).await.unwrap(); // due: a refresh begins and reads the store
    settle().await;
    assert!(stage.client.invalidate(&refused)); // the API refuses it meanwhile
    let next = stage.client.token(&api("g")).await.unwrap();
    assert_eq!(next.expose(), "b");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_asked_of_a_leader_who_went_away_is_kept_by_the_next() {
    let service = Service::always(Answer::retry_after(429, "30"));
    let stage = Stage::new(service.clone());
    for _ in 0..10 {
        let _ = tokio::time::timeout(seconds(2), stage.client.token(&api("g"))).await;
    }
    assert_eq!(service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_give_up_leave_the_service_alone() {
    let service = Service::always(Answer::retry_after(429, "30"));
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
async fn a_machine_that_slept_while_the_answer_was_under_way_counts_from_before() {
    let clock_cell: Arc<Mutex<Option<support::VirtualClock>>> = Arc::default();
    let cell = Arc::clone(&clock_cell);
    let service = Service::new(move |_, _| {
        // The service issues the token now; then the machine sleeps an hour and a half before the answer is read.
        if let Some(clock) = &*cell.lock().unwrap() {
            clock.set_ahead(5400);
        }
        (Duration::ZERO, Answer::Token("a", 3600, ""))
    });
    let stage = Stage::new(service);
    *clock_cell.lock().unwrap() = Some(stage.clock.clone());
    let token = stage.client.token(&api("g")).await.unwrap();
    assert_eq!(token.expires_at(), token.received_at(), "nothing is left of it");
    assert!(stage.client.cached(&api("g")).is_none());
}

#[tokio::test(start_paused = true)]
async fn others_are_told_no_longer_life() {
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
async fn who_asks_after_everything_is_forgotten_gets_what_was_asked_since() {
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
async fn a_scope_named_twice_is_the_same_scope() {
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
async fn a_service_that_hangs_keeps_nobody_from_a_token_that_lives() {
    // 3599 s token, no refresh_in. At the margin the service hangs (30 s a try, as transports do).
    let service = Service::new(|n, _| {
        if n == 0 {
            (Duration::ZERO, Answer::Token("a", 3600, ""))
        } else {
            (seconds(30), Answer::Broken)
        }
    });
    let stage = Stage::new(service.clone());
    stage.client.token(&api("g")).await.unwrap();
    pass(seconds(3301)).await;
    let t = tokio::time::Instant::now();
    let token = stage.client.token(&api("g")).await.unwrap();
    assert_eq!((token.expose(), t.elapsed()), ("a", seconds(2)));
    assert_eq!(stage.count(EventKind::ServedAnyway), 1);
    assert_eq!(service.in_the_air(), 1, "it is tried all the same");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_failures_pushes_out_no_token_that_lives() {
    let service = Service::new(|_, seen| {
        let bad = seen.value("scope").unwrap().contains("bad");
        (Duration::ZERO, if bad { Answer::status(400) } else { A })
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
async fn who_waits_is_patient_for_as_long_as_tries_may_last() {
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
