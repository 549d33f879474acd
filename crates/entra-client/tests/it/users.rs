//! Tokens of users: they are refreshed in the background, and never mixed with app-only tokens or
//! those of other users.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::clock::{Clock, Moment};
use entra_client::observer::EventKind;
use entra_client::{Client, ConsentFlow, TokenOptions, User, blocking};
use entra_proto::authorize::Redirect;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, Guid, Target};
use entra_transport::Request;

use crate::support::users::{NoTime, TENANT, assertion, blocking_client, of_tenant, rotating, signed_in, uri, user};
use crate::support::{Reply, Service, Stage, VirtualClock, Wire, api, app, pass, seconds, secret, settle, together};

#[tokio::test(start_paused = true)]
async fn user_tokens_are_refreshed_with_the_newest_refresh_token() {
    let stage = Stage::new(rotating());
    let someone = signed_in(&stage.client).await.user.unwrap();
    let stored = Arc::new(Mutex::new(Vec::new()));
    let store = Arc::clone(&stored);
    someone.on_rotation(move |token| store.lock().unwrap().push(token.expose().to_owned()));
    let client = stage.client.user(&someone);
    for n in 1..4 {
        pass(seconds(3600)).await;
        client.token(&api("graph")).await.unwrap();
        let seen = stage.service.seen(n);
        assert_eq!(seen.value("grant_type"), Some("refresh_token"));
        assert_eq!(seen.value("refresh_token"), Some(&*format!("rt-{}", n - 1)));
        assert_eq!(seen.path, format!("/{TENANT}/oauth2/v2.0/token"));
    }
    assert_eq!(*stored.lock().unwrap(), ["rt-1", "rt-2", "rt-3"]);
    // The same refresh token serves another API, and another tenant in which the user is a guest.
    client.token(&api("mail")).await.unwrap();
    assert_eq!(stage.service.seen(4).value("refresh_token"), Some("rt-3"));
    let guest = client.tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    guest.token(&api("mail")).await.unwrap();
    assert_eq!(stage.service.seen(5).path, "/fabrikam.com/oauth2/v2.0/token");
    assert_eq!(stage.service.seen(5).value("refresh_token"), Some("rt-4"));
    assert_eq!(someone.refresh_token().unwrap().expose(), "rt-5");
}

