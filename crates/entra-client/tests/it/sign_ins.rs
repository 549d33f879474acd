//! Sign-ins through a browser: their result, and the redirects that are rejected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_client::observer::EventKind;
use entra_client::random::SecureRandom;
use entra_client::{Client, ConsentFlow, PendingConsent, TokenOptions};
use entra_proto::authorize::Redirect;
use entra_proto::error::ErrorClass;
use entra_proto::{EndpointVersion, Guid};

use crate::support::users::{TENANT, field, of_tenant, rotating, signed_in, uri};
use crate::support::{CountedRandom, Reply, Service, Stage, Wire, api, app, pass, seconds, secret, settle};

#[tokio::test(start_paused = true)]
async fn sign_in_yields_the_tenant_and_caches_the_token() {
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
async fn sign_in_without_a_refresh_token_has_no_user() {
    let stage = Stage::new(Service::always(Reply::Token(of_tenant(), 3600, "")));
    let sign_in = signed_in(&stage.client).await;
    assert!(sign_in.user.is_none() && stage.client.cache_entries() == 0);
    assert_eq!(sign_in.token.expose(), of_tenant());
    assert!(!stage.client.invalidate(&sign_in.token));
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_names_no_tenant_fails() {
    let stage = Stage::new(Service::always(Reply::Token("opaque", 3600, "")));
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
    let error = flow.finish(&pending, &redirect).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Tenant);
    let counts = [EventKind::Requested, EventKind::Acquired, EventKind::Failed].map(|kind| stage.count(kind));
    assert_eq!((counts, stage.client.cache_entries() == 0), ([1, 0, 1], true));
}

#[tokio::test(start_paused = true)]
async fn redirect_of_another_flow_sends_no_request() {
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
async fn admin_consent_page_yields_the_tenant_alone() {
    let stage = Stage::new(rotating());
    let organizations = stage.client.tenant(entra_proto::Tenant::Organizations);
    let flow = ConsentFlow::admin_page(&organizations, api("graph"), uri()).unwrap();
    let (url, pending) = flow.start().unwrap();
    assert!(url.contains("/organizations/v2.0/adminconsent?"), "{url}");
    let stored: PendingConsent = pending.expose().parse().unwrap();
    let query = |more: &str| format!("admin_consent=True&tenant={TENANT}&state={}{more}", stored.state());
    let declined = Redirect::from_query(&query("&error=consent_required&error_description=AADSTS65004")).unwrap();
    assert_eq!(
        flow.finish(&stored, &declined).await.unwrap_err().class(),
        ErrorClass::Consent
    );
    let consent = flow
        .finish(&stored, &Redirect::from_query(&query("")).unwrap())
        .await
        .unwrap();
    assert!(consent.tenant.to_string() == TENANT && consent.sign_in.is_none());
    // The app-only token proves the consent.
    let seen = {
        stage.client.tenant(consent.tenant).token(&api("graph")).await.unwrap();
        stage.service.seen(0)
    };
    assert_eq!(
        (seen.value("grant_type"), &*seen.path),
        (Some("client_credentials"), &*format!("/{TENANT}/oauth2/v2.0/token"))
    );
}

/// A page that requests data right after the consent must not get the cached failure from before.
#[tokio::test(start_paused = true)]
async fn consent_drops_failures_and_makes_tokens_stale() {
    let rejection = Reply::body(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#);
    let stage = Stage::new(Service::new(move |n, _| {
        let reply = if n == 0 {
            rejection.clone()
        } else {
            Reply::Token(of_tenant(), 3600, "")
        };
        (Duration::ZERO, reply)
    }));
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap_err();
    stage.client.token(&api("graph")).await.unwrap();
    tenant.token(&api("mail")).await.unwrap();
    assert!(tenant.token(&api("graph")).await.unwrap_err().is_cached());
    signed_in(&stage.client).await;
    tenant.token(&api("graph")).await.unwrap();
    assert!(tenant.cached(&api("mail")).is_none() && stage.client.cached(&api("graph")).is_some());
}

/// Finishes a consent on the admin-consent page. A browser can forge such a redirect, with any
/// tenant.
async fn claim_consent(client: &Client) {
    let organizations = client.tenant(entra_proto::Tenant::Organizations);
    let flow = ConsentFlow::admin_page(&organizations, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let query = format!("admin_consent=True&tenant={TENANT}&state={}", pending.state());
    flow.finish(&pending, &Redirect::from_query(&query).unwrap())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn claimed_consent_costs_no_valid_token() {
    let replies = [Reply::Token("before", 3600, ""), Reply::status(503)];
    let stage = Stage::with_policy(Service::replies(&replies), |policy| policy.grace = Duration::ZERO);
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap();
    claim_consent(&stage.client).await;
    assert!(tenant.cached(&api("graph")).is_none());
    assert_eq!(tenant.token(&api("graph")).await.unwrap().expose(), "before");
    pass(seconds(10)).await;
    assert!(stage.service.requests() > 1, "a newer token was requested");
    claim_consent(&stage.client).await;
    assert_eq!(tenant.token(&api("graph")).await.unwrap().expose(), "before");
}

#[tokio::test(start_paused = true)]
async fn consent_does_not_end_a_pause_of_the_service() {
    let stage = Stage::new(Service::always(Reply::retry_after(429, "600")));
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap_err();
    let requests = stage.service.requests();
    for _ in 0..5 {
        claim_consent(&stage.client).await;
        assert!(tenant.token(&api("graph")).await.unwrap_err().is_cached());
    }
    assert_eq!(stage.service.requests(), requests);
}

/// A request that is in flight when the administrator consents was sent before the consent.
#[tokio::test(start_paused = true)]
async fn token_requested_before_a_consent_is_refreshed() {
    for (reply, is_good) in [
        (Reply::Token("before", 3600, ""), true),
        (
            Reply::body(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#),
            false,
        ),
    ] {
        let service = Service::replies(&[reply, Reply::Token("after", 3600, "")]);
        let stage = Stage::new(service.taking(seconds(1)));
        let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
        let before = tenant.clone();
        let task = tokio::spawn(async move { before.token(&api("graph")).await });
        settle().await;
        claim_consent(&stage.client).await;
        assert_eq!(task.await.unwrap().is_ok(), is_good);
        assert_eq!(tenant.token(&api("graph")).await.unwrap().expose(), "after");
        assert_eq!(stage.service.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn caller_after_a_consent_does_not_join_an_earlier_flight() {
    let rejection = Reply::body(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#);
    for before in [Reply::Token("before", 3600, ""), rejection] {
        let service = Service::replies(&[before, Reply::Token("after", 3600, "")]);
        let stage = Stage::new(service.taking(seconds(1)));
        let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
        let earlier = tenant.clone();
        let task = tokio::spawn(async move { earlier.token(&api("graph")).await });
        settle().await;
        claim_consent(&stage.client).await;
        assert_eq!(tenant.token(&api("graph")).await.unwrap().expose(), "after");
        assert_eq!(tenant.cached(&api("graph")).unwrap().expose(), "after");
        assert_eq!(stage.service.requests(), 2);
        drop(task.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn token_from_before_a_consent_can_be_rejected() {
    let replies = [Reply::Token("before", 3600, ""), Reply::status(503)];
    let stage = Stage::with_policy(Service::replies(&replies), |policy| policy.grace = Duration::ZERO);
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    let token = tenant.token(&api("graph")).await.unwrap();
    claim_consent(&stage.client).await;
    assert!(stage.client.invalidate(&token) && !stage.client.invalidate(&token));
    let other = TokenOptions::default().with_rejected(&token);
    tenant.token_with(&api("graph"), &other).await.unwrap_err();
    tenant
        .token(&api("graph"))
        .await
        .expect("other callers get the old one");
}

#[tokio::test(start_paused = true)]
async fn token_requested_before_a_consent_serves_if_there_is_no_other() {
    for (reply, is_good) in [
        (Reply::Token("before", 3600, ""), true),
        (Reply::retry_after(429, "600"), false),
    ] {
        let service = Service::replies(&[reply, Reply::status(503)]);
        let stage = Stage::with_policy(service.taking(seconds(1)), |policy| policy.grace = Duration::ZERO);
        let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
        let before = tenant.clone();
        let task = tokio::spawn(async move { before.token(&api("graph")).await });
        settle().await;
        claim_consent(&stage.client).await;
        assert_eq!(task.await.unwrap().is_ok(), is_good);
        match tenant.token(&api("graph")).await {
            Ok(token) => assert_eq!((token.expose(), is_good), ("before", true)),
            // The pause that the service asked for goes on.
            Err(error) => assert_eq!((error.is_cached(), stage.service.requests(), is_good), (true, 1, false)),
        }
    }
}

/// State, nonce and code verifier are each fully random.
#[tokio::test(start_paused = true)]
async fn consent_draws_enough_randomness() {
    let drawn = Arc::new(AtomicUsize::new(0));
    let random = Drawn(Arc::clone(&drawn), CountedRandom::default());
    let stage = Stage::with(rotating(), |builder| builder.secure_random(random));
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    assert_eq!(drawn.swap(0, Ordering::Relaxed), 96);
    let stored = pending.expose();
    let mut secrets = ["state", "nonce", "code_verifier"].map(|name| field(&stored, name));
    secrets.sort();
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2]);
    let page = ConsentFlow::admin_page(&stage.client, api("graph"), uri()).unwrap();
    page.start().unwrap();
    assert_eq!(drawn.load(Ordering::Relaxed), 32);
}

/// A source that counts the bytes drawn from it.
struct Drawn(Arc<AtomicUsize>, CountedRandom);

impl SecureRandom for Drawn {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        self.1.fill(bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn pending_consent_outlives_the_process() {
    let application = app(secret()).with_endpoint_version(EndpointVersion::V1);
    let client = |service: &Service| {
        let builder = Client::builder(application.clone(), Wire::to(service));
        builder
            .secure_random(CountedRandom::default())
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
    assert_eq!(url, same, "all randomness comes from the configured source");
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

/// The service may have redeemed the code: a second request would be rejected, and hide the cause.
#[tokio::test(start_paused = true)]
async fn code_is_not_sent_again_after_a_lost_response() {
    let cut = Reply::body(200, r#"{"access_token":"abc"#);
    for (lost, expected) in [(Reply::Broken, "the connection broke"), (cut, "ends too early")] {
        let stage = Stage::new(Service::replies(&[lost, Reply::Token(of_tenant(), 3600, "")]));
        let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
        let (_, pending) = flow.start().unwrap();
        let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
        let error = flow.finish(&pending, &redirect).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(stage.service.requests(), 1);
    }
}

/// A hanging redemption ends when it is dropped.
#[tokio::test(start_paused = true)]
async fn sign_in_is_retried_after_transient_errors() {
    let stage = Stage::new(Service::replies(&[
        Reply::status(503),
        Reply::status(503),
        Reply::Token(of_tenant(), 3600, ""),
    ]));
    signed_in(&stage.client).await;
    assert_eq!(stage.service.requests(), 3);
    let hanging = Stage::new(rotating().taking(Duration::from_secs(1_000_000)));
    let client = hanging.client.clone();
    let task = tokio::spawn(async move { signed_in(&client).await });
    settle().await;
    assert_eq!(hanging.service.in_flight(), 1);
    task.abort();
    settle().await;
    assert_eq!(hanging.service.in_flight(), 0);
}
