//! What follows where the API refuses the token.

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
    self, Answer, Api, Entra, USERS, challenge, challenge_from, get, not_before, send, token_in, unauthorized,
};

#[tokio::test]
async fn a_refused_request_is_sent_once_more_with_a_new_token() {
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], unauthorized()));
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2"]);
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!((entra.requests(), api.tokens().len()), (2, 3));
}

#[tokio::test]
async fn the_second_request_is_the_first_but_for_its_token() {
    let entra = Entra::new();
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
    let copied = entra.layer().replay_with(|body: &String| Some(body.clone()));
    assert_eq!(
        send(&mut copied.layer(inner), request()).await.unwrap(),
        (200, expected.to_owned())
    );
    let entra = Entra::new();
    let cloned = entra.layer().replay();
    assert_eq!(
        send(&mut cloned.layer(inner), request()).await.unwrap(),
        (200, expected.to_owned())
    );
}

#[tokio::test]
async fn without_a_replay_the_refusal_is_handed_on_and_the_next_request_has_a_new_token() {
    for refusal in [unauthorized(), challenge(&not_before(1))] {
        let (entra, api) = (Entra::new(), Api::taking(&["t2"], refusal));
        let mut service = entra.layer().layer(api.clone());
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
        assert_eq!(entra.requests(), 2);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_copied_is_not_sent_again() {
    let (entra, api) = (Entra::new(), Api::taking(&["t2", "t4"], unauthorized()));
    let short = |body: &String| (body.len() < 4).then(|| body.clone());
    let mut service = entra.layer().replay_with(short).layer(api.clone());
    let post = |body: &str| Request::post(USERS).body(body.to_owned()).unwrap();
    assert_eq!(
        send(&mut service, post("a stream")).await.unwrap(),
        (401, "t1".to_owned())
    );
    assert_eq!(
        send(&mut service, post("a stream")).await.unwrap(),
        (200, "t2".to_owned())
    );
    entra.client.clear();
    entra.clock.advance(Duration::from_secs(60));
    assert_eq!(send(&mut service, post("a")).await.unwrap(), (200, "t4".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2", "t3", "t4"]);
}

#[tokio::test]
async fn a_policy_of_ones_own_says_what_is_sent_again() {
    #[derive(Clone)]
    struct Gets;
    impl<B: Clone> Replay<B> for Gets {
        fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
            request.method().is_safe().then(|| request.clone())
        }
    }
    let (entra, api) = (Entra::new(), Api::new(|_| unauthorized()));
    let mut service = entra.layer().replay_by(Gets).layer(api.clone());
    send(&mut service, Request::post(USERS).body(String::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(api.tokens().len(), 1);
    entra.clock.advance(Duration::from_secs(60));
    send(&mut service, get(USERS)).await.unwrap();
    assert_eq!(api.tokens().len(), 3);
}

#[tokio::test]
async fn many_refused_at_once_take_one_token_request() {
    for refusal in [unauthorized(), challenge(&not_before(1))] {
        let (entra, api) = (Entra::new(), Api::taking(&["t2"], refusal));
        let service = entra.layer().replay().layer(api.clone());
        // Everybody starts with the token that will be refused.
        entra.client.token(&support::graph()).await.unwrap();
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
        assert_eq!(entra.requests(), 2);
    }
}

#[tokio::test]
async fn a_late_refusal_leaves_the_new_token_alone() {
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], unauthorized()));
    let layer = entra.layer();
    let (mut early, mut late) = (layer.layer(api.clone()), layer.layer(api.clone()));
    entra.client.token(&support::graph()).await.unwrap();
    let late = ServiceExt::<Request<String>>::ready(&mut late)
        .await
        .unwrap()
        .call(get(USERS));
    send(&mut early, get(USERS)).await.unwrap();
    assert_eq!(send(&mut early, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    entra.clock.advance(Duration::from_secs(60));
    assert_eq!(late.await.unwrap().status(), 401);
    assert_eq!(send(&mut early, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!(entra.requests(), 2);
}

#[tokio::test]
async fn claims_are_asked_for_and_remembered_by_all_clones() {
    let claims = not_before(1_767_225_600);
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], challenge(&claims)));
    let layer = entra.layer().replay();
    let mut service = layer.layer(api.clone());
    let (mut clone, mut sibling) = (service.clone(), layer.layer(api.clone()));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2"]);
    // With the capabilities of the client, which are in every request.
    let asked = entra.form(1);
    let asked = asked.split('&').find_map(|pair| pair.strip_prefix("claims=")).unwrap();
    let expected = ClaimsRequest::parse(&claims).unwrap().with_capabilities(&["cp1"]);
    assert_eq!(decoded(asked), expected.as_str());
    for service in [&mut service, &mut clone, &mut sibling, &mut layer.layer(api.clone())] {
        assert_eq!(send(service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    }
    assert_eq!((entra.requests(), api.tokens().len()), (2, 6));
}

#[tokio::test]
async fn claims_are_asked_for_in_the_tenant_of_the_source() {
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], challenge(&not_before(1))));
    let fabrikam = entra.client.tenant("fabrikam.com".parse::<Tenant>().unwrap());
    let source = fabrikam.source(&support::graph()).unwrap();
    let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
    let mut service = layer.replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    for number in [0, 1] {
        assert!(
            entra.form(number).starts_with("/fabrikam.com/"),
            "{}",
            entra.form(number)
        );
    }
}

#[tokio::test]
async fn later_claims_take_the_place_of_earlier_ones() {
    let entra = Entra::new();
    let api = Api::new(|headers| match token_in(headers) {
        "t1" => challenge(&not_before(1)),
        "t2" => challenge(&not_before(2)),
        _ => (200, vec![]),
    });
    let mut service = entra.layer().replay().layer(api.clone());
    // The second answer is handed on, whatever it is.
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t2".to_owned()));
    // And what it asks for is heeded at once: tokens may be revoked twice in a row.
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert!(decoded(&entra.form(2)).contains(r#""value":"2""#), "{}", entra.form(2));
    assert_eq!(api.tokens(), ["t1", "t2", "t3"]);
}

#[tokio::test]
async fn claims_that_a_token_has_and_that_are_asked_for_again_take_a_new_token() {
    let (entra, api) = (Entra::new(), Api::taking(&["t3"], challenge(&not_before(1))));
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t2".to_owned()));
    entra.clock.advance(Duration::from_secs(60));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert_eq!(entra.form(1), entra.form(2));
}

#[tokio::test]
async fn a_plain_refusal_of_a_token_with_claims_takes_another_one_with_them() {
    let entra = Entra::new();
    let api = Api::new(|headers| match token_in(headers) {
        "t1" => challenge(&not_before(1)),
        "t2" => unauthorized(),
        _ => (200, vec![]),
    });
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap().0, 401);
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert!(decoded(&entra.form(2)).contains("nbf"));
}

#[tokio::test]
async fn challenges_of_others_change_nothing() {
    let claims = not_before(1);
    let unreadable = |claims: &str| {
        let uri = "https://login.microsoftonline.com/common/oauth2/authorize";
        let value = format!("Bearer authorization_uri=\"{uri}\", error=\"insufficient_claims\", claims=\"{claims}\"");
        (401, vec![("www-authenticate", value)])
    };
    for refusal in [
        challenge_from("https://evil.test/common/oauth2/authorize", &claims),
        challenge_from("https://login.microsoftonline.com.evil.test/common", &claims),
        challenge_from("https://login.microsoftonline.us/common", &claims),
        challenge_from("http://login.microsoftonline.com/common", &claims),
        challenge_from("", &claims),
        unreadable("some_claims"),
        unreadable(""),
        challenge("[]"),
    ] {
        let (entra, api) = (Entra::new(), Api::new(move |_| refusal.clone()));
        let mut service = entra.layer().replay().layer(api.clone());
        for _ in 0..2 {
            assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
        }
        assert_eq!(
            (entra.requests(), api.tokens().len()),
            (1, 2),
            "{refusal:?}",
            refusal = entra.form(0)
        );
    }
}

#[tokio::test]
async fn api_that_always_rejects_is_paced() {
    let asked = Arc::new(AtomicU32::new(0));
    // Other claims each time, as from an API that names the present.
    let fresh = move || challenge(&not_before(asked.fetch_add(1, Ordering::Relaxed)));
    let same = || challenge(&not_before(1));
    let grpc: fn() -> Answer = || (200, vec![("grpc-status", "16".to_owned())]);
    type Script = Arc<dyn Fn() -> Answer + Send + Sync>;
    let scripts: [(Script, [usize; 4]); 4] = [
        (Arc::new(unauthorized), [3, 3, 5, 5]),
        (Arc::new(grpc), [3, 3, 5, 5]),
        (Arc::new(same), [4, 4, 6, 6]),
        (Arc::new(fresh), [6, 6, 11, 11]),
    ];
    for (number, (script, expected)) in scripts.into_iter().enumerate() {
        for replays in [false, true] {
            let (entra, script) = (Entra::new(), Arc::clone(&script));
            let api = Api::new(move |_| script());
            let layer = entra.layer();
            let requests = if replays {
                always_refused(layer.replay(), &api, &entra).await
            } else {
                always_refused(layer, &api, &entra).await
            };
            assert_eq!(requests, expected, "script {number}, replays: {replays}");
        }
    }
}

/// How many token requests there were after 250 calls each: at the beginning of a minute and of the next, and at the end of both.
async fn always_refused<R: Replay<String>>(layer: BearerLayer<R>, api: &Api, entra: &Entra) -> [usize; 4] {
    let mut counts = [0; 4];
    for (count, seconds) in counts.iter_mut().zip([0, 59, 1, 59]) {
        entra.clock.advance(Duration::from_secs(seconds));
        for _ in 0..250 {
            let answer = layer.layer(api.clone()).oneshot(get(USERS)).await.unwrap();
            assert!(answer.status() == 401 || answer.headers().contains_key("grpc-status"));
        }
        *count = entra.requests();
    }
    counts
}

#[tokio::test]
async fn a_claims_challenge_may_follow_a_plain_refusal_at_once() {
    let entra = Entra::new();
    let api = Api::new(|headers| match token_in(headers) {
        "t1" => unauthorized(),
        "t2" => challenge(&not_before(1)),
        _ => (200, vec![]),
    });
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t2".to_owned()));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
}

#[tokio::test]
async fn where_no_new_token_is_to_be_had_the_refusal_is_handed_on() {
    let first = Arc::new(AtomicU32::new(0));
    let entra = Entra::refusing(move |_| (first.fetch_add(1, Ordering::Relaxed) > 0).then_some("invalid_client"));
    let api = Api::new(|_| unauthorized());
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
    assert_eq!((entra.requests(), api.tokens()), (2, vec!["t1".to_owned(); 2]));
}

#[tokio::test]
async fn claims_that_the_service_rejects_change_nothing() {
    // Some of what the API has needs no claims.
    let api = || {
        Api::at_paths(|path, _| match path {
            "/secret" => challenge(&not_before(1)),
            _ => (200, vec![]),
        })
    };
    let rejects = || Entra::refusing(|form| form.contains("nbf").then_some("interaction_required"));
    let entra = rejects();
    let service = entra.layer().replay().layer(api());
    for _ in 0..3 {
        assert_eq!(support::send_to(&service, "/secret").await, (401, "t1".to_owned()));
        assert_eq!(support::send_to(&service, "/").await, (200, "t1".to_owned()));
    }
    assert_eq!(entra.requests(), 2);
    // Without a replay as well.
    let entra = rejects();
    let service = entra.layer().layer(api());
    for _ in 0..3 {
        assert_eq!(support::send_to(&service, "/secret").await, (401, "t1".to_owned()));
        assert_eq!(support::send_to(&service, "/").await, (200, "t1".to_owned()));
    }
    assert_eq!(entra.requests(), 2);
}

#[tokio::test]
async fn claims_are_kept_where_the_service_has_a_bad_day() {
    let asked = AtomicU32::new(0);
    let is_second = move || asked.fetch_add(1, Ordering::Relaxed) == 1;
    let entra = Entra::refusing(move |_| is_second().then_some(support::BUSY));
    let api = Api::taking(&["t3"], challenge(&not_before(1)));
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
    entra.clock.advance(Duration::from_secs(5));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t3".to_owned()));
    assert!(entra.form(2).contains("nbf"));
}

#[tokio::test]
async fn claims_whose_token_is_there_already_are_taken_up_at_once() {
    let entra = Entra::new();
    let claims = ClaimsRequest::parse(&not_before(2)).unwrap();
    let options = TokenOptions::default().with_claims(claims);
    entra.client.token_with(&support::graph(), &options).await.unwrap();
    let api = Api::new(|headers| match token_in(headers) {
        "t2" => challenge(&not_before(1)),
        "t3" => challenge(&not_before(2)),
        _ => (200, vec![]),
    });
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t3".to_owned()));
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t1".to_owned()));
    assert_eq!(entra.requests(), 3);
}

#[tokio::test]
async fn grpcs_unauthenticated_is_a_refusal_and_its_other_codes_are_not() {
    let grpc = |code: &str| (200, vec![("grpc-status", code.to_owned())]);
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], grpc("16")));
    let mut service = entra.layer().replay().layer(api.clone());
    assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    for code in ["0", "7", "160", "1", ""] {
        let (entra, api) = (Entra::new(), Api::taking(&["t2"], grpc(code)));
        let mut service = entra.layer().replay().layer(api.clone());
        send(&mut service, get(USERS)).await.unwrap();
        assert_eq!((entra.requests(), api.tokens().len()), (1, 1), "{code}");
    }
}

