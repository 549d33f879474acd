//! The identity of cached tokens, and what is cached, forgotten and evicted.

use std::sync::{Arc, Mutex};

use entra_client::TokenOptions;
use entra_client::observer::{Event, EventKind};
use entra_proto::claims::ClaimsRequest;
use entra_proto::{Target, Tenant};

use crate::support::{self, CountedRandom, Reply, Service, Stage, api, app, pass, seconds, secret, settle};

const TOKEN: Reply = Reply::Token("t", 3600, "");

fn claims(value: &str) -> TokenOptions {
    let json = format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{value}"}}}}}}"#);
    TokenOptions::default().with_claims(ClaimsRequest::parse(&json).unwrap())
}

#[tokio::test(start_paused = true)]
async fn order_of_scopes_and_names_of_an_api_share_a_token() {
    let stage = Stage::new(Service::always(TOKEN));
    for scopes in [
        "https://a.example/.default openid profile",
        "profile https://a.example/.default openid",
        "openid openid profile https://a.example/.default",
    ] {
        stage.client.token(&Target::scopes(scopes).unwrap()).await.unwrap();
    }
    assert_eq!(stage.service.requests(), 1);
    stage
        .client
        .token(&Target::scopes("https://b.example//.default").unwrap())
        .await
        .unwrap();
    stage
        .client
        .token(&Target::resource("https://b.example/").unwrap())
        .await
        .unwrap();
    assert_eq!(stage.service.requests(), 2);
    stage
        .client
        .token(&Target::resource("https://b.example").unwrap())
        .await
        .unwrap();
    assert_eq!(stage.service.requests(), 3, "a trailing slash is part of the name");
}

