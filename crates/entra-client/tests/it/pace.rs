//! Bounds on the rate of requests and refreshes, after successes as after failures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::clock::ManualClock;
use entra_client::token_store::{StoredToken, TokenStore};
use entra_client::{TokenOptions, blocking};
use entra_proto::cache::{CacheKey, Lifetime};
use entra_proto::claims::ClaimsRequest;
use entra_proto::{AccessToken, Guid};

use crate::support::{self, Reply, START, Service, Stage, api, app, pass, seconds, secret, settle};

/// Tokens that need refresh as soon as they arrive, or that live for a short time.
const ODD: [(u64, &str); 8] = [
    (3600, r#","refresh_in":0"#),
    (3600, r#","refresh_in":1"#),
    (86_400, r#","refresh_in":0"#),
    (301, r#","refresh_in":0"#),
    (300, ""),
    (299, ""),
    (60, r#","refresh_in":0"#),
    (60, ""),
];

#[tokio::test(start_paused = true)]
async fn thousand_reads_of_an_odd_token_are_one_request() {
    for (life, more) in ODD {
        let stage = Stage::new(Service::always(Reply::Token("t", life, more)));
        let mut source = stage.client.source(&api("source")).unwrap();
        for _ in 0..1000 {
            stage.client.token(&api("graph")).await.unwrap();
            source.token().await.unwrap();
            settle().await;
        }
        assert_eq!(stage.service.requests(), 2, "{life} {more}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_over_an_hour_send_a_request_a_minute_at_most() {
    for (life, more) in ODD {
        let stage = Stage::new(Service::always(Reply::Token("t", life, more)));
        for _ in 0..3600 {
            stage.client.token(&api("graph")).await.unwrap();
            pass(seconds(1)).await;
        }
        let most = 3600 / (life / 4).min(60) as usize;
        assert!(
            stage.service.requests() <= most,
            "{life} {more}: {}",
            stage.service.requests()
        );
    }
}

/// Lifetimes of seconds, and malformed numbers.
#[tokio::test(start_paused = true)]
async fn no_number_in_a_response_causes_more_than_a_request_a_second() {
    let body = |life: &str, more: &str| {
        Reply::body(
            200,
            &format!(r#"{{"token_type":"Bearer","access_token":"t"{life}{more}}}"#),
        )
    };
    let refresh = |value: &str| format!(r#","refresh_in":{value}"#);
    for life in [
        "", "null", "0", "-1", "1", "2", "30", "\"60\"", "299.5", "1e30", "86400",
    ] {
        let life = match life {
            "" => String::new(),
            life => format!(r#","expires_in":{life}"#),
        };
        for more in ["", "0", "-5", "0.5", "\"0\"", "\"x\"", "1e30", "[]", "null"] {
            let more = if more.is_empty() { String::new() } else { refresh(more) };
            let stage = Stage::new(Service::always(body(&life, &more)));
            for _ in 0..1200 {
                drop(stage.client.token(&api("graph")).await);
                pass(Duration::from_millis(50)).await;
            }
            assert!(
                stage.service.requests() <= 61,
                "{life} {more}: {}",
                stage.service.requests()
            );
        }
    }
}

#[test]
fn blocking_reads_of_an_odd_token_are_paced_too() {
    for (life, more) in ODD {
        let (clock, service) = (ManualClock::at(START), Service::always(Reply::Token("t", life, more)));
        let wire = service.clone();
        let transport = entra_transport::blocking_transport_fn(move |request| {
            wire.receive(&request, Duration::ZERO).1.into_result()
        });
        let client = blocking::Client::builder(app(secret()), transport)
            .clock(clock.clone())
            .runtime(Inline)
            .build()
            .unwrap();
        for _ in 0..1000 {
            client.token(&api("graph")).unwrap();
        }
        assert_eq!(service.requests(), 1, "{life} {more}");
        clock.advance(seconds((life / 4).min(60)));
        client.token(&api("graph")).unwrap();
        assert!(service.requests() <= 2, "{life} {more}");
    }
}

/// A runtime that runs refreshes on the thread of the caller.
struct Inline;

impl blocking::Runtime for Inline {
    fn sleep(&self, _: Duration) {}

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        task();
    }
}

/// An API that rejects all tokens.
#[tokio::test(start_paused = true)]
async fn tokens_that_are_all_rejected_are_paced() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")));
    let mut token = stage.client.token(&api("graph")).await.unwrap();
    let mut errors = 0;
    for _ in 0..1000 {
        let other = TokenOptions::default().with_rejected(&token);
        match stage.client.token_with(&api("graph"), &other).await {
            Ok(next) => token = next,
            Err(error) => errors += usize::from(error.is_cached() && error.is_retryable()),
        }
        stage.client.invalidate(&token);
        token = stage
            .client
            .token(&api("graph"))
            .await
            .expect("the last one is unexpired");
    }
    assert!(
        stage.service.requests() <= 5 && errors > 900,
        "{} {errors}",
        stage.service.requests()
    );
    for _ in 0..600 {
        stage
            .client
            .invalidate(&stage.client.token(&api("graph")).await.unwrap());
        pass(seconds(1)).await;
    }
    assert!(stage.service.requests() <= 35, "{}", stage.service.requests());
    // The cool-down is over once an API has accepted a token for some time.
    pass(seconds(120)).await;
    token = stage.client.token(&api("graph")).await.unwrap();
    pass(seconds(120)).await;
    for _ in 0..3 {
        let other = TokenOptions::default().with_rejected(&token);
        token = stage.client.token_with(&api("graph"), &other).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn successor_of_an_expired_token_is_requested_at_once() {
    let stage = Stage::new(Service::always(Reply::Token("t", 4, "")));
    for _ in 0..10 {
        let token = stage.client.token(&api("graph")).await.unwrap();
        stage.client.invalidate(&token);
    }
    assert!(stage.service.requests() <= 5, "{}", stage.service.requests());
    pass(seconds(4)).await;
    stage
        .client
        .token(&api("graph"))
        .await
        .expect("the rejected one has expired");
}

/// A store whose only token has needed refresh for a long time.
struct Stale;

#[async_trait::async_trait]
impl TokenStore for Stale {
    async fn load(&self, _: &CacheKey) -> Option<StoredToken> {
        let mut lifetime = Lifetime::new(START, seconds(3600), None);
        lifetime.refresh_at = Some(START);
        let access_token = AccessToken::new("stored").unwrap();
        Some(StoredToken { access_token, lifetime })
    }

    async fn save(&self, _: &CacheKey, _: &StoredToken) {}
}

#[tokio::test(start_paused = true)]
async fn stored_token_that_needs_refresh_causes_no_flood() {
    let service = Service::always(Reply::Token("t", 3600, r#","refresh_in":0"#));
    let stage = Stage::with(service, |builder| builder.token_store(Stale));
    for _ in 0..1000 {
        stage.client.token(&api("graph")).await.unwrap();
        settle().await;
    }
    assert!(stage.service.requests() <= 1, "{}", stage.service.requests());
}

#[tokio::test(start_paused = true)]
async fn background_refreshes_are_bounded_and_delayed() {
    let slow = Arc::new(Mutex::new(Duration::ZERO));
    let time = Arc::clone(&slow);
    let service = Service::new(move |_, _| (*time.lock().unwrap(), Reply::Token("t", 86_400, "")));
    let stage = Stage::new(service);
    let tenants: Vec<_> = (0..500_u128)
        .map(|n| stage.client.tenant(Guid::from_bytes(n.to_be_bytes())))
        .collect();
    for tenant in &tenants {
        tenant.token(&api("graph")).await.unwrap();
    }
    pass(seconds(50_000)).await;
    *slow.lock().unwrap() = seconds(30);
    for _ in 0..3 {
        for tenant in &tenants {
            tenant.token(&api("graph")).await.unwrap();
        }
        settle().await;
        assert_eq!(stage.service.in_flight(), 64);
    }
    *slow.lock().unwrap() = Duration::ZERO;
    for _ in 0..20 {
        pass(seconds(31)).await;
        for tenant in &tenants {
            tenant.token(&api("graph")).await.unwrap();
        }
    }
    settle().await;
    assert_eq!(stage.service.requests(), 1000, "each is refreshed in the end");
}

/// A permit is returned however a refresh ends, also for tokens within the margin, for which
/// callers wait a moment.
#[tokio::test(start_paused = true)]
async fn failed_and_panicked_refreshes_return_their_permits() {
    let token = |name| Reply::Token(name, 86_400, "");
    let now = Arc::new(Mutex::new(token("old")));
    let reply = Arc::clone(&now);
    let service = Service::new(move |_, _| (seconds(3), reply.lock().unwrap().clone()));
    let stage = Stage::with_policy(service, |policy| policy.max_background = 5);
    let name = |n: usize| api(&format!("api{n}"));
    for n in 0..20 {
        stage.client.token(&name(n)).await.unwrap();
    }
    pass(seconds(50_000)).await;
    for reply in [Reply::Panic, Reply::status(400), Reply::Broken, token("new")] {
        *now.lock().unwrap() = reply;
        for _ in 0..100 {
            for n in 0..20 {
                stage.client.token(&name(n)).await.expect("it is unexpired");
            }
            settle().await;
            assert!(stage.service.in_flight() <= 5);
            pass(seconds(1)).await;
        }
        pass(seconds(60)).await;
    }
    assert!((0..20).all(|n| stage.client.cached(&name(n)).unwrap().expose() == "new"));
}

#[tokio::test(start_paused = true)]
async fn refreshes_of_unexpired_tokens_never_exceed_the_bound() {
    let slow = Arc::new(Mutex::new(Duration::ZERO));
    let time = Arc::clone(&slow);
    let service = Service::new(move |_, _| (*time.lock().unwrap(), Reply::Token("t", 3600, "")));
    let stage = Stage::with_policy(service, |policy| policy.max_background = 5);
    let name = |n: usize| api(&format!("api{n}"));
    for n in 0..50 {
        stage.client.token(&name(n)).await.unwrap();
    }
    pass(seconds(3400)).await;
    *slow.lock().unwrap() = seconds(30);
    let all = support::together(50, |n| {
        let client = stage.client.clone();
        async move { client.token(&name(n)).await.unwrap() }
    });
    assert_eq!(all.await.len(), 50);
    assert_eq!(stage.service.in_flight(), 5);
    // A caller of an empty slot does not wait for the others.
    *slow.lock().unwrap() = Duration::ZERO;
    stage.client.token(&api("empty")).await.unwrap();
}

#[test]
fn threads_of_the_blocking_client_are_bounded() {
    let clock = ManualClock::at(START);
    let (in_flight, most, hangs) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(false)),
    );
    let gate = Arc::new(std::sync::Condvar::new());
    let transport = {
        let (in_flight, most, hangs, gate) = (in_flight.clone(), most.clone(), hangs.clone(), gate.clone());
        entra_transport::blocking_transport_fn(move |_| {
            most.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            drop(gate.wait_while(hangs.lock().unwrap(), |hangs| *hangs).unwrap());
            in_flight.fetch_sub(1, Ordering::SeqCst);
            Reply::Token("t", 86_400, "").into_result()
        })
    };
    let client = blocking::Client::builder(app(secret()), transport)
        .clock(clock.clone())
        .build()
        .unwrap();
    let tenants: Vec<_> = (0..500_u128)
        .map(|n| client.tenant(Guid::from_bytes(n.to_be_bytes())))
        .collect();
    tenants
        .iter()
        .for_each(|tenant| drop(tenant.token(&api("graph")).unwrap()));
    clock.advance(seconds(50_000));
    *hangs.lock().unwrap() = true;
    for _ in 0..3 {
        tenants
            .iter()
            .for_each(|tenant| drop(tenant.token(&api("graph")).unwrap()));
    }
    while in_flight.load(Ordering::SeqCst) < 64 {
        std::thread::yield_now();
    }
    assert_eq!(most.load(Ordering::SeqCst), 64);
    *hangs.lock().unwrap() = false;
    gate.notify_all();
}

/// An API chooses the claims of its challenges.
#[tokio::test(start_paused = true)]
async fn claims_that_an_api_chooses_take_bounded_memory() {
    let service = Service::always(Reply::Token("t", 3600, ""));
    let stage = Stage::with_policy(service, |policy| policy.capacity = 1000);
    for n in 0..1000 {
        let filler = "x".repeat(15_000);
        let claims = format!(r#"{{"access_token":{{"c{n}":{{"value":"{filler}"}}}}}}"#);
        let options = TokenOptions::default().with_claims(ClaimsRequest::parse(&claims).unwrap());
        stage.client.token_with(&api("graph"), &options).await.unwrap();
        stage.client.token(&api("graph")).await.unwrap();
        pass(seconds(12)).await;
    }
    assert!(
        stage.service.requests() < 1000 + 10,
        "the token of the others stays cached"
    );
    assert!(
        stage.client.cache_entries() < 4_200_000 / 15_000,
        "{}",
        stage.client.cache_entries()
    );
}

/// The service chooses the size of its tokens.
#[tokio::test(start_paused = true)]
async fn large_tokens_take_bounded_memory() {
    let large: &str = "x".repeat(100_000).leak();
    let stage = Stage::with_policy(Service::always(Reply::Token(large, 3600, "")), |policy| {
        policy.capacity = 1000
    });
    for n in 0..200 {
        stage.client.token(&api(&format!("api{n}"))).await.unwrap();
    }
    assert!(
        (20..=45).contains(&stage.client.cache_entries()),
        "{}",
        stage.client.cache_entries()
    );
}
