//! A `401` without a challenge: the rejected token is replaced, and serves other requests until
//! then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_client::Client;
use entra_tower::{BearerLayer, Replay};
use entra_transport::{Body, transport_fn};
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use crate::support::world::TokioClock;
use crate::support::{
    self, Api, BUSY, Reply, TokenService, USERS, challenge, get, not_before, ok, send_to, token_in, unauthorized,
};

#[tokio::test(start_paused = true)]
async fn outage_lets_other_paths_use_the_token_to_its_end() {
    for replays in [false, true] {
        let is_down = Arc::new(AtomicUsize::new(0));
        let token_service = TokenService::rejecting({
            let is_down = Arc::clone(&is_down);
            move |_| (is_down.load(Ordering::SeqCst) > 0).then_some(BUSY)
        });
        let api = Api::at_paths(|path, _| if path == "/evil" { unauthorized() } else { ok() });
        let (plain, replaying) = (
            token_service.layer().layer(api.clone()),
            token_service.layer().replay().layer(api),
        );
        token_service.client.token(&support::graph()).await.unwrap();
        is_down.store(1, Ordering::SeqCst);
        for _ in 0..59 {
            for path in ["/evil", "/good", "/evil", "/good"] {
                let response = if replays {
                    send_to(&replaying, path).await
                } else {
                    send_to(&plain, path).await
                };
                assert_eq!(response, (if path == "/evil" { 401 } else { 200 }, "t1".to_owned()));
            }
            token_service.clock.advance(Duration::from_secs(60));
        }
        assert!(token_service.requests() <= 150, "{}", token_service.requests());
    }
}

#[tokio::test]
async fn rejected_token_is_not_sent_again_in_place_of_a_newer_one() {
    let token_service = TokenService::rejecting({
        let requests = AtomicUsize::new(0);
        move |_| (requests.fetch_add(1, Ordering::SeqCst) > 0).then_some(BUSY)
    });
    let api = Api::new(|_| unauthorized());
    let service = token_service.layer().replay().layer(api.clone());
    // The response is dropped while a newer token is awaited. None comes, so the request is sent
    // again for its response.
    assert_eq!(send_to(&service, "/a").await, (401, "t1".to_owned()));
    assert_eq!((api.tokens().len(), token_service.requests()), (2, 2));
    // While the failure is cached, no token is awaited.
    for calls in 3..6 {
        assert_eq!(send_to(&service, "/a").await, (401, "t1".to_owned()));
        assert_eq!((api.tokens().len(), token_service.requests()), (calls, 2));
    }
}

#[tokio::test]
async fn limit_of_one_path_leaves_a_revocation_to_the_others() {
    let valid_from = Arc::new(AtomicUsize::new(1));
    let api = Api::at_paths({
        let valid_from = Arc::clone(&valid_from);
        move |path, token| {
            let number: usize = token[1..].parse().unwrap();
            let is_valid = path != "/evil" && number >= valid_from.load(Ordering::SeqCst);
            if is_valid { ok() } else { unauthorized() }
        }
    });
    let token_service = TokenService::new();
    let service = token_service.layer().replay().layer(api);
    for _ in 0..20 {
        assert_eq!(send_to(&service, "/evil").await.0, 401);
    }
    assert_eq!(token_service.requests(), 3);
    // All tokens up to now are revoked, within the same minute.
    token_service.clock.advance(Duration::from_secs(10));
    valid_from.store(4, Ordering::SeqCst);
    for path in ["/a", "/b", "/a", "/evil", "/b"] {
        let expected = if path == "/evil" { 401 } else { 200 };
        assert_eq!(send_to(&service, path).await, (expected, "t4".to_owned()));
    }
    assert_eq!(token_service.requests(), 4);
}

#[tokio::test]
async fn revocations_within_a_minute_reject_the_requests_in_flight() {
    for replays in [false, true] {
        let valid_from = Arc::new(AtomicUsize::new(1));
        let api = Api::at_paths({
            let valid_from = Arc::clone(&valid_from);
            move |_, token| {
                let number: usize = token[1..].parse().unwrap();
                if number >= valid_from.load(Ordering::SeqCst) {
                    ok()
                } else {
                    unauthorized()
                }
            }
        });
        let token_service = TokenService::new();
        let (plain, replaying) = (
            token_service.layer().layer(api.clone()),
            token_service.layer().replay().layer(api),
        );
        let mut rejected = 0;
        for revocations in 0..3 {
            valid_from.store(revocations + 1, Ordering::SeqCst);
            for _ in 0..10 {
                let (status, _) = if replays {
                    send_to(&replaying, "/").await
                } else {
                    send_to(&plain, "/").await
                };
                rejected += usize::from(status == 401);
                token_service.clock.advance(Duration::from_secs(1));
            }
        }
        assert_eq!(rejected, if replays { 0 } else { 2 });
        assert_eq!(token_service.requests(), 3);
    }
}

