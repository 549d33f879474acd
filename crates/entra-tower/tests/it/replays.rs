//! Replays: a rejected request is sent again with another token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entra_client::{Client, TokenOptions};
use entra_proto::Tenant;
use entra_proto::claims::ClaimsRequest;
use entra_tower::{BearerLayer, Replay};
use http::Request;
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    self, Api, TokenService, USERS, challenge, challenge_from, get, not_before, send, token_in, unauthorized,
};

#[tokio::test]
async fn rejected_request_is_sent_again_with_a_new_token() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], unauthorized()));
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2"]);
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!((token_service.requests(), api.tokens().len()), (2, 3));
}

#[tokio::test]
async fn second_request_differs_only_in_its_token() {
    let token_service = TokenService::new();
    let inner = tower::service_fn(|request: Request<String>| async move {
        let status = if token_in(request.headers()) == "t2" { 200 } else { 401 };
        let note = request.extensions().get::<u32>().copied();
        let (version, headers) = (request.version(), request.headers().len());
        let shown = format!(
            "{} {note:?} {version:?} {headers} {:?}",
            request.method(),
            request.headers()["accept"]
        );
        let shown = format!("{shown} {} {}", request.uri(), request.body());
        Ok::<_, support::ApiError>(http::Response::builder().status(status).body(shown).unwrap())
    });
    let request = || {
        let request = Request::post("https://graph.microsoft.com/v1.0/users?$top=1");
        let request = request
            .extension(7_u32)
            .header("accept", "a")
            .version(http::Version::HTTP_2);
        request.body("body".to_owned()).unwrap()
    };
    let expected = "POST Some(7) HTTP/2.0 2 \"a\" https://graph.microsoft.com/v1.0/users?$top=1 body";
    let copied = token_service.layer().replay_with(|body: &String| Some(body.clone()));
    assert_eq!(
        send(&mut copied.layer(inner), request()).await.unwrap(),
        (200, expected.to_owned())
    );
    let token_service = TokenService::new();
    let cloned = token_service.layer().replay();
    assert_eq!(
        send(&mut cloned.layer(inner), request()).await.unwrap(),
        (200, expected.to_owned())
    );
}

#[tokio::test]
async fn without_replay_the_next_request_has_a_new_token() {
    for rejection in [unauthorized(), challenge(&not_before(1))] {
        let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], rejection));
        let mut service = token_service.layer().layer(api.clone());
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
        assert_eq!(token_service.requests(), 2);
    }
}

#[tokio::test]
async fn request_whose_body_cannot_be_copied_is_not_sent_again() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2", "t4"], unauthorized()));
    let short = |body: &String| (body.len() < 4).then(|| body.clone());
    let mut service = token_service.layer().replay_with(short).layer(api.clone());
    let post = |body: &str| Request::post(USERS).body(body.to_owned()).unwrap();
    assert_eq!(
        send(&mut service, post("a stream")).await.unwrap(),
        (401, "t1".to_owned())
    );
    assert_eq!(
        send(&mut service, post("a stream")).await.unwrap(),
        (200, "t2".to_owned())
    );
    token_service.client.clear();
    token_service.clock.advance(Duration::from_secs(60));
    assert_eq!(send(&mut service, post("a")).await.unwrap(), (200, "t4".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2", "t3", "t4"]);
}

#[tokio::test]
async fn custom_policy_selects_the_requests_to_send_again() {
    #[derive(Clone)]
    struct Gets;
    impl<B: Clone> Replay<B> for Gets {
        fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
            request.method().is_safe().then(|| request.clone())
        }
    }
    let (token_service, api) = (TokenService::new(), Api::new(|_| unauthorized()));
    let mut service = token_service.layer().replay_by(Gets).layer(api.clone());
    send(&mut service, Request::post(USERS).body(String::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(api.tokens().len(), 1);
    token_service.clock.advance(Duration::from_secs(60));
    send(&mut service, get(USERS)).await.unwrap();
    assert_eq!(api.tokens().len(), 3);
}

#[tokio::test]
async fn concurrent_rejections_cause_one_token_request() {
    for rejection in [unauthorized(), challenge(&not_before(1))] {
        let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], rejection));
        let service = token_service.layer().replay().layer(api.clone());
        // Each caller starts with the token that will be rejected.
        token_service.client.token(&support::graph()).await.unwrap();
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let mut service = service.clone();
                tokio::spawn(async move { send(&mut service, get(USERS)).await.unwrap() })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), (200, "t2".to_owned()));
        }
        assert_eq!(api.tokens().iter().filter(|token| *token == "t1").count(), 50);
        assert_eq!(token_service.requests(), 2);
    }
}

