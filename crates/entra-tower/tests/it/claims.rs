//! Claims challenges: another token for the rejected request, and for others once the API has
//! accepted it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_tower::{BearerError, BearerLayer};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::support::{
    self, Api, BUSY, Reply, TokenService, challenge, challenge_from, context, not_before, ok, send_to, unauthorized,
};

/// Sends 20 requests for `/good` each second for a minute, and one for `/evil` each tenth second.
/// Returns the tokens of the good ones whose status is not 200, and the number of token requests.
async fn minute_beside_evil<S>(service: &S, token_service: &TokenService) -> (Vec<String>, usize)
where
    S: Service<Request<String>, Response = Response<String>, Error = BearerError> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    assert_eq!(send_to(service, "/good").await, (200, "t1".to_owned()));
    let mut failed = Vec::new();
    for second in 0..60 {
        if second % 10 == 0 {
            send_to(service, "/evil").await;
        }
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { send_to(&service, "/good").await })
            })
            .collect();
        for call in calls {
            let (status, token) = call.await.unwrap();
            if status != 200 {
                failed.push(token);
            }
        }
        token_service.clock.advance(Duration::from_secs(1));
    }
    (failed, token_service.requests())
}

/// Runs that minute with a token service that may reject evil claims, and with the replies of the
/// API for both paths.
async fn beside_evil(reject: Option<&'static str>, evil: fn(&str) -> Reply, good: fn(&str) -> Reply) {
    for replays in [false, true] {
        let token_service = TokenService::rejecting(move |form| form.contains("evil").then_some(reject).flatten());
        let api = Api::at_paths(move |path, token| if path == "/evil" { evil(token) } else { good(token) });
        let (failed, requests) = if replays {
            minute_beside_evil(&token_service.layer().replay().layer(api), &token_service).await
        } else {
            minute_beside_evil(&token_service.layer().layer(api), &token_service).await
        };
        // Without copies, requests learn by being rejected: those in flight at first, and those
        // beside the one that tries another token.
        let most = if replays || reject.is_some() { 0 } else { 39 };
        assert!(failed.len() <= most, "replays: {replays}, {reject:?}: {failed:?}");
        assert!(
            requests <= 10,
            "replays: {replays}, {reject:?}: {requests} token requests"
        );
    }
}

fn evil(_: &str) -> Reply {
    challenge(&context("evil"))
}

#[tokio::test]
async fn claims_that_are_not_issued_take_nothing_from_other_paths() {
    for reject in ["invalid_request", "interaction_required", BUSY] {
        beside_evil(Some(reject), evil, |_| ok()).await;
    }
}

#[tokio::test]
async fn claims_that_the_api_rejects_stay_with_their_path() {
    let takes_the_first = |token: &str| if token == "t1" { ok() } else { unauthorized() };
    let evil_then_plain = |token: &str| match token {
        "t1" => evil(token),
        _ => unauthorized(),
    };
    // No token with these claims is accepted anywhere, so that no other path may see one.
    for evil in [evil, evil_then_plain] {
        for replays in [false, true] {
            let token_service = TokenService::new();
            let api = Api::at_paths(move |path, token| {
                if path == "/evil" {
                    evil(token)
                } else {
                    takes_the_first(token)
                }
            });
            let (failed, requests) = if replays {
                minute_beside_evil(&token_service.layer().replay().layer(api), &token_service).await
            } else {
                minute_beside_evil(&token_service.layer().layer(api), &token_service).await
            };
            assert_eq!(failed, [""; 0], "replays: {replays}");
            assert!(requests <= 5, "replays: {replays}: {requests} token requests");
        }
    }
}

#[tokio::test]
async fn claims_may_be_accepted_by_one_path_and_rejected_by_another() {
    let evil_accepts = |token: &str| if token == "t1" { evil(token) } else { ok() };
    let good_rejects = |token: &str| if token == "t1" { ok() } else { unauthorized() };
    beside_evil(None, evil_accepts, good_rejects).await;
}

