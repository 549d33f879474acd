//! Managed identities: the same cache, flights and events as for applications, and no secret.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use entra_client::observer::{Event, EventKind};
use entra_client::token_store::{StoredToken, TokenStore};
use entra_client::{ConsentFlow, TokenOptions, blocking};
use entra_proto::Tenant;
use entra_proto::cache::CacheKey;
use entra_proto::claims::ClaimsRequest;
use entra_proto::error::ErrorClass;
use entra_proto::managed_identity::{Identity, ManagedIdentity};

use crate::support::machine::Machine;
use crate::support::users::{AtOnce, NoTime, assertion, uri, user};
use crate::support::{CountedRandom, Reply, Service, Stage, api, pass, seconds, settle, together};

/// A token of a managed identity: it lives for a day, as a string.
fn day(name: &'static str) -> Reply {
    let body = format!(r#"{{"access_token":"{name}","expires_in":"86400","token_type":"Bearer","resource":"r"}}"#);
    Reply::body(200, &body)
}

fn numbered() -> Service {
    Service::new(|n, _| (Duration::ZERO, day(["t0", "t1", "t2", "t3"][n.min(3)])))
}

fn claims() -> ClaimsRequest {
    ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true}}}"#).unwrap()
}

#[tokio::test(start_paused = true)]
async fn token_of_the_machine_is_cached() {
    let stage = Stage::of(Machine::default().identity(), numbered(), |builder| builder);
    let target = api("vault");
    for _ in 0..3 {
        assert_eq!(stage.client.token(&target).await.unwrap().expose(), "t0");
    }
    assert_eq!(stage.client.source(&target).unwrap().current().unwrap().expose(), "t0");
    let seen = stage.service.seen(0);
    assert_eq!(seen.path, "/metadata/identity/oauth2/token");
    assert_eq!(seen.query("resource"), Some("https://vault.example"));
    assert_eq!(seen.headers["metadata"], "true");
    assert_eq!(stage.service.requests(), 1, "no probe");
    assert!(stage.client.application().is_none() && stage.client.chain().is_none());
    assert_eq!(stage.client.principal().to_string(), "the system-assigned identity");
}

#[tokio::test(start_paused = true)]
async fn thousand_callers_are_one_request() {
    let stage = Stage::of(
        Machine::app_service().identity(),
        numbered().taking(seconds(1)),
        |builder| builder,
    );
    together(1000, |_| {
        let client = stage.client.clone();
        async move { client.token(&api("vault")).await.unwrap() }
    })
    .await;
    assert_eq!(stage.service.requests(), 1);
    assert_eq!(stage.count(EventKind::Joined), 999);
}