#[tokio::test]
async fn late_rejection_does_not_concern_the_new_token() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], unauthorized()));
    let layer = token_service.layer();
    let (mut early, mut late) = (layer.layer(api.clone()), layer.layer(api.clone()));
    token_service.client.token(&support::graph()).await.unwrap();
    let late = ServiceExt::<Request<String>>::ready(&mut late)
        .await
        .unwrap()
        .call(get(USERS));
    send(&mut early, get(USERS)).await.unwrap();
    assert_eq!(send(&mut early, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    token_service.clock.advance(Duration::from_secs(60));
    assert_eq!(late.await.unwrap().status(), 401);
    assert_eq!(send(&mut early, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn claims_are_requested_and_shared_by_all_clones() {
    let claims = not_before(1_767_225_600);
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], challenge(&claims)));
    let layer = token_service.layer().replay();
    let mut service = layer.layer(api.clone());
    let (mut clone, mut sibling) = (service.clone(), layer.layer(api.clone()));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2"]);
    // The request has the capabilities of the client, like every request.
    let calls = token_service.form(1);
    let calls = calls.split('&').find_map(|pair| pair.strip_prefix("claims=")).unwrap();
    let expected = ClaimsRequest::parse(&claims).unwrap().with_capabilities(&["cp1"]);
    assert_eq!(decoded(calls), expected.as_str());
    for service in [&mut service, &mut clone, &mut sibling, &mut layer.layer(api.clone())] {
        assert_eq!(send(service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    }
    assert_eq!((token_service.requests(), api.tokens().len()), (2, 6));
}

#[tokio::test]
async fn claims_are_requested_in_the_tenant_of_the_source() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], challenge(&not_before(1))));
    let fabrikam = token_service.client.tenant("fabrikam.com".parse::<Tenant>().unwrap());
    let source = fabrikam.source(&support::graph()).unwrap();
    let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
    let mut service = layer.replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    for number in [0, 1] {
        assert!(
            token_service.form(number).starts_with("/fabrikam.com/"),
            "{}",
            token_service.form(number)
        );
    }
}

#[tokio::test]
async fn later_claims_replace_earlier_ones() {
    let token_service = TokenService::new();
    let api = Api::new(|headers| match token_in(headers) {
        "t1" => challenge(&not_before(1)),
        "t2" => challenge(&not_before(2)),
        _ => (200, vec![]),
    });
    let mut service = token_service.layer().replay().layer(api.clone());
    // The second response is returned, whatever it is.
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t2".to_owned()));
    // Its claims are requested at once: tokens may be revoked twice in a row.
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert!(
        decoded(&token_service.form(2)).contains(r#""value":"2""#),
        "{}",
        token_service.form(2)
    );
    assert_eq!(api.tokens(), ["t1", "t2", "t3"]);
}

#[tokio::test]
async fn claims_that_the_rejected_token_has_cause_a_new_token() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t3"], challenge(&not_before(1))));
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t2".to_owned()));
    token_service.clock.advance(Duration::from_secs(60));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert_eq!(token_service.form(1), token_service.form(2));
}

#[tokio::test]
async fn rejected_token_with_claims_is_replaced_by_another() {
    let token_service = TokenService::new();
    let api = Api::new(|headers| match token_in(headers) {
        "t1" => challenge(&not_before(1)),
        "t2" => unauthorized(),
        _ => (200, vec![]),
    });
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap().0, 401);
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert!(decoded(&token_service.form(2)).contains("nbf"));
}

