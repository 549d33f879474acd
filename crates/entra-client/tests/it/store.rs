//! The shared store: processes find tokens there, and it can do no harm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use entra_client::observer::EventKind;
use entra_client::token_store::{StoredToken, TokenStore};
use entra_client::{Client, Policy, TokenOptions, User, blocking};
use entra_proto::authorize::{RefreshToken, UserAssertion};
use entra_proto::cache::{CacheKey, Lifetime};
use entra_proto::{AccessToken, Guid};

use crate::support::users::{TENANT, rotating, signed_in};
use crate::support::{Reply, START, Service, Stage, api, app, pass, seconds, secret, settle};

/// A store that several clients share, and that can fail.
#[derive(Clone, Default)]
struct Shelf {
    tokens: Arc<Mutex<HashMap<CacheKey, StoredToken>>>,
    out_of_order: bool,
}

#[async_trait]
impl TokenStore for Shelf {
    async fn load(&self, key: &CacheKey) -> Option<StoredToken> {
        tokio::task::yield_now().await;
        self.tokens
            .lock()
            .unwrap()
            .get(key)
            .filter(|_| !self.out_of_order)
            .cloned()
    }

    async fn save(&self, key: &CacheKey, token: &StoredToken) {
        tokio::task::yield_now().await;
        self.tokens.lock().unwrap().insert(key.clone(), token.clone());
    }
}

impl blocking::TokenStore for Shelf {
    fn load(&self, key: &CacheKey) -> Option<StoredToken> {
        self.tokens.lock().unwrap().get(key).cloned()
    }

    fn save(&self, key: &CacheKey, token: &StoredToken) {
        self.tokens.lock().unwrap().insert(key.clone(), token.clone());
    }
}

impl Shelf {
    /// Replaces every token.
    fn replace(&self, token: &str, lifetime: Lifetime) {
        for stored in self.tokens.lock().unwrap().values_mut() {
            stored.access_token = AccessToken::new(token).unwrap();
            stored.lifetime = lifetime;
        }
    }
}

fn stage(shelf: &Shelf, service: &Service) -> Stage {
    Stage::with(service.clone(), |builder| builder.token_store(shelf.clone()))
}

/// The stored token is from before the consent.
#[tokio::test(start_paused = true)]
async fn store_is_not_read_after_a_consent() {
    let (shelf, service) = (Shelf::default(), rotating());
    let stage = stage(&shelf, &service);
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap();
    settle().await;
    signed_in(&stage.client).await;
    tenant.token(&api("graph")).await.unwrap();
    assert_eq!((service.requests(), stage.count(EventKind::StoreHit)), (3, 0));
}

