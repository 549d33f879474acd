//! Tokens of users: got once, renewed behind their backs, and never mixed with the application's own or with one another's.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_client::{Client, ConsentFlow, EventKind, PendingConsent, SignIn, TokenOptions, User, blocking};
use entra_proto::{
    Application, ClientCredential, EndpointVersion, ErrorClass, Guid, Redirect, RedirectUri, RefreshToken, Target,
    UserAssertion,
};
use entra_transport::{BlockingTransport, Request, Response, TransportError};
use support::{Answer, Seen, Service, Stage, Wire, api, app, counted_ids, pass, seconds, secret, settle, together};

const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";

/// An access token, or an ID token, that says these things.
fn jwt(claims: &str) -> &'static str {
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims)).leak()
}

fn of_tenant() -> &'static str {
    jwt(&format!(
        r#"{{"tid":"{TENANT}","upn":"admin@contoso.com","oid":"{TENANT}"}}"#
    ))
}

/// A service that gives the n-th refresh token, counted from 0, with each answer to a user; and tokens that live an hour.
fn rotating() -> Service {
    Service::new(|n, seen| {
        let user = seen.value("grant_type") != Some("client_credentials");
        let more = if user {
            format!(r#","refresh_token":"rt-{n}""#)
        } else {
            String::new()
        };
        (Duration::ZERO, Answer::Token(of_tenant(), 3600, more.leak()))
    })
}

fn uri() -> RedirectUri {
    "https://www.mycompany.com/myapp/".parse().unwrap()
}

fn user(token: &str) -> User {
    User::from_refresh_token(TENANT.parse().unwrap(), RefreshToken::new(token).unwrap())
}

fn assertion(text: &str) -> UserAssertion {
    UserAssertion::new(text).unwrap()
}

async fn signed_in(client: &Client) -> SignIn {
    let flow = ConsentFlow::new(client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
    flow.finish(&pending, &redirect).await.unwrap().sign_in.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_ends_with_the_tenant_and_a_token_that_is_in_the_cache() {
    let stage = Stage::new(rotating());
    let sign_in = signed_in(&stage.client).await;
    assert_eq!(sign_in.tenant.to_string(), TENANT);
    assert_eq!(sign_in.username().as_deref(), Some("admin@contoso.com"));
    assert_eq!(sign_in.object_id(), Some(TENANT.parse().unwrap()));
    let seen = stage.service.seen(0);
    assert_eq!(seen.path, "/contoso.com/oauth2/v2.0/token");
    assert_eq!(
        seen.value("scope"),
        Some("https://graph.example/.default openid profile offline_access")
    );

    let user = stage.client.user(&sign_in.user.unwrap());
    let token = user.token(&api("graph")).await.unwrap();
    assert_eq!(token.expose(), sign_in.token.expose());
    assert_eq!(stage.service.requests(), 1);
    assert!(user.cached(&api("graph")).is_some() && stage.client.cached(&api("graph")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_users_tokens_are_renewed_with_the_newest_refresh_token() {
    let stage = Stage::new(rotating());
    let someone = signed_in(&stage.client).await.user.unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    someone.on_rotation(move |token| keep.lock().unwrap().push(token.expose().to_owned()));
    let client = stage.client.user(&someone);
    for n in 1..4 {
        pass(seconds(3600)).await;
        client.token(&api("graph")).await.unwrap();
        let seen = stage.service.seen(n);
        assert_eq!(seen.value("grant_type"), Some("refresh_token"));
        assert_eq!(seen.value("refresh_token"), Some(&*format!("rt-{}", n - 1)));
        assert_eq!(seen.path, format!("/{TENANT}/oauth2/v2.0/token"));
    }
    assert_eq!(*kept.lock().unwrap(), ["rt-1", "rt-2", "rt-3"]);
    // Another API, by the same refresh token; another tenant too, where he is a guest.
    client.token(&api("mail")).await.unwrap();
    assert_eq!(stage.service.seen(4).value("refresh_token"), Some("rt-3"));
    let guest = client.tenant("fabrikam.com".parse::<entra_proto::Tenant>().unwrap());
    guest.token(&api("mail")).await.unwrap();
    assert_eq!(stage.service.seen(5).path, "/fabrikam.com/oauth2/v2.0/token");
    assert_eq!(stage.service.seen(5).value("refresh_token"), Some("rt-4"));
    assert_eq!(someone.refresh_token().unwrap().expose(), "rt-5");
}

/// A service that takes each refresh token once: whoever sends one that was replaced is refused, a second later than others are answered.
fn strict() -> Service {
    let newest = Mutex::new("rt-0".to_owned());
    Service::new(move |n, seen| {
        let mut newest = newest.lock().unwrap();
        if seen.value("refresh_token") != Some(&**newest) {
            return (seconds(2), Answer::refusal(400, SPENT));
        }
        *newest = format!("rt-{}", n + 1);
        let more = format!(r#","refresh_token":"{newest}""#);
        (seconds(1), Answer::Token(of_tenant(), 3600, more.leak()))
    })
}

const SPENT: &str = r#"{"error":"invalid_grant","error_codes":[70000],"error_description":"AADSTS70000: spent"}"#;

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_was_replaced_on_its_way_is_followed_by_the_newer_one() {
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
async fn a_refresh_token_that_is_refused_as_the_newest_is_not_sent_again() {
    let stage = Stage::new(Service::always(Answer::refusal(400, SPENT)));
    let client = stage.client.user(&user("rt-0"));
    assert!(client.token(&api("graph")).await.is_err());
    assert!(client.token(&api("graph")).await.unwrap_err().is_remembered());
    assert_eq!(stage.service.requests(), 1);
    // Nor is another kind of refusal tried again with a newer one.
    let stage = Stage::new(Service::new(|n, _| match n {
        0 => (seconds(1), Answer::Token("t", 3600, r#","refresh_token":"rt-1""#)),
        _ => (seconds(2), Answer::refusal(400, r#"{"error":"consent_required"}"#)),
    }));
    let client = stage.client.user(&user("rt-0"));
    let (graph, mail) = (api("graph"), api("mail"));
    let (_, refused) = tokio::join!(client.token(&graph), client.token(&mail));
    assert_eq!(
        (refused.unwrap_err().class(), stage.service.requests()),
        (ErrorClass::Consent, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_refresh_token_leaves_the_old_one() {
    let stage = Stage::new(Service::always(Answer::Token("t", 3600, "")));
    let someone = user("kept");
    let client = stage.client.user(&someone);
    client.token(&api("graph")).await.unwrap();
    pass(seconds(3600)).await;
    client.token(&api("graph")).await.unwrap();
    assert_eq!(stage.service.seen(1).value("refresh_token"), Some("kept"));
}

#[tokio::test(start_paused = true)]
async fn users_and_the_application_never_get_each_others_tokens() {
    let service = Service::new(|n, _| (Duration::ZERO, Answer::Token(format!("t{n}").leak(), 3600, "")));
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
    assert_eq!((stage.service.requests(), stage.client.len()), (5, 5));

    // What one forgets or an API refuses, the others keep.
    handles[1].forget(&api("graph"));
    let refused = handles[3].token(&api("graph")).await.unwrap();
    assert!(handles[0].invalidate(&refused));
    let cached = handles.iter().map(|handle| handle.cached(&api("graph")).is_some());
    assert_eq!(cached.collect::<Vec<_>>(), [true, false, true, false, true]);
    handles[0].forget(&api("graph"));
    assert!(handles[0].cached(&api("graph")).is_none() && handles[2].cached(&api("graph")).is_some());
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_for_a_user_one_request_is_sent() {
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
async fn an_api_asks_on_behalf_of_its_caller() {
    let stage = Stage::new(rotating());
    let (callers, target) = (assertion("the-callers"), Target::scopes("User.Read").unwrap());
    stage.client.acquire_on_behalf_of(&callers, &target).await.unwrap();
    let seen = stage.service.seen(0);
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", "the-callers"),
        ("scope", "User.Read"),
        ("client_secret", "canary-secret"),
    ] {
        assert_eq!(seen.value(name), Some(value), "{name}");
    }
    // It is renewed on the same ground while that holds.
    pass(seconds(3600)).await;
    stage
        .client
        .acquire_on_behalf_of(&assertion("the-callers"), &target)
        .await
        .unwrap();
    assert_eq!(stage.service.seen(1).value("assertion"), Some("the-callers"));
}

/// An API for every tenant asks in the one that its caller is of.
#[tokio::test(start_paused = true)]
async fn without_a_tenant_of_its_own_the_callers_tenant_is_asked() {
    let stage = Stage::new(rotating());
    for (tenant, asked) in [
        ("organizations", TENANT),
        ("common", TENANT),
        ("fabrikam.com", "fabrikam.com"),
    ] {
        let client = stage.client.tenant(tenant.parse::<entra_proto::Tenant>().unwrap());
        client
            .acquire_on_behalf_of(&assertion(of_tenant()), &api("graph"))
            .await
            .unwrap();
        let seen = stage.service.seen(stage.service.requests() - 1);
        assert_eq!(seen.path, format!("/{asked}/oauth2/v2.0/token"));
    }
    // Two names of one tenant, one token.
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_user_is_remembered_for_him_alone() {
    let challenge = r#"{\"access_token\":{\"polids\":{\"essential\":true}}}"#;
    let refusal = format!(
        r#"{{"error":"interaction_required","error_codes":[50079],"error_description":"AADSTS50079: enrol","claims":"{challenge}"}}"#
    );
    let stage = Stage::new(Service::new(move |_, seen| {
        let good = seen.value("assertion") == Some("good");
        let answer = if good {
            Answer::Token("t", 3600, "")
        } else {
            Answer::refusal(400, &refusal)
        };
        (Duration::ZERO, answer)
    }));
    let bad = stage.client.on_behalf_of(&assertion("bad"));
    let error = bad.token(&api("graph")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interaction);
    assert_eq!(
        error.service().unwrap().claims.as_deref(),
        Some(&*challenge.replace('\\', ""))
    );
    assert!(bad.token(&api("graph")).await.unwrap_err().is_remembered());
    stage
        .client
        .acquire_on_behalf_of(&assertion("good"), &api("graph"))
        .await
        .unwrap();
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_outlasts_its_refresh_token() {
    let spent = r#"{"error":"invalid_grant","error_codes":[700082],"error_description":"AADSTS700082: expired"}"#;
    let first = Answer::Token("t", 3600, r#","refresh_in":1800,"refresh_token":"r2""#);
    let stage = Stage::new(Service::answers(&[first, Answer::refusal(400, spent)]));
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
async fn claims_of_a_challenge_go_with_the_refresh_token() {
    let stage = Stage::new(rotating());
    let client = stage.client.user(&user("r"));
    let claims = entra_proto::ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true}}}"#).unwrap();
    client.token(&api("graph")).await.unwrap();
    client
        .token_with(&api("graph"), &TokenOptions::default().claims(claims.clone()))
        .await
        .unwrap();
    assert_eq!(stage.service.seen(1).value("claims"), Some(claims.as_str()));
    // A handle for middlewares as well.
    let mut source = client.source(&api("graph"), None).unwrap();
    assert!(source.current().is_some());
}

#[tokio::test(start_paused = true)]
async fn without_a_refresh_token_there_is_a_token_and_nobody_to_ask_for() {
    let stage = Stage::new(Service::always(Answer::Token(of_tenant(), 3600, "")));
    let sign_in = signed_in(&stage.client).await;
    assert!(sign_in.user.is_none() && stage.client.is_empty());
    assert_eq!(sign_in.token.expose(), of_tenant());
    assert!(!stage.client.invalidate(&sign_in.token));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_names_no_tenant_has_failed() {
    let stage = Stage::new(Service::always(Answer::Token("opaque", 3600, "")));
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
    let error = flow.finish(&pending, &redirect).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Tenant);
    let counts = [EventKind::Requested, EventKind::Acquired, EventKind::Failed].map(|kind| stage.count(kind));
    assert_eq!((counts, stage.client.is_empty()), ([1, 0, 1], true));
}

/// A server runs them on whatever thread is free.
#[tokio::test]
async fn every_way_to_a_users_token_may_move_to_another_thread() {
    fn may_move(_: impl Send) {}
    let stage = Stage::new(rotating());
    let (client, graph, assertion) = (&stage.client, api("graph"), assertion("a"));
    let flow = ConsentFlow::new(client, graph.clone(), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = Redirect::from_query("code=c").unwrap();
    may_move(client.device_code(&graph, |_| {}));
    may_move(client.acquire_on_behalf_of(&assertion, &graph));
    may_move(flow.finish(&pending, &redirect));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_that_answers_nothing_here_sends_nothing() {
    let stage = Stage::new(rotating());
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (url, pending) = flow.start().unwrap();
    let (other_url, other) = flow.start().unwrap();
    assert_ne!(url, other_url);
    for query in [
        "code=c&state=forged".to_owned(),
        "code=c".to_owned(),
        format!("code=c&state={}", other.state()),
        format!("state={}", pending.state()),
        format!(
            "error=access_denied&error_description=AADSTS65004&code=c&state={}",
            pending.state()
        ),
        format!(
            "code=c&iss=https://evil.example/{TENANT}/v2.0&state={}",
            pending.state()
        ),
    ] {
        let error = flow
            .finish(&pending, &Redirect::from_query(&query).unwrap())
            .await
            .unwrap_err();
        assert!(
            matches!(error.class(), ErrorClass::Grant | ErrorClass::Consent),
            "{query}: {error}"
        );
        assert!(error.hint().is_some());
    }
    assert_eq!(stage.service.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_admin_consent_page_gives_the_tenant_alone() {
    let stage = Stage::new(rotating());
    let organizations = stage.client.tenant(entra_proto::Tenant::Organizations);
    let flow = ConsentFlow::admin_page(&organizations, api("graph"), uri()).unwrap();
    let (url, pending) = flow.start().unwrap();
    assert!(url.contains("/organizations/v2.0/adminconsent?"), "{url}");
    let kept: PendingConsent = pending.expose().parse().unwrap();
    let query = |more: &str| format!("admin_consent=True&tenant={TENANT}&state={}{more}", kept.state());
    let refused = Redirect::from_query(&query("&error=consent_required&error_description=AADSTS65004")).unwrap();
    assert_eq!(
        flow.finish(&kept, &refused).await.unwrap_err().class(),
        ErrorClass::Consent
    );
    let consent = flow
        .finish(&kept, &Redirect::from_query(&query("")).unwrap())
        .await
        .unwrap();
    assert!(consent.tenant.to_string() == TENANT && consent.sign_in.is_none());
    // The proof.
    let seen = {
        stage.client.tenant(consent.tenant).token(&api("graph")).await.unwrap();
        stage.service.seen(0)
    };
    assert_eq!(
        (seen.value("grant_type"), &*seen.path),
        (Some("client_credentials"), &*format!("/{TENANT}/oauth2/v2.0/token"))
    );
}

/// A page that asks for the tenant's data as soon as it is connected must not meet the failure of a minute ago.
#[tokio::test(start_paused = true)]
async fn with_consent_the_tenants_failures_and_old_tokens_are_forgotten() {
    let refusal = Answer::refusal(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#);
    let stage = Stage::new(Service::new(move |n, _| {
        let answer = if n == 0 {
            refusal.clone()
        } else {
            Answer::Token(of_tenant(), 3600, "")
        };
        (Duration::ZERO, answer)
    }));
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap_err();
    stage.client.token(&api("graph")).await.unwrap();
    tenant.token(&api("mail")).await.unwrap();
    assert!(tenant.token(&api("graph")).await.unwrap_err().is_remembered());
    signed_in(&stage.client).await;
    tenant.token(&api("graph")).await.unwrap();
    assert!(tenant.cached(&api("mail")).is_none() && stage.client.cached(&api("graph")).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_browser_outlives_the_process() {
    let application = app(secret()).on(EndpointVersion::V1);
    let client = |service: &Service| {
        let builder = Client::builder(application.clone(), Wire::to(service));
        builder
            .request_ids(counted_ids())
            .build()
            .unwrap()
            .tenant(entra_proto::Tenant::Common)
    };
    let service = rotating();
    let before = ConsentFlow::new(&client(&service), api("office"), uri()).unwrap();
    let (url, pending) = before.start().unwrap();
    let (same, _) = ConsentFlow::new(&client(&service), api("office"), uri())
        .unwrap()
        .start()
        .unwrap();
    assert_eq!(url, same, "all randomness comes from the ids");
    assert!(
        url.contains("&prompt=admin_consent") && url.contains("&resource=https%3A%2F%2Foffice.example"),
        "{url}"
    );
    let (text, state) = (pending.expose(), pending.state().to_owned());
    drop((before, pending));

    let after = ConsentFlow::new(&client(&service), api("office"), uri()).unwrap();
    let redirect = Redirect::from_url(&format!("https://www.mycompany.com/myapp/?code=c&state={state}")).unwrap();
    let consent = after.finish(&text.parse().unwrap(), &redirect).await.unwrap();
    assert_eq!(consent.tenant.to_string(), TENANT);
    let seen = service.seen(0);
    assert_eq!(
        (&*seen.path, seen.value("resource")),
        ("/common/oauth2/token", Some("https://office.example"))
    );
    assert_eq!(seen.value("code_verifier").map(str::len), Some(43));
    assert!("nonsense".parse::<PendingConsent>().is_err() && "admin_consent x".parse::<PendingConsent>().is_err());
}

const CODE: &str = r#"{"device_code":"canary-device","user_code":"ABCD","verification_uri":"https://microsoft.com/devicelogin","interval":5,"expires_in":900}"#;

/// A person who does what is said by the n-th poll, counted from 1.
fn person(polls: &'static [&'static str]) -> Service {
    Service::new(move |n, _: &Seen| {
        let answer = match n.checked_sub(1).map(|poll| polls[poll]) {
            None => Answer::refusal(200, CODE),
            Some("done") => Answer::Token(of_tenant(), 3600, r#","refresh_token":"rt""#),
            Some(word) => Answer::refusal(400, &format!(r#"{{"error":"{word}"}}"#)),
        };
        (Duration::ZERO, answer)
    })
}

#[tokio::test(start_paused = true)]
async fn a_person_without_a_browser_is_waited_for() {
    let stage = Stage::new(person(&[
        "authorization_pending",
        "slow_down",
        "authorization_pending",
        "done",
    ]));
    let mut shown = Vec::new();
    let target = Target::scopes("User.Read").unwrap();
    let sign_in = stage
        .client
        .device_code(&target, |code| shown.push(code.message.clone()))
        .await
        .unwrap();
    assert_eq!(
        shown,
        ["To sign in, open https://microsoft.com/devicelogin and enter the code ABCD."]
    );
    let times: Vec<u64> = (0..5).map(|n| stage.service.seen(n).at.as_secs()).collect();
    assert_eq!(times, [0, 5, 10, 20, 30]);
    let client = stage.client.user(&sign_in.user.unwrap());
    client.token(&target).await.unwrap();
    assert_eq!(stage.service.requests(), 5);
    assert_eq!(
        (stage.count(EventKind::Requested), stage.count(EventKind::Acquired)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_who_declines_or_does_not_come_ends_it() {
    for word in ["authorization_declined", "expired_token", "bad_verification_code"] {
        let polls: &'static [&'static str] = Box::leak(Box::new([word]));
        let stage = Stage::new(person(polls));
        let error = stage.client.device_code(&api("graph"), |_| {}).await.unwrap_err();
        assert_eq!(error.service().unwrap().error, word);
        assert!(!error.is_retryable() && stage.client.is_empty(), "{error}");
        assert_eq!((stage.service.requests(), stage.count(EventKind::Failed)), (2, 1));
    }
}

/// A stalled redemption is bounded as every acquisition is, and dropping it ends it.
#[tokio::test(start_paused = true)]
async fn a_sign_in_is_tried_again_where_the_service_stumbles() {
    let stage = Stage::new(Service::answers(&[
        Answer::status(503),
        Answer::Broken,
        Answer::Token(of_tenant(), 3600, ""),
    ]));
    signed_in(&stage.client).await;
    assert_eq!(stage.service.requests(), 3);
    let hanging = Stage::new(rotating().taking(Duration::from_secs(1_000_000)));
    let client = hanging.client.clone();
    let task = tokio::spawn(async move { signed_in(&client).await });
    settle().await;
    assert_eq!(hanging.service.in_the_air(), 1);
    task.abort();
    settle().await;
    assert_eq!(hanging.service.in_the_air(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_token_had_to_go_is_asked_for_again() {
    let stage = Stage::with_policy(rotating(), |policy| policy.capacity = 2);
    let someone = signed_in(&stage.client).await.user.unwrap();
    for name in ["a", "b", "c", "d"] {
        // Who was not asked for the longest goes first.
        pass(seconds(1)).await;
        stage.client.token(&api(name)).await.unwrap();
    }
    let client = stage.client.user(&someone);
    assert!(client.cached(&api("graph")).is_none());
    client.token(&api("graph")).await.unwrap();
    assert_eq!(stage.service.seen(5).value("refresh_token"), Some("rt-0"));
}

#[tokio::test(start_paused = true)]
async fn who_signs_out_leaves_nothing_behind() {
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
    assert_eq!(stage.client.len(), 9);
    stage.client.forget_user(&leaves);
    assert_eq!(stage.client.len(), 6);
    assert!(stage.client.user(&leaves).cached(&api("graph")).is_none() && guest.cached(&api("graph")).is_none());
    assert!(stage.client.user(&stays).cached(&api("graph")).is_some() && caller.cached(&api("mail")).is_some());
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_user_is_shown() {
    let more = r#","refresh_token":"canary-refresh","id_token":"canary-id""#;
    let stage = Stage::new(Service::always(Answer::Token(of_tenant(), 3600, more)));
    let someone = user("canary-first");
    let client = stage.client.user(&someone);
    client.token(&api("graph")).await.unwrap();
    let behalf = stage.client.on_behalf_of(&assertion("canary-assertion"));
    let source = behalf.source(&api("graph"), None).unwrap();
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let shown = format!("{someone:?} {client:?} {behalf:?} {source:?} {flow:?} {pending:?}");
    assert!(!shown.contains("canary") && !shown.contains(pending.state()), "{shown}");

    let stage = Stage::new(Service::always(Answer::refusal(
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

/// Carries requests to a service, at once.
struct AtOnce(Service);

impl BlockingTransport for AtOnce {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.0.receive(&request, Duration::ZERO).1.give()
    }
}

/// Waits no time at all.
struct NoTime;

impl blocking::Runtime for NoTime {
    fn sleep(&self, _: Duration) {}

    fn spawn(&self, _: Box<dyn FnOnce() + Send>) {}
}

fn blocking_client(application: Application, service: &Service) -> blocking::Client {
    let builder = blocking::Client::builder(application, AtOnce(service.clone()));
    builder.runtime(NoTime).request_ids(counted_ids()).build().unwrap()
}

#[test]
fn the_blocking_client_does_all_of_it() {
    let service = rotating();
    let client = blocking_client(app(secret()), &service);
    let flow = blocking::ConsentFlow::new(&client, api("graph"), uri()).unwrap();
    let flow = flow.with(|request| request.login_hint("admin@contoso.com"));
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

/// Takes note of how long it was to wait.
struct Noted(Arc<Mutex<Vec<u64>>>);

impl blocking::Runtime for Noted {
    fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration.as_secs());
    }

    fn spawn(&self, _: Box<dyn FnOnce() + Send>) {}
}

#[test]
fn a_thread_waits_for_a_person_as_its_runtime_does() {
    let (service, waits) = (person(&["authorization_pending", "slow_down", "done"]), Arc::default());
    let builder = blocking::Client::builder(app(ClientCredential::Public), AtOnce(service));
    let client = builder.runtime(Noted(Arc::clone(&waits))).build().unwrap();
    client.device_code(&api("graph"), |_| {}).unwrap();
    assert_eq!(*waits.lock().unwrap(), [5, 5, 10]);
}

/// Asks for a token of another API while the first is under way, as another thread would.
#[test]
fn the_blocking_client_goes_on_with_a_newer_refresh_token_too() {
    let (service, other) = (strict(), Arc::new(Mutex::new(None::<blocking::Client>)));
    let (wire, meanwhile) = (service.clone(), Arc::clone(&other));
    let transport = entra_transport::blocking_transport_fn(move |request: Request| {
        let other = meanwhile.lock().unwrap().take();
        if let Some(client) = other {
            client.token(&api("mail")).unwrap();
        }
        wire.receive(&request, Duration::ZERO).1.give()
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

#[test]
fn a_public_client_signs_in_without_a_credential() {
    let service = person(&["authorization_pending", "done"]);
    let client = blocking_client(app(ClientCredential::Public), &service);
    let mut codes = Vec::new();
    let sign_in = client
        .device_code(&api("graph"), |code| codes.push(code.user_code.clone()))
        .unwrap();
    assert_eq!(
        (codes, sign_in.tenant.to_string()),
        (vec!["ABCD".to_owned()], TENANT.to_owned())
    );
    for n in 0..3 {
        assert!(
            service.seen(n).value("client_secret").is_none() && service.seen(n).value("client_assertion").is_none()
        );
    }
    let error = client.token(&api("graph")).unwrap_err().to_string();
    assert!(error.contains("a daemon has to prove who it is"), "{error}");
}