#[tokio::test]
async fn any_other_status_is_no_refusal() {
    for status in [200, 302, 400, 403, 407, 500] {
        // A challenge may come along with other answers.
        let refusal = (status, challenge(&not_before(1)).1);
        let (entra, api) = (Entra::new(), Api::new(move |_| refusal.clone()));
        let mut service = entra.layer().replay().layer(api.clone());
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (status, "t1".to_owned()));
        assert_eq!(entra.requests(), 1);
    }
}

#[tokio::test]
async fn clones_go_on_with_the_new_token_and_so_do_others_of_the_client() {
    let (entra, api) = (Entra::new(), Api::taking(&["t2"], unauthorized()));
    let mut service = entra.layer().replay().layer(api.clone());
    let mut clones: Vec<_> = (0..3).map(|_| service.clone()).collect();
    for clone in &mut clones {
        ServiceExt::<Request<String>>::ready(clone).await.unwrap();
    }
    send(&mut service, get(USERS)).await.unwrap();
    for clone in &mut clones {
        assert_eq!(send(clone, get(USERS)).await.unwrap(), (200, "t2".to_owned()));
    }
    let client: &Client = &entra.client;
    assert_eq!(client.token(&support::graph()).await.unwrap().expose(), "t2");
    assert_eq!(entra.requests(), 2);
}