#[tokio::test]
async fn challenges_of_other_authorities_change_nothing() {
    let claims = not_before(1);
    let unreadable = |claims: &str| {
        let uri = "https://login.microsoftonline.com/common/oauth2/authorize";
        let value = format!("Bearer authorization_uri=\"{uri}\", error=\"insufficient_claims\", claims=\"{claims}\"");
        (401, vec![("www-authenticate", value)])
    };
    for rejection in [
        challenge_from("https://evil.test/common/oauth2/authorize", &claims),
        challenge_from("https://login.microsoftonline.com.evil.test/common", &claims),
        challenge_from("https://login.microsoftonline.us/common", &claims),
        challenge_from("http://login.microsoftonline.com/common", &claims),
        challenge_from("", &claims),
        unreadable("some_claims"),
        unreadable(""),
        challenge("[]"),
    ] {
        let (token_service, api) = (TokenService::new(), Api::new(move |_| rejection.clone()));
        let mut service = token_service.layer().replay().layer(api.clone());
        for _ in 0..2 {
            assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
        }
        assert_eq!(
            (token_service.requests(), api.tokens().len()),
            (1, 2),
            "{rejection:?}",
            rejection = token_service.form(0)
        );
    }
}

#[tokio::test]
async fn claims_challenge_may_follow_a_plain_rejection_at_once() {
    let token_service = TokenService::new();
    let api = Api::new(|headers| match token_in(headers) {
        "t1" => unauthorized(),
        "t2" => challenge(&not_before(1)),
        _ => (200, vec![]),
    });
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t2".to_owned()));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
}

#[tokio::test]
async fn rejection_is_returned_if_there_is_no_new_token() {
    let first = Arc::new(AtomicU32::new(0));
    let token_service =
        TokenService::rejecting(move |_| (first.fetch_add(1, Ordering::Relaxed) > 0).then_some("invalid_client"));
    let api = Api::new(|_| unauthorized());
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
    assert_eq!((token_service.requests(), api.tokens()), (2, vec!["t1".to_owned(); 2]));
}

#[tokio::test]
async fn claims_that_the_service_rejects_change_nothing() {
    // Some paths of the API do not need claims.
    let api = || {
        Api::at_paths(|path, _| match path {
            "/secret" => challenge(&not_before(1)),
            _ => (200, vec![]),
        })
    };
    let rejects = || TokenService::rejecting(|form| form.contains("nbf").then_some("interaction_required"));
    let token_service = rejects();
    let service = token_service.layer().replay().layer(api());
    for _ in 0..3 {
        assert_eq!(support::send_to(&service, "/secret").await, (401, "t1".to_owned()));
        assert_eq!(support::send_to(&service, "/").await, (200, "t1".to_owned()));
    }
    assert_eq!(token_service.requests(), 2);
    // The same without a replay.
    let token_service = rejects();
    let service = token_service.layer().layer(api());
    for _ in 0..3 {
        assert_eq!(support::send_to(&service, "/secret").await, (401, "t1".to_owned()));
        assert_eq!(support::send_to(&service, "/").await, (200, "t1".to_owned()));
    }
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn claims_survive_an_outage_of_the_token_service() {
    let calls = AtomicU32::new(0);
    let is_second = move || calls.fetch_add(1, Ordering::Relaxed) == 1;
    let token_service = TokenService::rejecting(move |_| is_second().then_some(support::BUSY));
    let api = Api::accepting(&["t3"], challenge(&not_before(1)));
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
    token_service.clock.advance(Duration::from_secs(5));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert!(token_service.form(2).contains("nbf"));
}

#[tokio::test]
async fn claims_with_a_cached_token_are_used_at_once() {
    let token_service = TokenService::new();
    let claims = ClaimsRequest::parse(&not_before(2)).unwrap();
    let options = TokenOptions::default().with_claims(claims);
    token_service
        .client
        .token_with(&support::graph(), &options)
        .await
        .unwrap();
    let api = Api::new(|headers| match token_in(headers) {
        "t2" => challenge(&not_before(1)),
        "t3" => challenge(&not_before(2)),
        _ => (200, vec![]),
    });
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t3".to_owned()));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t1".to_owned()));
    assert_eq!(token_service.requests(), 3);
}