#[tokio::test]
async fn accepted_claims_serve_all_paths() {
    let api = || {
        Api::at_paths(|path, token| match (path, token) {
            ("/a", "t1") => challenge(&not_before(1)),
            _ => ok(),
        })
    };
    let token_service = TokenService::new();
    let service = token_service.layer().replay().layer(api());
    for (path, token) in [("/b", "t1"), ("/a", "t2"), ("/b", "t2"), ("/a", "t2")] {
        assert_eq!(send_to(&service, path).await, (200, token.to_owned()));
    }
    // Without a replay, the next request for that path tries the claims.
    let token_service = TokenService::new();
    let service = token_service.layer().layer(api());
    assert_eq!(send_to(&service, "/a").await.0, 401);
    for (path, token) in [("/b", "t1"), ("/b", "t1"), ("/a", "t2"), ("/b", "t2")] {
        assert_eq!(send_to(&service, path).await, (200, token.to_owned()));
    }
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn gateway_error_does_not_accept_claims() {
    let api = Api::at_paths(|path, token| match (path, token) {
        ("/a", "t1") => challenge(&not_before(1)),
        ("/a", _) => (503, vec![]),
        _ => ok(),
    });
    let token_service = TokenService::new();
    let service = token_service.layer().replay().layer(api);
    for (path, expected) in [
        ("/a", (503, "t2")),
        ("/b", (200, "t1")),
        ("/a", (503, "t2")),
        ("/b", (200, "t1")),
    ] {
        assert_eq!(send_to(&service, path).await, (expected.0, expected.1.to_owned()));
    }
}

/// Returns an API whose paths below `/a` require one context, and those below `/b` another. The
/// token service numbers its tokens, so the claims of a token are those of its request.
fn two_contexts(token_service: &TokenService) -> Api {
    let token_service = token_service.clone();
    Api::at_paths(move |path, token| {
        let wanted = if path.starts_with("/a") { "c1" } else { "c2" };
        let number: usize = token[1..].parse().unwrap();
        if token_service.form(number - 1).contains(wanted) {
            ok()
        } else {
            challenge(&context(wanted))
        }
    })
}

/// Returns the rejections among 40 calls that alternate, one a second.
async fn alternate<S>(service: &S, token_service: &TokenService, path: impl Fn(&str, usize) -> String) -> Vec<usize>
where
    S: Service<Request<String>, Response = Response<String>, Error = BearerError> + Clone,
{
    let mut rejected = Vec::new();
    for call in 0..40 {
        let path = path(["/a", "/b"][call % 2], call);
        if send_to(service, &path).await.0 == 401 {
            rejected.push(call);
        }
        token_service.clock.advance(Duration::from_secs(1));
    }
    rejected
}

#[tokio::test]
async fn two_contexts_behind_one_layer_have_two_tokens() {
    type Path = fn(&str, usize) -> String;
    let (same, other): (Path, Path) = (
        |context, _| context.to_owned(),
        |context, call| format!("{context}/{call}"),
    );
    for path in [same, other] {
        let token_service = TokenService::new();
        let service = token_service.layer().replay().layer(two_contexts(&token_service));
        assert_eq!(alternate(&service, &token_service, path).await, [0; 0]);
        assert_eq!(token_service.requests(), 3);
    }
    let token_service = TokenService::new();
    let service = token_service.layer().layer(two_contexts(&token_service));
    assert_eq!(alternate(&service, &token_service, same).await, [0, 1]);
    assert_eq!(token_service.requests(), 3);
    let token_service = TokenService::new();
    let service = token_service.layer().layer(two_contexts(&token_service));
    let rejected = alternate(&service, &token_service, other).await;
    assert!(
        rejected.len() <= 8 && rejected.iter().all(|call| *call < 12),
        "{rejected:?}"
    );
    assert_eq!(token_service.requests(), 3);
}

#[tokio::test]
async fn methods_of_one_path_have_separate_contexts() {
    for replays in [false, true] {
        let token_service = TokenService::new();
        let forms = token_service.clone();
        let api = tower::service_fn(move |request: Request<String>| {
            let wanted = if request.method() == "GET" { "c1" } else { "c2" };
            let number: usize = support::token_in(request.headers())[1..].parse().unwrap();
            let mut response = Response::new(String::new());
            if !forms.form(number - 1).contains(wanted) {
                let (status, fields) = challenge(&context(wanted));
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                for (name, value) in fields {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
            }
            async move { Ok::<_, support::ApiError>(response) }
        });
        let (plain, replaying) = (
            token_service.layer().layer(api.clone()),
            token_service.layer().replay().layer(api),
        );
        let mut rejected = 0;
        for call in 0..40 {
            let request = Request::builder().method(["GET", "POST"][call % 2]).uri(support::USERS);
            let request = request.body(String::new()).unwrap();
            let (status, _) = if replays {
                support::send(&mut replaying.clone(), request).await.unwrap()
            } else {
                support::send(&mut plain.clone(), request).await.unwrap()
            };
            rejected += usize::from(status == 401);
            token_service.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(rejected, if replays { 0 } else { 2 });
        assert_eq!(token_service.requests(), 3);
    }
}

#[tokio::test]
async fn claims_required_by_two_paths_serve_others_without_a_replay() {
    let token_service = TokenService::new();
    let api = Api::at_paths(|_, token| if token == "t1" { challenge(&not_before(1)) } else { ok() });
    let service = token_service.layer().layer(api);
    let mut rejected = 0;
    for number in 0..20 {
        rejected += usize::from(send_to(&service, &format!("/users/{number}")).await.0 == 401);
        tokio::task::yield_now().await;
    }
    assert!(rejected <= 3, "{rejected}");
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn revoked_tokens_with_claims_are_replaced() {
    // The first rejection has a challenge, and the second does not.
    let minimum = Arc::new(AtomicUsize::new(1));
    let api = Api::at_paths({
        let minimum = Arc::clone(&minimum);
        move |_, token| {
            let (number, minimum): (usize, _) = (token[1..].parse().unwrap(), minimum.load(Ordering::SeqCst));
            match (number < minimum, minimum) {
                (false, _) => ok(),
                (true, 2) => challenge(&not_before(1)),
                (true, _) => unauthorized(),
            }
        }
    });
    let token_service = TokenService::new();
    let service = token_service.layer().replay().layer(api);
    let mut rejected = 0;
    for valid_from in 1..=3 {
        minimum.store(valid_from, Ordering::SeqCst);
        for path in ["/a", "/b", "/c"].repeat(5) {
            rejected += usize::from(send_to(&service, path).await.0 == 401);
        }
        token_service.clock.advance(Duration::from_secs(60));
    }
    assert!(rejected <= 1, "{rejected}");
    assert!(token_service.requests() <= 5, "{}", token_service.requests());
}

#[tokio::test]
async fn other_paths_do_without_claims_that_are_no_longer_issued() {
    for replays in [false, true] {
        let (rejects, valid_from) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
        let token_service = TokenService::rejecting({
            let rejects = Arc::clone(&rejects);
            move |form| (rejects.load(Ordering::SeqCst) > 0 && form.contains("acrs")).then_some("invalid_request")
        });
        let api = Api::at_paths({
            let (token_service, valid_from) = (token_service.clone(), Arc::clone(&valid_from));
            move |path, token| {
                let number: usize = token[1..].parse().unwrap();
                if path == "/a" && !token_service.form(number - 1).contains("acrs") {
                    challenge(&context("c1"))
                } else if number < valid_from.load(Ordering::SeqCst) {
                    unauthorized()
                } else {
                    ok()
                }
            }
        });
        let (plain, replaying) = (
            token_service.layer().layer(api.clone()),
            token_service.layer().replay().layer(api),
        );
        let send = async |path| {
            let response = if replays {
                send_to(&replaying, path).await
            } else {
                send_to(&plain, path).await
            };
            token_service.clock.advance(Duration::from_secs(1));
            response.0
        };
        for _ in 0..3 {
            send("/a").await;
        }
        assert_eq!((send("/a").await, send("/b").await), (200, 200));
        // All tokens are revoked, and the service issues no more tokens with these claims.
        rejects.store(1, Ordering::SeqCst);
        valid_from.store(3, Ordering::SeqCst);
        let mut rejected = 0;
        for _ in 0..60 {
            assert_eq!(send("/a").await, 401);
            rejected += usize::from(send("/b").await == 401);
        }
        assert!(
            rejected <= if replays { 2 } else { 6 },
            "replays: {replays}: {rejected}"
        );
        assert!(token_service.requests() <= 10, "{}", token_service.requests());
    }
}

#[tokio::test]
async fn expired_claims_that_are_no_longer_issued_are_dropped() {
    let rejects = Arc::new(AtomicUsize::new(0));
    let token_service = TokenService::rejecting({
        let rejects = Arc::clone(&rejects);
        move |form| (rejects.load(Ordering::SeqCst) > 0 && form.contains("acrs")).then_some("invalid_request")
    });
    let api = Api::at_paths(|path, token| match (path, token) {
        ("/a", "t1") => challenge(&context("c1")),
        _ => ok(),
    });
    let service = token_service.layer().replay().layer(api);
    for path in ["/a", "/b"] {
        assert_eq!(send_to(&service, path).await, (200, "t2".to_owned()));
    }
    rejects.store(1, Ordering::SeqCst);
    token_service.clock.advance(Duration::from_secs(3600));
    for _ in 0..20 {
        assert_eq!(send_to(&service, "/b").await, (200, "t4".to_owned()));
        token_service.clock.advance(Duration::from_secs(120));
    }
    assert_eq!(token_service.requests(), 4);
}

#[tokio::test]
async fn claims_of_the_source_itself_are_not_new() {
    let token_service = TokenService::new();
    let claims = entra_proto::claims::ClaimsRequest::parse(&not_before(1)).unwrap();
    let source = token_service.source().with_claims(&claims).unwrap();
    let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
    let api = Api::at_paths(|_, token| if token == "t2" { ok() } else { challenge(&not_before(1)) });
    let service = layer.replay().layer(api.clone());
    assert_eq!(send_to(&service, "/a").await, (200, "t2".to_owned()));
    assert_eq!(api.tokens(), ["t1", "t2"]);
}

#[tokio::test]
async fn challenge_of_another_authority_hides_no_valid_one() {
    let of = |authority: &str, claims: &str| challenge_from(authority, &context(claims)).1.remove(0);
    let evil = of("https://evil.test/common", "evil");
    let ours = of("https://login.microsoftonline.com/common", "c1");
    for fields in [[evil.clone(), ours.clone()], [ours, evil]] {
        let token_service = TokenService::new();
        let api = Api::accepting(&["t2"], (401, fields.to_vec()));
        let service = token_service.layer().replay().layer(api);
        assert_eq!(send_to(&service, "/a").await, (200, "t2".to_owned()));
        assert!(token_service.form(1).contains("c1"), "{}", token_service.form(1));
    }
}

#[tokio::test]
async fn ever_new_claims_of_many_paths_are_limited() {
    let (token_service, number) = (TokenService::new(), Arc::new(AtomicUsize::new(0)));
    let api = Api::at_paths(move |path, _| match path {
        "/good" => ok(),
        _ => challenge(&context(&format!("c{}", number.fetch_add(1, Ordering::SeqCst)))),
    });
    let service = token_service.layer().replay().layer(api);
    for minute in 1..=3 {
        for call in 0..100 {
            send_to(&service, &format!("/evil/{call}")).await;
            assert_eq!(send_to(&service, "/good").await, (200, "t1".to_owned()));
        }
        assert!(
            token_service.requests() <= 1 + 10 * minute,
            "{}",
            token_service.requests()
        );
        token_service.clock.advance(Duration::from_secs(60));
    }
}

/// Returns a client whose requests for claims take half a minute, as in an outage.
fn slow_for_claims() -> entra_client::Client {
    let transport = entra_transport::transport_fn(move |request: entra_transport::Request| {
        let has_claims = String::from_utf8_lossy(request.body().as_bytes()).contains("acrs");
        async move {
            let (token, seconds) = if has_claims { ("t2", 30) } else { ("t1", 0) };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let body = format!(r#"{{"access_token":"{token}","expires_in":3599}}"#);
            Ok(Response::new(entra_transport::Body::from(body)))
        }
    });
    entra_client::Client::new(support::application(), transport)
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_path_do_not_wait_for_claims_of_another() {
    let api = Api::new(
        |headers| match (headers.contains_key("x-secret"), support::token_in(headers)) {
            (true, "t1") => challenge(&context("c1")),
            _ => ok(),
        },
    );
    for replays in [false, true] {
        let source = slow_for_claims().source(&support::graph()).unwrap();
        let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
        let (plain, replaying) = (layer.clone().layer(api.clone()), layer.replay().layer(api.clone()));
        let send = move |is_secret: bool| {
            let (mut plain, mut replaying) = (plain.clone(), replaying.clone());
            let mut request = support::get(support::USERS);
            if is_secret {
                request.headers_mut().insert("x-secret", "1".parse().unwrap());
            }
            tokio::spawn(async move {
                if replays {
                    support::send(&mut replaying, request).await.unwrap()
                } else {
                    support::send(&mut plain, request).await.unwrap()
                }
            })
        };
        assert_eq!(send(false).await.unwrap(), (200, "t1".to_owned()));
        let secret = send(true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Without a copy of the rejected request, this one tries the claims.
        let next = send(false);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let start = tokio::time::Instant::now();
        for _ in 0..20 {
            assert_eq!(send(false).await.unwrap(), (200, "t1".to_owned()));
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        let (secret, next) = (secret.await.unwrap(), next.await.unwrap());
        let (rejected, tried) = ((401, "t1".to_owned()), (200, "t2".to_owned()));
        let expected = if replays {
            (tried, (200, "t1".to_owned()))
        } else {
            (rejected, tried)
        };
        assert_eq!((secret, next), expected);
        assert_eq!(send(false).await.unwrap(), (200, "t2".to_owned()));
    }
}
