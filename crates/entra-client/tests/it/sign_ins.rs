//! A person comes back with a browser: what that gives, and what it must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_client::observer::EventKind;
use entra_client::random::SecureRandom;
use entra_client::{Client, ConsentFlow, PendingConsent, TokenOptions};
use entra_proto::authorize::Redirect;
use entra_proto::error::ErrorClass;
use entra_proto::{EndpointVersion, Guid};

use crate::support::people::{TENANT, field, of_tenant, rotating, signed_in, uri};
use crate::support::{Answer, CountedRandom, Service, Stage, Wire, api, app, pass, seconds, secret, settle};

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
async fn without_a_refresh_token_there_is_a_token_and_nobody_to_ask_for() {
    let stage = Stage::new(Service::always(Answer::Token(of_tenant(), 3600, "")));
    let sign_in = signed_in(&stage.client).await;
    assert!(sign_in.user.is_none() && stage.client.cache_entries() == 0);
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
    assert_eq!((counts, stage.client.cache_entries() == 0), ([1, 0, 1], true));
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

/// Whoever starts a consent can write its redirect himself, with any tenant in it.
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
async fn a_consent_that_is_only_claimed_costs_no_token_that_works() {
    let answers = [Answer::Token("before", 3600, ""), Answer::status(503)];
    let stage = Stage::with_policy(Service::answers(&answers), |policy| policy.grace = Duration::ZERO);
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap();
    claim_consent(&stage.client).await;
    assert!(tenant.cached(&api("graph")).is_none());
    assert_eq!(tenant.token(&api("graph")).await.unwrap().expose(), "before");
    pass(seconds(10)).await;
    assert!(stage.service.requests() > 1, "it was tried to get another one");
    claim_consent(&stage.client).await;
    assert_eq!(tenant.token(&api("graph")).await.unwrap().expose(), "before");
}

#[tokio::test(start_paused = true)]
async fn a_consent_does_not_end_what_the_service_asked_for() {
    let stage = Stage::new(Service::always(Answer::retry_after(429, "600")));
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    tenant.token(&api("graph")).await.unwrap_err();
    let requests = stage.service.requests();
    for _ in 0..5 {
        claim_consent(&stage.client).await;
        assert!(tenant.token(&api("graph")).await.unwrap_err().is_remembered());
    }
    assert_eq!(stage.service.requests(), requests);
}

/// What is under way when the administrator consents was asked for before.
#[tokio::test(start_paused = true)]
async fn what_comes_of_a_request_from_before_the_consent_is_asked_for_again() {
    for (answer, is_good) in [
        (Answer::Token("before", 3600, ""), true),
        (
            Answer::refusal(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#),
            false,
        ),
    ] {
        let service = Service::answers(&[answer, Answer::Token("after", 3600, "")]);
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
async fn who_asks_after_the_consent_does_not_wait_for_what_was_asked_before() {
    let refusal = Answer::refusal(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#);
    for before in [Answer::Token("before", 3600, ""), refusal] {
        let service = Service::answers(&[before, Answer::Token("after", 3600, "")]);
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
async fn token_from_before_the_consent_that_an_api_rejected_is_replaced() {
    let answers = [Answer::Token("before", 3600, ""), Answer::status(503)];
    let stage = Stage::with_policy(Service::answers(&answers), |policy| policy.grace = Duration::ZERO);
    let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
    let token = tenant.token(&api("graph")).await.unwrap();
    claim_consent(&stage.client).await;
    assert!(stage.client.invalidate(&token) && !stage.client.invalidate(&token));
    let other = TokenOptions::default().with_rejected(&token);
    tenant.token_with(&api("graph"), &other).await.unwrap_err();
    tenant.token(&api("graph")).await.expect("others have nothing better");
}

#[tokio::test(start_paused = true)]
async fn what_comes_of_a_request_from_before_the_consent_is_better_than_nothing() {
    for (answer, is_good) in [
        (Answer::Token("before", 3600, ""), true),
        (Answer::retry_after(429, "600"), false),
    ] {
        let service = Service::answers(&[answer, Answer::status(503)]);
        let stage = Stage::with_policy(service.taking(seconds(1)), |policy| policy.grace = Duration::ZERO);
        let tenant = stage.client.tenant(TENANT.parse::<Guid>().unwrap());
        let before = tenant.clone();
        let task = tokio::spawn(async move { before.token(&api("graph")).await });
        settle().await;
        claim_consent(&stage.client).await;
        assert_eq!(task.await.unwrap().is_ok(), is_good);
        match tenant.token(&api("graph")).await {
            Ok(token) => assert_eq!((token.expose(), is_good), ("before", true)),
            // It is left alone for as long as it asked for.
            Err(error) => assert_eq!(
                (error.is_remembered(), stage.service.requests(), is_good),
                (true, 1, false)
            ),
        }
    }
}

/// State, nonce and code verifier are random each, all of them.
#[tokio::test(start_paused = true)]
async fn a_consent_draws_as_much_randomness_as_it_needs() {
    let drawn = Arc::new(AtomicUsize::new(0));
    let random = Drawn(Arc::clone(&drawn), CountedRandom::default());
    let stage = Stage::with(rotating(), |builder| builder.secure_random(random));
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    assert_eq!(drawn.swap(0, Ordering::Relaxed), 96);
    let kept = pending.expose();
    let mut secrets = ["state", "nonce", "code_verifier"].map(|name| field(&kept, name));
    secrets.sort();
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2]);
    let page = ConsentFlow::admin_page(&stage.client, api("graph"), uri()).unwrap();
    page.start().unwrap();
    assert_eq!(drawn.load(Ordering::Relaxed), 32);
}

/// Counts the bytes that are drawn.
struct Drawn(Arc<AtomicUsize>, CountedRandom);

impl SecureRandom for Drawn {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        self.1.fill(bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_browser_outlives_the_process() {
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

/// The service may have redeemed it: a second request would be refused, and hide what went wrong.
#[tokio::test(start_paused = true)]
async fn a_code_whose_answer_was_lost_is_not_sent_again() {
    let cut = Answer::refusal(200, r#"{"access_token":"abc"#);
    for (lost, told) in [(Answer::Broken, "the connection broke"), (cut, "ends too early")] {
        let stage = Stage::new(Service::answers(&[lost, Answer::Token(of_tenant(), 3600, "")]));
        let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
        let (_, pending) = flow.start().unwrap();
        let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
        let error = flow.finish(&pending, &redirect).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(stage.service.requests(), 1);
    }
}

/// A stalled redemption is bounded as every acquisition is, and dropping it ends it.
#[tokio::test(start_paused = true)]
async fn a_sign_in_is_tried_again_where_the_service_stumbles() {
    let stage = Stage::new(Service::answers(&[
        Answer::status(503),
        Answer::status(503),
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
