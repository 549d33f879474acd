//! The shared store: a help to those who find a token there, and no harm to anybody.

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

use crate::support::people::{TENANT, rotating, signed_in};
use crate::support::{Answer, START, Service, Stage, api, app, pass, seconds, secret, settle};

/// A store that several clients share. It may lose everything.
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
    /// Puts this in the place of every token.
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

/// What lies there was given before the administrator consented to more.
#[tokio::test(start_paused = true)]
async fn after_a_consent_the_store_is_not_asked() {
    let (shelf, service) = (Shelf::default(), rotating());
    let stage = stage(&shelf, &service);
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap();
    settle().await;
    signed_in(&stage.client).await;
    tenant.token(&api("graph")).await.unwrap();
    assert_eq!((service.requests(), stage.count(EventKind::StoreHit)), (3, 0));
}

const TOKEN: Answer = Answer::Token("t", 3600, r#","refresh_in":1800"#);

#[tokio::test(start_paused = true)]
async fn a_second_process_finds_what_the_first_has_fetched() {
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
    // Another API and another tenant are other entries.
    other.client.token(&api("other")).await.unwrap();
    let fabrikam = other
        .client
        .tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    fabrikam.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_trusted_is_passed_over() {
    let day = seconds(86_400);
    for (what, lifetime, trusted) in [
        ("sound", Lifetime::new(START, seconds(3600), None), true),
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
            "due",
            Lifetime::new(START.minus(seconds(2000)), seconds(3600), Some(seconds(1800))),
            true,
        ),
        ("living for ever", Lifetime::new(START, day + seconds(1), None), false),
    ] {
        let (shelf, service) = (Shelf::default(), Service::always(TOKEN));
        stage(&shelf, &service).client.token(&api("graph")).await.unwrap();
        settle().await;
        shelf.replace("stored", lifetime);
        let token = stage(&shelf, &service).client.token(&api("graph")).await.unwrap();
        assert_eq!(
            (token.expose() == "stored", service.requests() == 1),
            (trusted, trusted),
            "{what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_takes_a_newer_token_from_the_store_and_no_older_one() {
    let (shelf, service) = (Shelf::default(), Service::always(TOKEN));
    let stage = stage(&shelf, &service);
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    pass(seconds(1800)).await;
    // Somebody else has renewed it.
    shelf.replace(
        "newer",
        Lifetime::new(START.plus(seconds(1790)), seconds(3600), Some(seconds(1800))),
    );
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "newer");
    assert_eq!(service.requests(), 1);
    // Nobody else has.
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
async fn a_refused_token_does_not_come_back_from_the_store() {
    let (shelf, service) = (
        Shelf::default(),
        Service::answers(&[TOKEN, Answer::Token("next", 3600, "")]),
    );
    let stage = stage(&shelf, &service);
    let refused = stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    stage.client.invalidate(&refused);
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "next");
    settle().await;
    let force = TokenOptions::default().with_force_refresh(true);
    stage.client.token_with(&api("graph"), &force).await.unwrap();
    assert_eq!(service.requests(), 3);
    // The service's own answer has taken its place: from now on the store is asked again.
    settle().await;
    pass(seconds(3300)).await;
    shelf.replace("newer", Lifetime::new(START.plus(seconds(3300)), seconds(3600), None));
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "newer");
    assert_eq!(service.requests(), 3);
}

/// Also where the slot that knew of the event had to go for others.
#[tokio::test(start_paused = true)]
async fn nothing_from_before_an_event_comes_back_after_an_eviction() {
    for event in ["clear", "forget", "invalidate", "invalidate later"] {
        let (shelf, service) = (
            Shelf::default(),
            Service::new(|n, _| (Duration::ZERO, Answer::Token(n.to_string().leak(), 3600, ""))),
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
        // What is saved from then on is believed.
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
async fn a_store_that_is_out_of_order_costs_nobody_a_token() {
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
async fn a_caller_does_not_wait_for_the_token_to_be_saved() {
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
    // Time is paused: a caller that waits for the store gets the timeout at once.
    let token = tokio::time::timeout(seconds(1), stage.client.token(&api("graph"))).await;
    assert_eq!(token.expect("nobody waits for the store").unwrap().expose(), "t");
}

#[test]
fn the_blocking_client_shares_as_well() {
    let shelf = Shelf::default();
    let requests = Arc::new(Mutex::new(0));
    let client = |shelf: &Shelf| {
        let requests = Arc::clone(&requests);
        let transport = entra_transport::blocking_transport_fn(move |_| {
            *requests.lock().unwrap() += 1;
            TOKEN.give()
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
    let refused = other.token(&api("graph")).unwrap();
    other.invalidate(&refused);
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

/// A caller is the same in every process, by the hash of his token; one who signed in is known by a refresh token, which changes.
#[tokio::test(start_paused = true)]
async fn what_was_got_on_behalf_of_a_caller_is_shared_and_a_sign_in_is_not() {
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
    // Nothing of him lies in the store, so there is nothing to be remembered about it.
    assert_eq!(one.client.cache_entries(), 2);
    one.client.user(&someone).forget(&api("graph"));
    assert_eq!(one.client.cache_entries(), 1);
    one.client.on_behalf_of(&assertion).forget(&api("graph"));
    assert_eq!(one.client.cache_entries(), 1);
}
