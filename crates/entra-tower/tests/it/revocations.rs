//! Tokens that are revoked repeatedly, beside paths that reject all tokens, with a slow token
//! service, and for a managed identity.

use std::time::Duration;

use entra_proto::managed_identity::{Identity, ManagedIdentity, Source};
use entra_transport::LocalHost;
use tokio::time::{Instant, sleep, timeout};
use tower::Layer as _;

use crate::support::world::{World, evil};
use crate::support::{self, Api, TokenService, challenge, context, ok, send_to};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the seconds of a minute in which a request for `/a`, one a second, is rejected.
async fn rejected_of_a_minute(call: &support::world::Call) -> Vec<usize> {
    let mut rejected = Vec::new();
    for second in 0..60 {
        if !call("/a").await {
            rejected.push(second);
        }
        sleep(SECOND).await;
    }
    rejected
}

#[tokio::test(start_paused = true)]
async fn token_revoked_in_flight_is_replaced_again() {
    for replays in [false, true] {
        let world = World::new(|_| (200, SECOND), |_, _| ok());
        let call = world.call(replays);
        assert!(call("/a").await);
        sleep(100 * SECOND).await;
        world.revoke();
        let late = world.clone();
        tokio::spawn(async move {
            sleep(SECOND / 2).await;
            late.revoke();
        });
        // At most one request is rejected for each revocation.
        let most = if replays { 1 } else { 2 };
        let rejected = rejected_of_a_minute(&call).await;
        assert!(rejected.len() <= most, "replays: {replays}: {rejected:?}");
        assert_eq!(world.requests(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn revocation_is_handled_after_callers_gave_up() {
    for replays in [false, true] {
        let world = World::new(|_| (200, SECOND * 6 / 5), |_, _| ok());
        let call = world.call(replays);
        let mut failed = 0;
        for second in 0..120 {
            if [10, 35].contains(&second) {
                world.revoke();
            }
            failed += usize::from(timeout(SECOND, call("/a")).await != Ok(true));
            sleep(SECOND).await;
        }
        // The first request, and for each revocation one that is rejected and one that gives up.
        assert!(failed <= 5, "replays: {replays}: {failed}");
        assert_eq!(world.requests(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn paths_that_always_reject_leave_revocations_to_the_others() {
    for replays in [false, true] {
        for (evils, most) in [(1, 2), (2, 2), (3, 40), (8, 60)] {
            let world = World::new(|_| (200, SECOND / 5), evil);
            let call = world.call(replays);
            let mut rejected = Vec::new();
            for second in 0..180 {
                for number in 0..evils {
                    assert!(!call(&format!("/evil/{number}")).await);
                }
                if [30, 100].contains(&second) {
                    world.revoke();
                }
                if !call("/good").await {
                    rejected.push(second);
                }
                sleep(SECOND).await;
            }
            assert!(rejected.len() <= most, "{evils}, replays: {replays}: {rejected:?}");
            assert!(world.requests() <= 1 + 10 * 4, "{}", world.requests());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_token_service_delays_other_paths_a_little() {
    for replays in [false, true] {
        let service = |number| if number == 1 { (200, SECOND) } else { (503, 25 * SECOND) };
        let world = World::new(service, evil);
        let call = world.call(replays);
        assert!(call("/good").await);
        let (mut slow, mut evil_calls) = (0, 0);
        for number in 0..500 {
            if number % 20 == 0 {
                evil_calls += 1;
                tokio::spawn(call("/evil"));
            }
            let start = Instant::now();
            assert!(call("/good").await);
            slow += usize::from(start.elapsed() > SECOND / 2);
            sleep(SECOND / 2).await;
        }
        // One request waits a short time for each token request, and the others do not wait.
        assert!(slow <= world.requests(), "{slow}");
        assert!(world.requests() <= 8, "{}", world.requests());
        // No request is sent more than twice.
        assert!(world.sent("/evil") <= 2 * evil_calls, "{}", world.sent("/evil"));
    }
}

#[tokio::test]
async fn claims_challenge_replaces_the_token_of_a_managed_identity() {
    let identity = ManagedIdentity::new(Identity::system(), LocalHost).with_source(Source::Imds);
    let token_service = TokenService::of(identity, |_| None);
    let api = Api::accepting(&["t2"], challenge(&context("c1")));
    let service = token_service.layer().replay().layer(api);
    for _ in 0..2 {
        assert_eq!(send_to(&service, "/a").await, (200, "t2".to_owned()));
    }
    assert_eq!(token_service.requests(), 2);
    let resource = "resource=https%3A%2F%2Fgraph.microsoft.com";
    assert!(token_service.form(1).contains(resource), "{}", token_service.form(1));
}