#[tokio::test]
async fn grpc_unauthenticated_is_a_rejection_and_other_codes_are_not() {
    let grpc = |code: &str| (200, vec![("grpc-status", code.to_owned())]);
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], grpc("16")));
    let mut service = token_service.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    for code in ["0", "7", "160", "1", ""] {
        let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], grpc(code)));
        let mut service = token_service.layer().replay().layer(api.clone());
        send(&mut service, get(USERS)).await.unwrap();
        assert_eq!((token_service.requests(), api.tokens().len()), (1, 1), "{code}");
    }
}

#[tokio::test]
async fn other_statuses_are_not_rejections() {
    for status in [200, 302, 400, 403, 407, 500] {
        // A challenge may be part of another response.
        let rejection = (status, challenge(&not_before(1)).1);
        let (token_service, api) = (TokenService::new(), Api::new(move |_| rejection.clone()));
        let mut service = token_service.layer().replay().layer(api.clone());
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (status, "t1".to_owned()));
        assert_eq!(token_service.requests(), 1);
    }
}

#[tokio::test]
async fn clones_and_the_client_use_the_new_token() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t2"], unauthorized()));
    let mut service = token_service.layer().replay().layer(api.clone());
    let mut clones: Vec<_> = (0..3).map(|_| service.clone()).collect();
    for clone in &mut clones {
        ServiceExt::<Request<String>>::ready(clone).await.unwrap();
    }
    send(&mut service, get(USERS)).await.unwrap();
    for clone in &mut clones {
        assert_eq!(send(clone, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    }
    let client: &Client = &token_service.client;
    assert_eq!(client.token(&support::graph()).await.unwrap().expose(), "t2");
    assert_eq!(token_service.requests(), 2);
}

/// Decodes the value of a form field.
fn decoded(field: &str) -> String {
    percent_encoding::percent_decode_str(&field.replace('+', " "))
        .decode_utf8()
        .unwrap()
        .into_owned()
}

#[tokio::test]
async fn rejected_token_within_the_margin_is_used_to_its_end() {
    let busy = Arc::new(AtomicU32::new(0));
    let token_service = TokenService::rejecting({
        let busy = Arc::clone(&busy);
        move |_| (busy.load(Ordering::SeqCst) > 0).then_some(support::BUSY)
    });
    let api = Api::new(|_| unauthorized());
    let mut service = token_service.layer().replay().layer(api.clone());
    token_service.client.token(&support::graph()).await.unwrap();
    busy.store(1, Ordering::SeqCst);
    token_service.clock.advance(Duration::from_secs(3400));
    for _ in 0..2 {
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
    }
    token_service.clock.advance(Duration::from_secs(200));
    assert!(send(&mut service, get(USERS)).await.is_err());
}

#[tokio::test]
async fn short_lived_tokens_are_refreshed_at_the_same_pace() {
    let calls = Arc::new(AtomicU32::new(0));
    let transport = entra_transport::transport_fn({
        let calls = Arc::clone(&calls);
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            let response = r#"{"access_token":"t","expires_in":240}"#.to_owned();
            async { Ok(http::Response::new(entra_transport::Body::from(response))) }
        }
    });
    let clock = entra_client::clock::ManualClock::at(entra_proto::Timestamp::from_secs(1_767_225_600));
    let client = Client::builder(support::application(), transport)
        .clock(clock)
        .build()
        .unwrap();
    let source = client.source(&support::graph()).unwrap();
    let layer = BearerLayer::new(source, ["https://graph.microsoft.com"])
        .unwrap()
        .replay();
    let mut service = layer.layer(Api::new(|_| unauthorized()));
    for _ in 0..10 {
        send(&mut service, get(USERS)).await.unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn api_with_ever_new_claims_does_not_fill_the_cache() {
    let token_service = TokenService::new();
    let calls = Arc::new(AtomicU32::new(0));
    let api = Api::new(move |_| challenge(&not_before(calls.fetch_add(1, Ordering::SeqCst))));
    let mut service = token_service.layer().layer(api);
    for _ in 0..1000 {
        send(&mut service, get(USERS)).await.unwrap();
    }
    assert!(
        token_service.client.cache_entries() <= 1 + 5,
        "{}",
        token_service.client.cache_entries()
    );
}