#[tokio::test(start_paused = true)]
async fn tenants_share_a_client_and_no_token() {
    let stage = Stage::new(Service::always(TOKEN));
    let fabrikam = stage.client.tenant("fabrikam.com".parse::<Tenant>().unwrap());
    for _ in 0..2 {
        stage.client.token(&api("graph")).await.unwrap();
        fabrikam.token(&api("graph")).await.unwrap();
    }
    assert_eq!(stage.service.requests(), 2);
    assert_eq!(stage.service.seen(0).path, "/contoso.com/oauth2/v2.0/token");
    assert_eq!(stage.service.seen(1).path, "/fabrikam.com/oauth2/v2.0/token");
    assert_eq!(
        stage
            .client
            .tenant("fabrikam.com".parse::<Tenant>().unwrap())
            .cache_entries(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn claims_have_their_own_token_and_include_the_capabilities() {
    let service = Service::always(TOKEN);
    let stage = {
        let clock = support::VirtualClock::new();
        let application = app(secret()).with_capabilities(&["cp1"]);
        entra_client::Client::builder(application, support::Wire::to(&service))
            .clock(clock)
            .secure_random(CountedRandom::default())
            .build()
            .unwrap()
    };
    stage.token(&api("graph")).await.unwrap();
    for _ in 0..2 {
        stage.token_with(&api("graph"), &claims("1")).await.unwrap();
        stage.token_with(&api("graph"), &claims("2")).await.unwrap();
    }
    stage.token(&api("graph")).await.unwrap();
    assert_eq!(service.requests(), 3);
    let sent = |n: usize| service.seen(n).value("claims").unwrap().to_owned();
    assert_eq!(sent(0), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
    assert_eq!(
        sent(1),
        r#"{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["cp1"]}}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_replaced_once() {
    let replies = [Reply::Token("first", 3600, ""), Reply::Token("second", 3600, "")];
    let stage = Stage::new(Service::replies(&replies));
    let rejected = stage.client.token(&api("graph")).await.unwrap();
    assert!(stage.client.invalidate(&rejected));
    let next = stage.client.token(&api("graph")).await.unwrap();
    assert_eq!(next.expose(), "second");
    assert!(
        !stage.client.invalidate(&rejected),
        "another caller was rejected with the same token, and is late"
    );
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "second");
    assert_eq!((stage.service.requests(), stage.count(EventKind::Invalidated)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn rejected_token_serves_other_callers_until_a_newer_one() {
    let stage = Stage::new(Service::replies(&[TOKEN, Reply::status(400)]));
    let rejected = stage.client.token(&api("graph")).await.unwrap();
    let other = TokenOptions::default().with_rejected(&rejected);
    for _ in 0..100 {
        let error = stage.client.token_with(&api("graph"), &other).await.unwrap_err();
        assert!(error.to_string().contains("400"), "{error}");
        let token = stage.client.token(&api("graph")).await.unwrap();
        assert_eq!(token.expose(), rejected.expose());
    }
    assert_eq!(stage.service.requests(), 2, "the failure is cached");
    pass(seconds(3600)).await;
    let expired = stage.client.token(&api("graph")).await.unwrap_err();
    assert!(expired.to_string().contains("400"), "{expired}");
}

#[tokio::test(start_paused = true)]
async fn forget_drops_one_target_with_its_failures_and_claims() {
    let service = Service::new(|n, seen| {
        let fails = seen.value("scope").unwrap().contains("fails") && n < 4;
        (seconds(0), if fails { Reply::status(400) } else { TOKEN })
    });
    let stage = Stage::new(service);
    let client = &stage.client;
    client.token(&api("graph")).await.unwrap();
    client.token_with(&api("graph"), &claims("1")).await.unwrap();
    client.token(&api("other")).await.unwrap();
    client.token(&api("fails")).await.unwrap_err();
    client.forget(&api("graph"));
    client.forget(&api("fails"));
    assert_eq!(client.cache_entries(), 1);
    client.token(&api("graph")).await.unwrap();
    client.token_with(&api("graph"), &claims("1")).await.unwrap();
    client.token(&api("other")).await.unwrap();
    client.token(&api("fails")).await.expect("the failure is forgotten");
    assert_eq!(stage.service.requests(), 7);
}

#[tokio::test(start_paused = true)]
async fn outcome_of_a_flight_before_clear_is_not_cached() {
    let stage = Stage::new(Service::always(TOKEN).taking(seconds(2)));
    let early = tokio::spawn({
        let client = stage.client.clone();
        async move { client.token(&api("graph")).await }
    });
    settle().await;
    stage.client.clear();
    assert_eq!(early.await.unwrap().unwrap().expose(), "t", "a waiting caller gets it");
    assert!(stage.client.cached(&api("graph")).is_none());
    stage.client.token(&api("graph")).await.unwrap();
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn cache_is_bounded_and_reports_evictions() {
    let stage = Stage::with_policy(Service::always(TOKEN), |policy| policy.capacity = 3);
    for name in ["a", "b", "c", "a", "d"] {
        stage.client.token(&api(name)).await.unwrap();
        pass(seconds(1)).await;
    }
    let is_cached = |name| stage.client.cached(&api(name)).is_some();
    assert_eq!(
        [is_cached("a"), is_cached("b"), is_cached("c"), is_cached("d")],
        [true, false, true, true]
    );
    assert_eq!((stage.client.cache_entries(), stage.count(EventKind::Evicted)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn source_reads_the_cache_of_the_client() {
    let replies = [
        Reply::Token("first", 3600, r#","refresh_in":1800"#),
        Reply::Token("second", 3600, r#","refresh_in":1800"#),
        Reply::Token("third", 3600, ""),
    ];
    let stage = Stage::new(Service::replies(&replies));
    let mut source = stage.client.source(&api("graph")).unwrap();
    assert!(source.current().is_none());
    assert_eq!(source.token().await.unwrap().expose(), "first");
    let mut other = source.clone();
    pass(seconds(1800)).await;
    assert_eq!(other.current().unwrap().expose(), "first", "a refresh starts");
    settle().await;
    assert_eq!(source.current().unwrap().expose(), "second");
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "second");
    let rejected = source.current().unwrap().clone();
    assert!(source.invalidate(&rejected));
    assert!(other.current().is_none());
    assert_eq!(other.token().await.unwrap().expose(), "third");
    pass(seconds(3300)).await;
    assert!(
        source.current().is_none() && other.current().is_none(),
        "within the margin"
    );
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn invalid_policy_is_rejected() {
    use entra_client::{BuildError, Client, Policy};
    let build = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        let service = Service::always(TOKEN);
        Client::builder(app(secret()), support::Wire::to(&service))
            .policy(policy)
            .build()
            .map(drop)
    };
    assert_eq!(build(|_| {}), Ok(()));
    for change in [
        (|policy| policy.capacity = 0) as fn(&mut Policy),
        |policy| policy.retry.max_attempts = 0,
        |policy| policy.freshness.jitter = f64::NAN,
        |policy| policy.freshness.refresh_fraction = 1.5,
    ] {
        assert!(matches!(build(change), Err(BuildError::Policy(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn debug_output_shows_no_secret_or_token() {
    let stage = Stage::new(Service::always(Reply::Token("canary-token", 3600, "")));
    let token = stage.client.token(&api("graph")).await.unwrap();
    let source = stage.client.source(&api("graph")).unwrap();
    let shown = format!(
        "{:?} {token:?} {source:?} {:?} {:?}",
        stage.client,
        token.authorization(),
        stage.counters
    );
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(token.authorization(), "Bearer canary-token");
}

#[tokio::test(start_paused = true)]
async fn observer_gets_the_lifetime_of_an_acquired_token() {
    let lives: Arc<Mutex<Vec<_>>> = Arc::default();
    let observed = Arc::clone(&lives);
    let stage = Stage::with(Service::always(TOKEN), |builder| {
        builder.observer(move |event: &Event<'_>| {
            let life = event.lifetime.map(|life| life.expires_at.since(life.received_at));
            observed.lock().unwrap().push((event.kind, life));
        })
    });
    stage.client.token(&api("graph")).await.unwrap();
    let lives = lives.lock().unwrap();
    let acquired = (EventKind::Acquired, Some(seconds(3600)));
    assert_eq!(
        lives.iter().filter(|(_, life)| life.is_some()).collect::<Vec<_>>(),
        [&acquired]
    );
}