/// The value of a form's field.
fn decoded(field: &str) -> String {
    percent_encoding::percent_decode_str(&field.replace('+', " "))
        .decode_utf8()
        .unwrap()
        .into_owned()
}

#[tokio::test]
async fn rejected_token_within_the_margin_is_used_to_its_end() {
    let busy = Arc::new(AtomicU32::new(0));
    let entra = Entra::refusing({
        let busy = Arc::clone(&busy);
        move |_| (busy.load(Ordering::SeqCst) > 0).then_some(support::BUSY)
    });
    let api = Api::new(|_| unauthorized());
    let mut service = entra.layer().replay().layer(api.clone());
    entra.client.token(&support::graph()).await.unwrap();
    busy.store(1, Ordering::SeqCst);
    entra.clock.advance(Duration::from_secs(3400));
    for _ in 0..2 {
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (401, "t1".to_owned()));
    }
    entra.clock.advance(Duration::from_secs(200));
    assert!(send(&mut service, get(USERS)).await.is_err());
}

#[tokio::test]
async fn tokens_that_live_shortly_are_renewed_no_more_often() {
    let asked = Arc::new(AtomicU32::new(0));
    let transport = entra_transport::transport_fn({
        let asked = Arc::clone(&asked);
        move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            let answer = r#"{"access_token":"t","expires_in":240}"#.to_owned();
            async { Ok(http::Response::new(entra_transport::Body::from(answer))) }
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
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_api_with_ever_new_wishes_fills_no_cache() {
    let entra = Entra::new();
    let asked = Arc::new(AtomicU32::new(0));
    let api = Api::new(move |_| challenge(&not_before(asked.fetch_add(1, Ordering::SeqCst))));
    let mut service = entra.layer().layer(api);
    for _ in 0..1000 {
        send(&mut service, get(USERS)).await.unwrap();
    }
    assert!(
        entra.client.cache_entries() <= 1 + 5,
        "{}",
        entra.client.cache_entries()
    );
}
