//! Outages of the service: callers do not notice them while the old token is unexpired, and cause
//! no extra load.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::observer::{Event, EventKind};
use entra_client::{Policy, TokenOptions};
use entra_proto::acquire::RetryPolicy;
use entra_proto::error::ErrorClass;

use crate::support::{Reply, Service, Stage, api, pass, seconds, settle, together};

/// A token for an hour that needs refresh after half of it.
const HOUR: Reply = Reply::Token("first", 3600, r#","refresh_in":1800"#);
const NEXT: Reply = Reply::Token("second", 3600, r#","refresh_in":1800"#);

#[tokio::test(start_paused = true)]
async fn token_that_needs_refresh_is_returned_during_one_refresh() {
    let stage = Stage::new(Service::replies(&[HOUR, NEXT]).taking(seconds(10)));
    stage.client.token(&api("graph")).await.unwrap();
    pass(seconds(1799)).await;
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(stage.service.requests(), 1, "it does not need refresh yet");

    pass(seconds(1)).await;
    let start = tokio::time::Instant::now();
    for token in together(1000, |_| {
        let client = stage.client.clone();
        async move { client.token(&api("graph")).await.unwrap() }
    })
    .await
    {
        assert_eq!(token.expose(), "first");
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "callers do not wait");
    settle().await;
    assert_eq!(stage.service.requests(), 2, "one refresh for all");
    pass(seconds(10)).await;
    settle().await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "second");
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn outage_before_expiry_affects_no_caller() {
    let service = Service::new(|n, seen| {
        let down = (1800..3500).contains(&seen.at.as_secs());
        let reply = match n {
            0 => HOUR,
            _ if down => Reply::status(503),
            _ => NEXT,
        };
        (Duration::from_millis(100), reply)
    });
    let stage = Stage::new(service);
    let mut refreshed_after = None;
    for second in 0..3600 {
        let token = stage
            .client
            .token(&api("graph"))
            .await
            .expect("the outage is invisible");
        if second > 3500 && token.expose() == "second" && refreshed_after.is_none() {
            refreshed_after = Some(second - 3500);
        }
        pass(seconds(1)).await;
    }
    assert!(
        refreshed_after.unwrap() <= 60 + 3,
        "one cool-down and its retries: {refreshed_after:?}"
    );
    // In the outage of 1,700 s: one refresh of three attempts a minute, once the cool-down has
    // grown.
    let failed = stage.count(EventKind::Failed);
    assert!((20..40).contains(&failed), "{failed}");
    assert!(
        stage.count(EventKind::ServedAnyway) > 0,
        "past the margin, 5 minutes before expiry, the token still serves"
    );
}

#[tokio::test(start_paused = true)]
async fn outage_past_expiry_is_an_error_that_ends_with_it() {
    let service = Service::new(|n, seen| {
        let reply = match n {
            0 => HOUR,
            _ if seen.at.as_secs() < 4000 => Reply::status(503),
            _ => NEXT,
        };
        (Duration::ZERO, reply)
    });
    let stage = Stage::new(service);
    stage.client.token(&api("graph")).await.unwrap();
    pass(seconds(3590)).await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "first");
    pass(seconds(10)).await;
    let error = stage.client.token(&api("graph")).await.unwrap_err();
    assert_eq!(
        (error.class(), error.service().unwrap().status),
        (ErrorClass::Transient, 503)
    );
    pass(seconds(460)).await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "second");
}