#[tokio::test]
async fn path_that_rejects_each_token_once_is_limited() {
    let (token_service, calls) = (TokenService::new(), AtomicUsize::new(0));
    let api = Api::at_paths(move |_, _| match calls.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => unauthorized(),
        _ => ok(),
    });
    let service = token_service.layer().replay().layer(api);
    for minute in 1..=3 {
        for _ in 0..100 {
            send_to(&service, "/evil").await;
        }
        assert!(
            token_service.requests() <= 1 + 3 * minute,
            "{}",
            token_service.requests()
        );
        token_service.clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn many_paths_that_always_reject_are_limited() {
    for replays in [false, true] {
        let token_service = TokenService::new();
        let api = Api::new(|_| unauthorized());
        let (plain, replaying) = (
            token_service.layer().layer(api.clone()),
            token_service.layer().replay().layer(api),
        );
        for minute in 1..=3 {
            for call in 0..100 {
                let path = format!("/evil/{call}");
                if replays {
                    send_to(&replaying, &path).await;
                } else {
                    send_to(&plain, &path).await;
                }
            }
            assert!(
                token_service.requests() <= 1 + 10 * minute,
                "{}",
                token_service.requests()
            );
            token_service.clock.advance(Duration::from_secs(60));
        }
    }
}

#[tokio::test]
async fn api_that_always_rejects_is_limited() {
    let calls = Arc::new(AtomicUsize::new(0));
    // The claims are different each time, as from an API that names the current time.
    let fresh = move || challenge(&not_before(calls.fetch_add(1, Ordering::Relaxed) as u32));
    let same = || challenge(&not_before(1));
    let grpc: fn() -> Reply = || (200, vec![("grpc-status", "16".to_owned())]);
    type Script = Arc<dyn Fn() -> Reply + Send + Sync>;
    let scripts: [(Script, [usize; 4]); 4] = [
        (Arc::new(unauthorized), [3, 3, 5, 5]),
        (Arc::new(grpc), [3, 3, 5, 5]),
        (Arc::new(same), [4, 4, 6, 6]),
        (Arc::new(fresh), [6, 6, 11, 11]),
    ];
    for (number, (script, expected)) in scripts.into_iter().enumerate() {
        for replays in [false, true] {
            let (token_service, script) = (TokenService::new(), Arc::clone(&script));
            let api = Api::new(move |_| script());
            let layer = token_service.layer();
            let requests = if replays {
                always_rejected(layer.replay(), &api, &token_service).await
            } else {
                always_rejected(layer, &api, &token_service).await
            };
            assert_eq!(requests, expected, "script {number}, replays: {replays}");
        }
    }
}

/// Returns the numbers of token requests after 250 calls each: at the beginning and the end of a
/// minute, and of the next one.
async fn always_rejected<R: Replay<String>>(
    layer: BearerLayer<R>,
    api: &Api,
    token_service: &TokenService,
) -> [usize; 4] {
    let mut counts = [0; 4];
    for (count, seconds) in counts.iter_mut().zip([0, 59, 1, 59]) {
        token_service.clock.advance(Duration::from_secs(seconds));
        for _ in 0..250 {
            let response = layer.layer(api.clone()).oneshot(get(USERS)).await.unwrap();
            assert!(response.status() == 401 || response.headers().contains_key("grpc-status"));
        }
        *count = token_service.requests();
    }
    counts
}

/// Returns the number of rejections among 60 requests, one a second, after all tokens were revoked.
/// With `refreshes`, a refresh is in flight at that moment.
async fn rejected_after_a_revocation(replays: bool, refreshes: bool) -> usize {
    let (issued, valid_from) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&issued);
    // A token is issued when its request arrives. The response takes a second.
    let transport = transport_fn(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            sleep(Duration::from_secs(1)).await;
            let body = format!(r#"{{"access_token":"{number}","expires_in":3600,"refresh_in":100}}"#);
            Ok(Response::new(Body::from(body)))
        }
    });
    let client = Client::builder(support::application(), transport)
        .clock(TokioClock(Instant::now()))
        .build()
        .unwrap();
    let source = client.source(&support::graph()).unwrap();
    let valid = Arc::clone(&valid_from);
    let inner = tower::service_fn(move |request: Request<String>| {
        let number: usize = token_in(request.headers()).parse().unwrap();
        let mut response = Response::new(String::new());
        if number < valid.load(Ordering::SeqCst) {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        async move { Ok::<_, support::ApiError>(response) }
    });
    let layer = BearerLayer::new(source, ["https://graph.microsoft.com"]).unwrap();
    let (plain, replaying) = (layer.clone().layer(inner.clone()), layer.replay().layer(inner));
    let call = async || {
        let request = get(USERS);
        let response = if replays {
            replaying.clone().oneshot(request).await
        } else {
            plain.clone().oneshot(request).await
        };
        response.unwrap().status()
    };
    assert_eq!(call().await, 200);
    if refreshes {
        // The token needs refresh: a request is sent in the background.
        sleep(Duration::from_secs(102)).await;
        assert_eq!(call().await, 200);
        sleep(Duration::from_millis(300)).await;
    }
    valid_from.store(issued.load(Ordering::SeqCst), Ordering::SeqCst);
    let mut rejected = 0;
    for _ in 0..60 {
        rejected += usize::from(call().await == 401);
        sleep(Duration::from_secs(1)).await;
    }
    rejected
}

#[tokio::test(start_paused = true)]
async fn token_from_before_a_revocation_does_not_follow_it() {
    for refreshes in [false, true] {
        assert_eq!(rejected_after_a_revocation(true, refreshes).await, 0, "{refreshes}");
        assert!(rejected_after_a_revocation(false, refreshes).await <= 1, "{refreshes}");
    }
}