/// Returns a service that accepts each refresh token once. A request with a replaced one is
/// rejected, a second later than others get a reply.
fn strict() -> Service {
    let newest = Mutex::new("rt-0".to_owned());
    Service::new(move |n, seen| {
        let mut newest = newest.lock().unwrap();
        if seen.value("refresh_token") != Some(&**newest) {
            return (seconds(2), Reply::body(400, REPLACED));
        }
        *newest = format!("rt-{}", n + 1);
        let more = format!(r#","refresh_token":"{newest}""#);
        (seconds(1), Reply::Token(of_tenant(), 3600, more.leak()))
    })
}

const REPLACED: &str = r#"{"error":"invalid_grant","error_codes":[70000],"error_description":"AADSTS70000: replaced"}"#;

#[tokio::test(start_paused = true)]
async fn refresh_token_replaced_in_flight_is_retried_with_the_newer() {
    let stage = Stage::new(strict());
    let someone = user("rt-0");
    let client = stage.client.user(&someone);
    let (graph, mail) = (api("graph"), api("mail"));
    let (one, other) = tokio::join!(client.token(&graph), client.token(&mail));
    assert!(one.is_ok() && other.is_ok(), "{other:?}");
    let sent = (0..3).map(|n| stage.service.seen(n).value("refresh_token").unwrap().to_owned());
    assert_eq!(sent.collect::<Vec<_>>(), ["rt-0", "rt-0", "rt-1"]);
    assert_eq!(someone.refresh_token().unwrap().expose(), "rt-3");
    let counts = [EventKind::Requested, EventKind::Acquired, EventKind::Failed].map(|kind| stage.count(kind));
    assert_eq!(counts, [3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn rejected_newest_refresh_token_is_not_sent_again() {
    let stage = Stage::new(Service::always(Reply::body(400, REPLACED)));
    let client = stage.client.user(&user("rt-0"));
    assert!(client.token(&api("graph")).await.is_err());
    assert!(client.token(&api("graph")).await.unwrap_err().is_cached());
    assert_eq!(stage.service.requests(), 1);
    // Another kind of rejection is not retried with a newer refresh token either.
    let stage = Stage::new(Service::new(|n, _| match n {
        0 => (seconds(1), Reply::Token("t", 3600, r#","refresh_token":"rt-1""#)),
        _ => (seconds(2), Reply::body(400, r#"{"error":"consent_required"}"#)),
    }));
    let client = stage.client.user(&user("rt-0"));
    let (graph, mail) = (api("graph"), api("mail"));
    let (_, rejected) = tokio::join!(client.token(&graph), client.token(&mail));
    assert_eq!(
        (rejected.unwrap_err().class(), stage.service.requests()),
        (ErrorClass::Consent, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn response_without_a_refresh_token_leaves_the_old_one() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")));
    let someone = user("kept");
    let client = stage.client.user(&someone);
    client.token(&api("graph")).await.unwrap();
    pass(seconds(3600)).await;
    client.token(&api("graph")).await.unwrap();
    assert_eq!(stage.service.seen(1).value("refresh_token"), Some("kept"));
}

#[tokio::test(start_paused = true)]
async fn users_and_application_never_share_tokens() {
    let service = Service::new(|n, _| (Duration::ZERO, Reply::Token(format!("t{n}").leak(), 3600, "")));
    let stage = Stage::new(service);
    let client = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    let (one, other) = (user("same"), user("same"));
    let handles = [
        client.clone(),
        client.user(&one),
        client.user(&other),
        client.on_behalf_of(&assertion("a")),
        client.on_behalf_of(&assertion("b")),
    ];
    for (n, handle) in handles.iter().enumerate() {
        let token = handle.token(&api("graph")).await.unwrap();
        assert_eq!(token.expose(), format!("t{n}"));
        assert_eq!(
            handle.clone().token(&api("graph")).await.unwrap().expose(),
            format!("t{n}")
        );
    }
    assert_eq!((stage.service.requests(), stage.client.cache_entries()), (5, 5));

    // A token that one forgets or an API rejects stays cached for the others.
    handles[1].forget(&api("graph"));
    let rejected = handles[3].token(&api("graph")).await.unwrap();
    assert!(handles[0].invalidate(&rejected));
    let cached = handles.iter().map(|handle| handle.cached(&api("graph")).is_some());
    assert_eq!(cached.collect::<Vec<_>>(), [true, false, true, false, true]);
    handles[0].forget(&api("graph"));
    assert!(handles[0].cached(&api("graph")).is_none() && handles[2].cached(&api("graph")).is_some());
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_of_a_user_share_one_request() {
    let stage = Stage::new(rotating().taking(seconds(1)));
    let signed_in = stage.client.user(&user("r"));
    let outcomes = together(1_000, |_| {
        let client = signed_in.clone();
        async move { client.token(&api("graph")).await.is_ok() }
    });
    assert!(outcomes.await.iter().all(|ok| *ok));
    assert_eq!(stage.service.requests(), 1);
    let client = stage.client.clone();
    let outcomes = together(1_000, |n| {
        let (client, assertion) = (client.clone(), assertion(&format!("assertion-{}", n % 100)));
        async move { client.acquire_on_behalf_of(&assertion, &api("graph")).await.is_ok() }
    });
    assert!(outcomes.await.iter().all(|ok| *ok));
    assert_eq!(stage.service.requests(), 101);
}

#[tokio::test(start_paused = true)]
async fn unexpired_token_outlasts_its_refresh_token() {
    let expired = r#"{"error":"invalid_grant","error_codes":[700082],"error_description":"AADSTS700082: expired"}"#;
    let first = Reply::Token("t", 3600, r#","refresh_in":1800,"refresh_token":"r2""#);
    let stage = Stage::new(Service::replies(&[first, Reply::body(400, expired)]));
    let client = stage.client.user(&user("r1"));
    client.token(&api("graph")).await.unwrap();
    pass(seconds(2000)).await;
    client.token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(stage.service.requests(), 2);
    assert!(client.token(&api("graph")).await.is_ok());
    pass(seconds(2000)).await;
    let error = client.token(&api("graph")).await.unwrap_err();
    assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Grant, false));
}

#[tokio::test(start_paused = true)]
async fn claims_are_sent_with_the_refresh_token() {
    let stage = Stage::new(rotating());
    let client = stage.client.user(&user("r"));
    let claims = entra_proto::claims::ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true}}}"#).unwrap();
    client.token(&api("graph")).await.unwrap();
    client
        .token_with(&api("graph"), &TokenOptions::default().with_claims(claims.clone()))
        .await
        .unwrap();
    assert_eq!(stage.service.seen(1).value("claims"), Some(claims.as_str()));
    // A source reads the token too.
    let mut source = client.source(&api("graph")).unwrap();
    assert!(source.current().is_some());
}

/// A server polls them on any thread.
#[tokio::test]
async fn futures_for_user_tokens_are_send() {
    fn is_send(_: impl Send) {}
    let stage = Stage::new(rotating());
    let (client, graph, assertion) = (&stage.client, api("graph"), assertion("a"));
    let flow = ConsentFlow::new(client, graph.clone(), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = Redirect::from_query("code=c").unwrap();
    is_send(client.device_code(&graph, |_| {}));
    is_send(client.acquire_on_behalf_of(&assertion, &graph));
    is_send(flow.finish(&pending, &redirect));
}

#[tokio::test(start_paused = true)]
async fn evicted_token_of_a_user_is_requested_again() {
    let stage = Stage::with_policy(rotating(), |policy| policy.capacity = 2);
    let someone = signed_in(&stage.client).await.user.unwrap();
    for name in ["a", "b", "c", "d"] {
        // The least recently used token is evicted first.
        pass(seconds(1)).await;
        stage.client.token(&api(name)).await.unwrap();
    }
    let client = stage.client.user(&someone);
    assert!(client.cached(&api("graph")).is_none());
    client.token(&api("graph")).await.unwrap();
    assert_eq!(stage.service.seen(5).value("refresh_token"), Some("rt-0"));
}

#[tokio::test(start_paused = true)]
async fn sign_out_drops_all_tokens_of_the_user() {
    let stage = Stage::new(rotating());
    let (leaves, stays) = (user("r"), user("r"));
    let caller = stage.client.on_behalf_of(&assertion("a"));
    for client in [
        &stage.client.user(&leaves),
        &stage.client.user(&stays),
        &caller,
        &stage.client,
    ] {
        client.token(&api("graph")).await.unwrap();
        client.token(&api("mail")).await.unwrap();
    }
    let guest = stage
        .client
        .user(&leaves)
        .tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    guest.token(&api("graph")).await.unwrap();
    assert_eq!(stage.client.cache_entries(), 9);
    stage.client.forget_user(&leaves);
    assert_eq!(stage.client.cache_entries(), 6);
    assert!(stage.client.user(&leaves).cached(&api("graph")).is_none() && guest.cached(&api("graph")).is_none());
    assert!(stage.client.user(&stays).cached(&api("graph")).is_some() && caller.cached(&api("mail")).is_some());
}

/// A program that has deleted the stored refresh token must not get another one.
#[tokio::test(start_paused = true)]
async fn sign_out_during_a_refresh_is_final() {
    let stage = Stage::new(rotating().taking(seconds(1)));
    let leaves = user("first");
    let rotations = Arc::new(Mutex::new(0));
    let count = Arc::clone(&rotations);
    leaves.on_rotation(move |_| *count.lock().unwrap() += 1);
    let client = stage.client.user(&leaves);
    let waiting = client.clone();
    let task = tokio::spawn(async move { waiting.token(&api("graph")).await });
    settle().await;
    stage.client.forget_user(&leaves);
    task.await.unwrap().unwrap();
    assert!(leaves.refresh_token().is_none() && client.cached(&api("graph")).is_none());
    assert_eq!(*rotations.lock().unwrap(), 0);
    let error = client.token(&api("graph")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Grant);
    assert_eq!(
        (&*error.to_string(), error.hint()),
        ("user has signed out", Some("sign the user in again"))
    );
    assert_eq!(stage.service.requests(), 1);
}

/// A clock that acts at its n-th reading.
struct Meddler {
    clock: VirtualClock,
    left: AtomicUsize,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Clock for Meddler {
    fn now(&self) -> Moment {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            let act = self.act.lock().unwrap().take();
            act.into_iter().for_each(|act| act());
        }
        self.clock.now()
    }
}

/// The sign-out may meet a request at any point.
#[tokio::test(start_paused = true)]
async fn sign_out_at_any_moment_leaves_no_token() {
    for nth in 0..8 {
        let meddler = Arc::new(Meddler {
            clock: VirtualClock::new(),
            left: AtomicUsize::new(usize::MAX / 2),
            act: Mutex::default(),
        });
        let stage = Stage::with(rotating(), |builder| builder.clock(Arc::clone(&meddler)));
        let (leaves, client) = (user("first"), stage.client.clone());
        let gone = leaves.clone();
        *meddler.act.lock().unwrap() = Some(Box::new(move || client.forget_user(&gone)));
        meddler.left.store(nth, Ordering::Relaxed);
        let client = stage.client.user(&leaves);
        drop(client.token(&api("graph")).await);
        meddler.left.store(usize::MAX / 2, Ordering::Relaxed);
        if meddler.act.lock().unwrap().is_some() {
            continue;
        }
        assert!(client.cached(&api("graph")).is_none(), "{nth}");
        client.token(&api("graph")).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn late_response_does_not_restore_an_older_refresh_token() {
    let stage = Stage::new(Service::new(|n, _| {
        let more = format!(r#","refresh_token":"rt-{n}""#);
        (
            seconds(if n == 0 { 50 } else { 0 }),
            Reply::Token(of_tenant(), 3600, more.leak()),
        )
    }));
    let someone = user("first");
    let client = stage.client.user(&someone);
    let slow = client.clone();
    let task = tokio::spawn(async move { slow.token(&api("slow")).await });
    settle().await;
    client.token(&api("graph")).await.unwrap();
    client.token(&api("mail")).await.unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(someone.refresh_token().unwrap().expose(), "rt-2");
}

/// Another caller rotates the refresh token during each attempt, and each attempt is rejected. The
/// attempts must end.
#[test]
fn newer_refresh_token_is_tried_once() {
    let (other, tries) = (
        Arc::new(Mutex::new(None::<blocking::Client>)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (meanwhile, count) = (Arc::clone(&other), Arc::clone(&tries));
    let service = Service::new(|n, _| {
        let more = format!(r#","refresh_token":"rt-{n}""#);
        (Duration::ZERO, Reply::Token(of_tenant(), 3600, more.leak()))
    });
    let transport = entra_transport::blocking_transport_fn(move |request: Request| {
        let other = meanwhile.lock().unwrap().take();
        match other {
            // The attempt in question.
            Some(client) if count.fetch_add(1, Ordering::Relaxed) < 5 => {
                let force = TokenOptions::default().with_force_refresh(true);
                client.token_with(&api("mail"), &force).unwrap();
                *meanwhile.lock().unwrap() = Some(client);
                Reply::body(400, REPLACED).into_result()
            }
            _ => service.receive(&request, Duration::ZERO).1.into_result(),
        }
    });
    let client = blocking::Client::builder(app(secret()), transport)
        .runtime(NoTime)
        .build()
        .unwrap();
    let client = client.user(&user("first"));
    *other.lock().unwrap() = Some(client.clone());
    client.token(&api("graph")).unwrap_err();
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}

/// A refresh token is for one application, and for the cloud that issued it.
#[tokio::test(start_paused = true)]
async fn user_of_another_application_or_cloud_is_rejected() {
    let stage = Stage::new(rotating());
    let someone = signed_in(&stage.client).await.user.unwrap();
    let cloud = app(secret()).with_authority("https://login.microsoftonline.us/contoso.com".parse().unwrap());
    let authority = app(secret()).authority().clone();
    let another = Application::new(authority, Guid::from_bytes([0xbb; 16]).into(), secret());
    for application in [cloud, another] {
        let service = rotating();
        let other = Client::new(application, Wire::to(&service));
        for someone in [&someone, &known_here(&stage).await] {
            let error = other.user(someone).token(&api("graph")).await.unwrap_err();
            assert!(error.to_string().contains("another application or cloud"), "{error}");
        }
        assert_eq!(service.requests(), 0);
        // An invalid request binds no user.
        let stored = user("stored");
        let unfit = Target::scopes("https://a.example/.default https://a.example/x").unwrap();
        other.user(&stored).token(&unfit).await.unwrap_err();
        stage.client.user(&stored).token(&api("graph")).await.unwrap();
    }
}

/// Returns a user from a stored refresh token, for whom a token was acquired already.
async fn known_here(stage: &Stage) -> User {
    let someone = user("stored");
    stage.client.user(&someone).token(&api("graph")).await.unwrap();
    someone
}

#[tokio::test(start_paused = true)]
async fn debug_output_shows_no_secret_of_a_user() {
    let more = r#","refresh_token":"canary-refresh","id_token":"canary-id""#;
    let stage = Stage::new(Service::always(Reply::Token(of_tenant(), 3600, more)));
    let someone = user("canary-first");
    let client = stage.client.user(&someone);
    client.token(&api("graph")).await.unwrap();
    let behalf = stage.client.on_behalf_of(&assertion("canary-assertion"));
    let source = behalf.source(&api("graph")).unwrap();
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let shown = format!("{someone:?} {client:?} {behalf:?} {source:?} {flow:?} {pending:?}");
    assert!(!shown.contains("canary") && !shown.contains(pending.state()), "{shown}");

    let stage = Stage::new(Service::always(Reply::body(
        400,
        r#"{"error":"invalid_grant","error_description":"no canary-assertion, no canary-refresh"}"#,
    )));
    for client in [
        stage.client.on_behalf_of(&assertion("canary-assertion")),
        stage.client.user(&user("canary-refresh")),
    ] {
        let error = client.token(&api("graph")).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("[secret]"), "{shown}");
    }
}

#[test]
fn blocking_client_supports_all_flows_of_users() {
    let service = rotating();
    let client = blocking_client(app(secret()), &service);
    let flow = blocking::ConsentFlow::new(&client, api("graph"), uri()).unwrap();
    let flow = flow.with(|request| request.with_login_hint("admin@contoso.com"));
    let (url, pending) = flow.start().unwrap();
    assert!(url.contains("&login_hint=admin%40contoso.com"), "{url}");
    let redirect = Redirect::from_form(format!("code=c&state={}", pending.state()).as_bytes()).unwrap();
    let sign_in = flow.finish(&pending, &redirect).unwrap().sign_in.unwrap();
    let users = client.user(sign_in.user.as_ref().unwrap());
    users.token(&api("graph")).unwrap();
    assert_eq!(service.requests(), 1);
    users.token(&api("mail")).unwrap();
    assert_eq!(service.seen(1).value("refresh_token"), Some("rt-0"));
    let guest = users.tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    guest.token(&api("mail")).unwrap();
    assert_eq!(service.seen(2).value("refresh_token"), Some("rt-1"));
    assert_eq!(service.seen(2).path, "/fabrikam.com/oauth2/v2.0/token");
    client.acquire_on_behalf_of(&assertion("a"), &api("graph")).unwrap();
    client.on_behalf_of(&assertion("a")).token(&api("graph")).unwrap();
    assert_eq!(service.requests(), 4);
    assert!(client.cached(&api("graph")).is_none());

    let daemon = client.tenant(TENANT.parse::<Guid>().unwrap());
    daemon.token(&api("graph")).unwrap();
    let admin = blocking::ConsentFlow::admin_page(&client, api("graph"), uri()).unwrap();
    let (_, pending) = admin.start().unwrap();
    let query = format!("admin_consent=True&tenant={TENANT}&state={}", pending.state());
    let consent = admin.finish(&pending, &Redirect::from_query(&query).unwrap()).unwrap();
    assert_eq!(consent.tenant.to_string(), TENANT);
    assert!(
        daemon.cached(&api("graph")).is_none(),
        "it may have more permissions now"
    );
}

/// Another thread acquires a token of another API while the first request is in flight.
#[test]
fn blocking_client_retries_with_a_newer_refresh_token() {
    let (service, other) = (strict(), Arc::new(Mutex::new(None::<blocking::Client>)));
    let (wire, meanwhile) = (service.clone(), Arc::clone(&other));
    let transport = entra_transport::blocking_transport_fn(move |request: Request| {
        let other = meanwhile.lock().unwrap().take();
        if let Some(client) = other {
            client.token(&api("mail")).unwrap();
        }
        wire.receive(&request, Duration::ZERO).1.into_result()
    });
    let client = blocking::Client::builder(app(secret()), transport)
        .runtime(NoTime)
        .build()
        .unwrap();
    let client = client.user(&user("rt-0"));
    *other.lock().unwrap() = Some(client.clone());
    client.token(&api("graph")).unwrap();
    let sent = (0..3).map(|n| service.seen(n).value("refresh_token").unwrap().to_owned());
    assert_eq!(sent.collect::<Vec<_>>(), ["rt-0", "rt-0", "rt-1"]);
}