#[tokio::test(start_paused = true)]
async fn token_within_the_margin_is_returned_if_there_is_no_other() {
    for failure in [
        Reply::status(503),
        Reply::Broken,
        Reply::body(401, r#"{"error":"invalid_client","error_codes":[7000222]}"#),
    ] {
        let stage = Stage::new(Service::replies(&[Reply::Token("first", 3600, ""), failure]));
        stage.client.token(&api("graph")).await.unwrap();
        pass(seconds(3360)).await;
        let token = stage.client.token(&api("graph")).await.unwrap();
        assert_eq!(token.expose(), "first", "it is valid for 240 s more");
        // The attempts go on in the background, for three seconds at most.
        pass(seconds(2)).await;
        let asked = stage.service.requests();
        assert!(asked > 1);
        // While the failure is cached, no request is sent.
        stage.client.token(&api("graph")).await.unwrap();
        assert_eq!(stage.service.requests(), asked);
        assert_eq!(stage.count(EventKind::ServedAnyway), 2);
        // A caller that accepts no other token gets the error.
        let force = TokenOptions::default().with_force_refresh(true);
        assert!(stage.client.token_with(&api("graph"), &force).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn failure_is_cached_for_a_time_that_doubles() {
    let stage = Stage::with_policy(Service::always(Reply::status(400)), |_| {});
    let mut asked_at = Vec::new();
    let start = tokio::time::Instant::now();
    for _ in 0..300 {
        let before = stage.service.requests();
        stage.client.token(&api("graph")).await.unwrap_err();
        if stage.service.requests() > before {
            asked_at.push(start.elapsed().as_secs());
        }
        pass(seconds(1)).await;
    }
    assert_eq!(asked_at, [0, 5, 15, 35, 75, 135, 195, 255]);
}

#[tokio::test(start_paused = true)]
async fn observer_gets_the_cool_down() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let replies = [
        Reply::status(400),
        Reply::status(400),
        Reply::retry_after(429, "120"),
        Reply::status(400),
    ];
    let (note, mut policy) = (Arc::clone(&heard), Policy::default());
    policy.retry = RetryPolicy::never();
    let stage = Stage::with(Service::replies(&replies), move |builder| {
        builder.policy(policy).observer(move |event: &Event<'_>| {
            assert_eq!(event.cool_down.is_some(), event.kind == EventKind::Failed);
            note.lock().unwrap().extend(event.cool_down);
        })
    });
    for _ in 0..4 {
        stage.client.token(&api("graph")).await.unwrap_err();
        let cool_down = *heard.lock().unwrap().last().unwrap();
        pass(cool_down).await;
    }
    assert_eq!(stage.service.requests(), 4, "no request is too early");
    assert_eq!(*heard.lock().unwrap(), [5, 10, 120, 40].map(seconds));
}

#[tokio::test(start_paused = true)]
async fn success_resets_the_count_of_failures() {
    let bad = Reply::status(400);
    let replies = [bad.clone(), bad.clone(), Reply::Token("t", 301, ""), bad.clone(), bad];
    let stage = Stage::new(Service::replies(&replies));
    let ask = async || stage.client.token(&api("graph")).await;
    let _ = (
        ask().await,
        pass(seconds(5)).await,
        ask().await,
        pass(seconds(10)).await,
    );
    ask().await.unwrap();
    pass(seconds(301)).await;
    ask().await.unwrap_err();
    let left = ask().await.unwrap_err().retry_after();
    assert_eq!(left, Some(seconds(5)), "as after a first failure");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_in_every_form_for_its_slot() {
    // The value of the header, and the time without a request: at least the cool-down, at most an
    // hour.
    for (value, window) in [
        ("120", 120),
        ("0120", 120),
        (" 120 ", 120),
        ("0", 5),
        ("1", 5),
        ("3600", 3600),
        ("86400", 3600),
        ("99999999999999999999999", 3600),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120),
        ("Thursday, 01-Jan-26 00:02:00 GMT", 120),
        ("Thu Jan  1 00:02:00 2026", 120),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 5),
        ("Fri, 02 Jan 2026 00:00:00 GMT", 3600),
        ("-120", 5),
        ("1e30", 3600),
        ("soon", 5),
        ("", 5),
        ("12 0", 5),
        ("+120", 120),
        ("0x78", 5),
    ] {
        let service = Service::new(move |_, seen| {
            let limited = seen.value("scope").unwrap().contains("limited");
            let reply = if limited { Reply::retry_after(429, value) } else { HOUR };
            (Duration::ZERO, reply)
        });
        let stage = Stage::with_policy(service, |policy| policy.retry = RetryPolicy::never());
        stage.client.token(&api("limited")).await.unwrap_err();
        pass(seconds(window - 1)).await;
        let rejected = together(1000, |_| {
            let client = stage.client.clone();
            async move { client.token(&api("limited")).await.unwrap_err() }
        })
        .await;
        assert!(rejected.iter().all(entra_client::Error::is_cached), "{value}");
        assert_eq!(stage.service.requests(), 1, "{value}");
        assert_eq!(rejected[0].retry_after(), Some(seconds(1)), "{value}");
        stage.client.token(&api("other")).await.expect("other slots are free");
        let force = TokenOptions::default().with_force_refresh(true);
        stage
            .client
            .token_with(&api("limited"), &force)
            .await
            .expect_err("a forced refresh obeys Retry-After");
        assert_eq!(stage.service.requests(), 2, "{value}");
        pass(seconds(1)).await;
        stage.client.token(&api("limited")).await.unwrap_err();
        assert_eq!(stage.service.requests(), 3, "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn token_serves_through_throttling() {
    let stage = Stage::with_policy(Service::replies(&[HOUR, Reply::retry_after(429, "900")]), |policy| {
        policy.retry = RetryPolicy::never();
    });
    stage.client.token(&api("graph")).await.unwrap();
    pass(seconds(1800)).await;
    for _ in 0..900 {
        assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "first");
        pass(seconds(1)).await;
    }
    assert_eq!(stage.service.requests(), 2);
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn transient_errors_are_retried_and_permanent_ones_are_not() {
    for status in [408, 429, 500, 502, 503, 504] {
        let stage = Stage::new(Service::always(Reply::status(status)).taking(seconds(1)));
        let start = tokio::time::Instant::now();
        let error = stage.client.token(&api("graph")).await.unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(stage.service.requests(), 3, "{status}");
        assert!(start.elapsed() <= seconds(3 + 1 + 2), "{:?}", start.elapsed());
    }
    for (status, body) in [
        (400, r#"{"error":"invalid_scope","error_codes":[70011]}"#),
        (401, r#"{"error":"invalid_client","error_codes":[7000215]}"#),
        (400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#),
    ] {
        let stage = Stage::new(Service::always(Reply::body(status, body)));
        let all = together(1000, |_| {
            let client = stage.client.clone();
            async move { client.token(&api("graph")).await.unwrap_err() }
        })
        .await;
        assert!(all.iter().all(|error| !error.is_retryable()));
        assert_eq!(stage.service.requests(), 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn permanent_outage_gets_fewer_requests_and_blocks_no_slot() {
    let service = Service::new(|_, seen| {
        let down = seen.value("scope").unwrap().contains("down");
        (Duration::from_millis(100), if down { Reply::status(503) } else { HOUR })
    });
    let stage = Stage::new(service);
    let down = tokio::spawn({
        let client = stage.client.clone();
        async move {
            let start = tokio::time::Instant::now();
            while start.elapsed() < seconds(600) {
                client.token(&api("down")).await.unwrap_err();
                pass(seconds(1)).await;
            }
        }
    });
    settle().await;
    let start = tokio::time::Instant::now();
    stage.client.token(&api("up")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    down.await.unwrap();
    let flights = stage.count(EventKind::Failed);
    assert!((8..=14).contains(&flights), "{flights} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn invalid_input_fails_at_once_and_takes_no_slot() {
    let stage = Stage::new(Service::always(HOUR));
    let common = stage.client.tenant("common".parse::<entra_proto::Tenant>().unwrap());
    let error = common.token(&api("graph")).await.unwrap_err();
    assert_eq!((error.class(), error.is_cached()), (ErrorClass::Tenant, false));
    assert_eq!((stage.service.requests(), stage.client.cache_entries()), (0, 0));
}