#[tokio::test(start_paused = true)]
async fn long_lived_token_is_refreshed_at_half_its_life() {
    for (life, refreshed) in [(86_400, 43_200), (7201, 3600), (7200, 3600)] {
        let body = move |name| format!(r#"{{"access_token":"{name}","expires_in":{life},"token_type":"Bearer"}}"#);
        let service = Service::new(move |n, _| (Duration::ZERO, Reply::body(200, &body(["t0", "t1"][n.min(1)]))));
        let stage = Stage::of(Machine::default().identity(), service, |builder| builder);
        let target = api("vault");
        stage.client.token(&target).await.unwrap();
        pass(seconds(refreshed - 2)).await;
        assert_eq!(stage.client.token(&target).await.unwrap().expose(), "t0");
        settle().await;
        assert_eq!(stage.service.requests(), 1, "{life}");
        pass(seconds(3)).await;
        assert_eq!(stage.client.token(&target).await.unwrap().expose(), "t0");
        settle().await;
        assert_eq!(stage.client.token(&target).await.unwrap().expose(), "t1");
        assert_eq!(stage.service.requests(), 2, "{life}");
    }
    // A token that does not live for two hours is used until the margin.
    let service = Service::always(Reply::Token("t", 7199, ""));
    let stage = Stage::of(Machine::default().identity(), service, |builder| builder);
    stage.client.token(&api("vault")).await.unwrap();
    pass(seconds(6800)).await;
    stage.client.token(&api("vault")).await.unwrap();
    settle().await;
    assert_eq!(stage.service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn failure_names_the_source_and_is_shared() {
    let body = r#"{"statusCode":400,"message":"no","correlationId":"c"}"#;
    let service = Service::always(Reply::body(400, body)).taking(seconds(1));
    let stage = Stage::of(Machine::app_service().identity(), service, |builder| builder);
    let errors = together(1000, |_| {
        let client = stage.client.clone();
        async move { client.token(&api("vault")).await.unwrap_err() }
    })
    .await;
    assert!(
        errors.iter().all(|error| error.to_string().contains("App Service")),
        "{}",
        errors[0]
    );
    assert!(!errors[0].is_absent());
    assert!(stage.client.token(&api("vault")).await.unwrap_err().is_cached());
    assert_eq!(stage.service.requests(), 1);
    pass(seconds(6)).await;
    stage.client.token(&api("vault")).await.unwrap_err();
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn old_token_is_used_while_the_source_is_down() {
    let service = Service::new(|n, _| match n {
        0 => (Duration::ZERO, Reply::Token("t", 3600, "")),
        _ => (Duration::ZERO, Reply::status(500)),
    });
    let stage = Stage::of(Machine::app_service().identity(), service, |builder| builder);
    stage.client.token(&api("vault")).await.unwrap();
    pass(seconds(3400)).await;
    assert_eq!(stage.client.token(&api("vault")).await.unwrap().expose(), "t");
    assert_eq!(stage.count(EventKind::ServedAnyway), 1);
}

#[tokio::test(start_paused = true)]
async fn rotated_variables_are_read_for_each_request() {
    let machine = Machine::app_service();
    let stage = Stage::of(machine.identity(), numbered(), |builder| builder);
    stage.client.token(&api("vault")).await.unwrap();
    machine.set("IDENTITY_HEADER", "canary-header-1");
    machine.set("IDENTITY_ENDPOINT", "http://127.0.0.1:41564/other");
    stage.client.token(&api("storage")).await.unwrap();
    let (first, second) = (stage.service.seen(0), stage.service.seen(1));
    assert_eq!(first.headers["x-identity-header"], "canary-header-0");
    assert_eq!(second.headers["x-identity-header"], "canary-header-1");
    assert_eq!(second.path, "/other");
}

#[tokio::test(start_paused = true)]
async fn rejected_input_sends_nothing() {
    let identity = Identity::resource_id("/subscriptions/s/x").unwrap();
    let of_fabric = ManagedIdentity::new(identity, Machine::service_fabric());
    let stage = Stage::of(of_fabric, numbered(), |builder| builder);
    stage.client.token(&api("vault")).await.unwrap_err();
    let scopes = entra_proto::Target::scopes("https://a/.default https://b/.default").unwrap();
    let stage_of_imds = Stage::of(Machine::default().identity(), numbered(), |builder| builder);
    stage_of_imds.client.token(&scopes).await.unwrap_err();
    let invalid = Machine::with(&[("IDENTITY_ENDPOINT", "not a url"), ("IDENTITY_HEADER", "h")]);
    let stage_of_invalid = Stage::of(invalid.identity(), numbered(), |builder| builder);
    let error = stage_of_invalid.client.token(&api("vault")).await.unwrap_err();
    assert!(error.to_string().contains("IDENTITY_ENDPOINT"), "{error}");
    for stage in [stage, stage_of_imds, stage_of_invalid] {
        assert_eq!(stage.service.requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn methods_of_applications_fail_without_a_request() {
    let stage = Stage::of(Machine::default().identity(), numbered(), |builder| builder);
    let (client, target) = (&stage.client, api("vault"));
    let tenant: Tenant = "contoso.com".parse().unwrap();
    let errors = [
        client.authority().unwrap_err(),
        client.tenant(tenant.clone()).token(&target).await.unwrap_err(),
        client.tenant(tenant).source(&target).unwrap_err(),
        client.user(&user("rt-0")).token(&target).await.unwrap_err(),
        client
            .acquire_on_behalf_of(&assertion("e30.e30.s"), &target)
            .await
            .unwrap_err(),
        client.device_code(&target, |_| ()).await.unwrap_err(),
        ConsentFlow::new(client, target.clone(), uri()).map(drop).unwrap_err(),
        ConsentFlow::admin_page(client, target.clone(), uri())
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(
            text.starts_with("principal is the system-assigned identity, and only applications have users"),
            "{text}"
        );
        assert_eq!(
            error.hint(),
            Some("create the client with an application and its credential")
        );
        assert_eq!(error.class(), ErrorClass::Request);
        assert!(!error.is_absent());
    }
    assert_eq!((stage.service.requests(), client.cache_entries()), (0, 0));
}

/// A store that counts its calls.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<usize>>);

#[async_trait]
impl TokenStore for Counted {
    async fn load(&self, _: &CacheKey) -> Option<StoredToken> {
        *self.0.lock().unwrap() += 1;
        None
    }

    async fn save(&self, _: &CacheKey, _: &StoredToken) {
        *self.0.lock().unwrap() += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn shared_store_is_neither_read_nor_written() {
    let store = Counted::default();
    let stage = Stage::of(Machine::default().identity(), numbered(), |builder| {
        builder.token_store(store.clone())
    });
    let (target, options) = (api("vault"), TokenOptions::default().with_force_refresh(true));
    stage.client.token(&target).await.unwrap();
    stage.client.token_with(&target, &options).await.unwrap();
    stage.client.forget(&target);
    stage.client.token(&target).await.unwrap();
    assert_eq!((stage.service.requests(), *store.0.lock().unwrap()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_replaced() {
    let stage = Stage::of(Machine::service_fabric().identity(), numbered(), |builder| builder);
    let target = api("vault");
    let first = stage.client.token(&target).await.unwrap();
    let options = TokenOptions::default().with_rejected(&first);
    assert_eq!(stage.client.token_with(&target, &options).await.unwrap().expose(), "t1");
    assert!(!stage.client.invalidate(&first), "it was reported");
    // Without claims, the request does not name the token.
    let seen = stage.service.seen(1);
    assert_eq!(
        (seen.query("token_sha256_to_refresh"), seen.query("xms_cc")),
        (None, None)
    );
}

/// The SHA-256 hash of `test_token`.
const HASH: &str = "cc0af97287543b65da2c7e1476426021826cab166f1e063ed012b855ff819656";

fn with_known_token() -> Service {
    Service::new(|n, _| (Duration::ZERO, day(["test_token", "t1", "t2", "t3"][n.min(3)])))
}

#[tokio::test(start_paused = true)]
async fn claims_request_names_the_rejected_token() {
    let identity = Machine::service_fabric().identity().with_capabilities(&["cp1"]);
    let stage = Stage::of(identity.clone(), with_known_token(), |builder| builder);
    let target = api("vault");
    let first = stage.client.token(&target).await.unwrap();
    // The cache has a newer token, and the API rejected the first one.
    let forced = TokenOptions::default().with_force_refresh(true);
    assert_eq!(stage.client.token_with(&target, &forced).await.unwrap().expose(), "t1");
    let options = TokenOptions::default().with_claims(claims()).with_rejected(&first);
    assert_eq!(stage.client.token_with(&target, &options).await.unwrap().expose(), "t2");
    let seen = stage.service.seen(2);
    assert_eq!(seen.query("token_sha256_to_refresh"), Some(HASH));
    assert_eq!(seen.query("xms_cc"), Some("cp1"));
    // The caller has the newer token, and does not request another one.
    assert_eq!(stage.client.token_with(&target, &options).await.unwrap().expose(), "t2");
    assert_eq!(stage.service.requests(), 3);

    // A source names the cached token.
    let stage = Stage::of(identity, with_known_token(), |builder| builder);
    let mut source = stage.client.source(&target).unwrap();
    source.token().await.unwrap();
    assert!(source.reject(source.generation()));
    let mut with_claims = source.with_claims(&claims()).unwrap();
    assert_eq!(with_claims.token().await.unwrap().expose(), "t1");
    assert_eq!(stage.service.seen(1).query("token_sha256_to_refresh"), Some(HASH));
    // A rejected token with claims is named in its turn.
    assert!(with_claims.reject(with_claims.generation()));
    let generation = with_claims.generation();
    assert_eq!(with_claims.newer_than(generation).await.unwrap().expose(), "t2");
    let named = stage
        .service
        .seen(2)
        .query("token_sha256_to_refresh")
        .unwrap()
        .to_owned();
    assert_ne!(named, HASH);
    assert_eq!(named.len(), 64);
}

#[tokio::test(start_paused = true)]
async fn older_token_with_the_same_claims_is_not_used() {
    let stage = Stage::of(Machine::service_fabric().identity(), numbered(), |builder| builder);
    let target = api("vault");
    let with_claims = TokenOptions::default().with_claims(claims());
    assert_eq!(
        stage.client.token_with(&target, &with_claims).await.unwrap().expose(),
        "t0"
    );
    pass(seconds(60)).await;
    let later = stage.client.token(&target).await.unwrap();
    let options = with_claims.with_rejected(&later);
    let tokens = together(100, |_| {
        let (client, target, options) = (stage.client.clone(), target.clone(), options.clone());
        async move { client.token_with(&target, &options).await.unwrap() }
    })
    .await;
    assert!(tokens.iter().all(|token| token.expose() == "t2"));
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn events_have_no_tenant() {
    let events: Arc<Mutex<Vec<(EventKind, bool)>>> = Arc::default();
    let record = Arc::clone(&events);
    let stage = Stage::of(Machine::default().identity(), numbered(), |builder| {
        builder.observer(move |event: &Event<'_>| {
            let mut events = record.lock().unwrap();
            events.push((event.kind, event.tenant.is_some()));
        })
    });
    let token = stage.client.token(&api("vault")).await.unwrap();
    stage.client.token(&api("vault")).await.unwrap();
    stage.client.invalidate(&token);
    assert_eq!(
        *events.lock().unwrap(),
        [
            (EventKind::Requested, false),
            (EventKind::Acquired, false),
            (EventKind::CacheHit, false),
            (EventKind::Invalidated, false)
        ]
    );
}

#[test]
fn blocking_client_follows_the_same_rules() {
    let service = numbered();
    let client = blocking::Client::builder(Machine::app_service().identity(), AtOnce(service.clone()))
        .runtime(NoTime)
        .secure_random(CountedRandom::default())
        .build()
        .unwrap();
    let target = api("vault");
    let first = client.token(&target).unwrap();
    assert_eq!((first.expose(), client.token(&target).unwrap().expose()), ("t0", "t0"));
    let options = TokenOptions::default().with_rejected(&first);
    assert_eq!(client.token_with(&target, &options).unwrap().expose(), "t1");
    assert_eq!(service.requests(), 2);
    assert!(client.authority().is_err());
}

#[test]
fn identity_of_this_machine_converts_into_a_principal() {
    let client = blocking::Client::managed_identity(Identity::system(), AtOnce(numbered()));
    assert_eq!(format!("{client:?}"), "Client(the system-assigned identity)");
}