const TOKEN: Reply = Reply::Token("t", 3600, r#","refresh_in":1800"#);

#[tokio::test(start_paused = true)]
async fn second_process_finds_the_token_of_the_first() {
    let (shelf, service) = (Shelf::default(), Service::always(TOKEN));
    let (one, other) = (stage(&shelf, &service), stage(&shelf, &service));
    let first = one.client.token(&api("graph")).await.unwrap();
    settle().await;
    let second = other.client.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 1);
    assert_eq!((second.expose(), second.expires_at()), ("t", first.expires_at()));
    assert!(first.request_id().is_some() && second.request_id().is_none());
    assert_eq!(other.count(EventKind::StoreHit), 1);
    other.client.token(&api("graph")).await.unwrap();
    assert_eq!(other.count(EventKind::CacheHit), 1);
    // Another API and another tenant have other entries.
    other.client.token(&api("other")).await.unwrap();
    let fabrikam = other
        .client
        .tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    fabrikam.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn untrusted_stored_token_is_ignored() {
    let day = seconds(86_400);
    for (case, lifetime, is_trusted) in [
        ("valid", Lifetime::new(START, seconds(3600), None), true),
        (
            "from the future",
            Lifetime::new(START.plus(seconds(60)), seconds(3600), None),
            false,
        ),
        (
            "expired",
            Lifetime::new(START.minus(seconds(3600)), seconds(3600), None),
            false,
        ),
        (
            "within the margin",
            Lifetime::new(START.minus(seconds(3400)), seconds(3600), None),
            false,
        ),
        (
            "needs refresh",
            Lifetime::new(START.minus(seconds(2000)), seconds(3600), Some(seconds(1800))),
            true,
        ),
        ("lifetime too long", Lifetime::new(START, day + seconds(1), None), false),
    ] {
        let (shelf, service) = (Shelf::default(), Service::always(TOKEN));
        stage(&shelf, &service).client.token(&api("graph")).await.unwrap();
        settle().await;
        shelf.replace("stored", lifetime);
        let token = stage(&shelf, &service).client.token(&api("graph")).await.unwrap();
        assert_eq!(
            (token.expose() == "stored", service.requests() == 1),
            (is_trusted, is_trusted),
            "{case}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_accepts_only_a_newer_stored_token() {
    let (shelf, service) = (Shelf::default(), Service::always(TOKEN));
    let stage = stage(&shelf, &service);
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    pass(seconds(1800)).await;
    // Another process has refreshed the token.
    shelf.replace(
        "newer",
        Lifetime::new(START.plus(seconds(1790)), seconds(3600), Some(seconds(1800))),
    );
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "newer");
    assert_eq!(service.requests(), 1);
    // No other process has.
    pass(seconds(1800)).await;
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(
        (
            stage.client.token(&api("graph")).await.unwrap().expose(),
            service.requests()
        ),
        ("t", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn age_of_a_stored_token_survives_a_clock_set_back() {
    let (shelf, service) = (Shelf::default(), Service::always(Reply::Token("t", 3600, "")));
    stage(&shelf, &service).client.token(&api("graph")).await.unwrap();
    settle().await;
    let other = stage(&shelf, &service);
    other.clock.set_ahead(3000);
    other.client.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 1);
    // The token is within the margin from 3,300 s on. By the time of day it is 400 s old then.
    shelf.tokens.lock().unwrap().clear();
    other.clock.set_ahead(-2900);
    pass(seconds(299)).await;
    other.client.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 1);
    pass(seconds(1)).await;
    other.client.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejected_token_does_not_come_back_from_the_store() {
    let (shelf, service) = (
        Shelf::default(),
        Service::replies(&[TOKEN, Reply::Token("next", 3600, "")]),
    );
    let stage = stage(&shelf, &service);
    let rejected = stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    stage.client.invalidate(&rejected);
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "next");
    settle().await;
    let force = TokenOptions::default().with_force_refresh(true);
    stage.client.token_with(&api("graph"), &force).await.unwrap();
    assert_eq!(service.requests(), 3);
    // After a token from the service, the store is read again.
    settle().await;
    pass(seconds(3300)).await;
    shelf.replace("newer", Lifetime::new(START.plus(seconds(3300)), seconds(3600), None));
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "newer");
    assert_eq!(service.requests(), 3);
}

/// The slot that remembered the event may have been evicted.
#[tokio::test(start_paused = true)]
async fn token_from_before_an_event_stays_away_after_an_eviction() {
    for event in ["clear", "forget", "invalidate", "invalidate later"] {
        let (shelf, service) = (
            Shelf::default(),
            Service::new(|n, _| (Duration::ZERO, Reply::Token(n.to_string().leak(), 3600, ""))),
        );
        let stage = Stage::with(service, |builder| {
            let mut policy = Policy::default();
            policy.capacity = 2;
            builder.token_store(shelf.clone()).policy(policy)
        });
        let old = stage.client.token(&api("graph")).await.unwrap();
        settle().await;
        match event {
            "clear" => stage.client.clear(),
            "forget" => stage.client.forget(&api("graph")),
            "invalidate" => drop(stage.client.invalidate(&old)),
            _ => {}
        }
        for n in 0..5 {
            pass(seconds(1)).await;
            stage.client.token(&api(&format!("api{n}"))).await.unwrap();
        }
        settle().await;
        if event == "invalidate later" {
            stage.client.invalidate(&old);
        }
        let next = stage.client.token(&api("graph")).await.unwrap();
        assert_ne!(next.expose(), old.expose(), "{event}");
        settle().await;
        // Tokens that are stored from then on are trusted.
        pass(seconds(1)).await;
        stage.client.token(&api("new")).await.unwrap();
        settle().await;
        let sent = stage.service.requests();
        for n in 0..5 {
            pass(seconds(1)).await;
            stage.client.token(&api(&format!("api{n}"))).await.unwrap();
        }
        settle().await;
        let sent_again = stage.service.requests() - sent;
        stage.client.token(&api("new")).await.unwrap();
        assert_eq!(stage.service.requests(), sent + sent_again, "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn failing_store_costs_no_token() {
    let shelf = Shelf {
        out_of_order: true,
        ..Shelf::default()
    };
    let service = Service::always(TOKEN);
    for _ in 0..2 {
        stage(&shelf, &service).client.token(&api("graph")).await.unwrap();
        settle().await;
    }
    assert_eq!(service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn caller_does_not_wait_for_the_store_to_save() {
    struct Slow;

    #[async_trait]
    impl TokenStore for Slow {
        async fn load(&self, _: &CacheKey) -> Option<StoredToken> {
            None
        }

        async fn save(&self, _: &CacheKey, _: &StoredToken) {
            std::future::pending().await
        }
    }

    let service = Service::always(TOKEN);
    let stage = Stage::with(service, |builder| builder.token_store(Slow));
    // Time is paused, so a caller that waits for the store runs into the timeout at once.
    let token = tokio::time::timeout(seconds(1), stage.client.token(&api("graph"))).await;
    assert_eq!(token.expect("callers do not wait for the store").unwrap().expose(), "t");
}

#[test]
fn blocking_client_uses_the_store_too() {
    let shelf = Shelf::default();
    let requests = Arc::new(Mutex::new(0));
    let client = |shelf: &Shelf| {
        let requests = Arc::clone(&requests);
        let transport = entra_transport::blocking_transport_fn(move |_| {
            *requests.lock().unwrap() += 1;
            TOKEN.into_result()
        });
        blocking::Client::builder(app(secret()), transport)
            .token_store(shelf.clone())
            .build()
            .unwrap()
    };
    let (one, other) = (client(&shelf), client(&shelf));
    one.token(&api("graph")).unwrap();
    assert_eq!(other.token(&api("graph")).unwrap().expose(), "t");
    assert_eq!(*requests.lock().unwrap(), 1);
    let rejected = other.token(&api("graph")).unwrap();
    other.invalidate(&rejected);
    other.token(&api("graph")).unwrap();
    assert_eq!(*requests.lock().unwrap(), 2);
    let refresh_token = RefreshToken::new("canary-refresh").unwrap();
    let someone = User::from_refresh_token(Guid::from_bytes([1; 16]), refresh_token);
    one.user(&someone).token(&api("graph")).unwrap();
    assert_eq!(shelf.tokens.lock().unwrap().len(), 1);
}

#[allow(dead_code, reason = "a client can be stored and shared, without a type parameter")]
struct Daemon {
    client: Client,
    blocking: blocking::Client,
}

fn _is_shared(daemon: Daemon) -> impl Send + Sync + 'static {
    daemon
}

/// The user of an assertion has the same identity in every process, the hash of the assertion. A
/// user who signed in is identified by a refresh token, which changes.
#[tokio::test(start_paused = true)]
async fn on_behalf_of_tokens_are_shared_and_those_of_sign_ins_are_not() {
    let (shelf, service) = (Shelf::default(), Service::always(TOKEN));
    let (one, other) = (stage(&shelf, &service), stage(&shelf, &service));
    let assertion = UserAssertion::new("canary-assertion").unwrap();
    for stage in [&one, &other] {
        let client = stage.client.on_behalf_of(&assertion);
        client.token(&api("graph")).await.unwrap();
        settle().await;
    }
    assert_eq!((service.requests(), other.count(EventKind::StoreHit)), (1, 1));
    let keys: Vec<String> = shelf
        .tokens
        .lock()
        .unwrap()
        .keys()
        .map(|key| key.as_str().to_owned())
        .collect();
    assert!(keys.len() == 1 && !keys[0].contains("canary"), "{keys:?}");

    let refresh_token = RefreshToken::new("canary-refresh").unwrap();
    let someone = User::from_refresh_token(Guid::from_bytes([1; 16]), refresh_token);
    one.client.user(&someone).token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(shelf.tokens.lock().unwrap().len(), 1);
    // The store holds nothing of the user, so no slot has to remember an event.
    assert_eq!(one.client.cache_entries(), 2);
    one.client.user(&someone).forget(&api("graph"));
    assert_eq!(one.client.cache_entries(), 1);
    one.client.on_behalf_of(&assertion).forget(&api("graph"));
    assert_eq!(one.client.cache_entries(), 1);
}
