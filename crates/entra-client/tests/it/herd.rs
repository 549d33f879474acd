//! Many concurrent callers: one request for each slot, for successes and failures, even if the
//! caller that started it gives up.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use entra_client::observer::EventKind;
use entra_client::{Error, TokenOptions};

use crate::support::{Reply, Service, Stage, api, pass, seconds, settle, together};

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_of_an_empty_slot_are_one_request() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(1)));
    let outcomes = together(10_000, |_| {
        let client = stage.client.clone();
        async move { client.token(&api("graph")).await.unwrap().expose().to_owned() }
    })
    .await;
    assert!(outcomes.iter().all(|token| token == "t"));
    assert_eq!(stage.service.requests(), 1);
    assert_eq!(stage.count(EventKind::Joined), 9_999);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_of_a_failing_slot_share_the_error() {
    let rejection =
        r#"{"error":"invalid_client","error_codes":[7000215],"trace_id":"00000000-0000-4000-8000-000000000001"}"#;
    let stage = Stage::new(Service::always(Reply::body(401, rejection)).taking(Duration::from_millis(50)));
    let start = tokio::time::Instant::now();
    let outcomes = together(10_000, |_| {
        let client = stage.client.clone();
        async move { client.token(&api("graph")).await.unwrap_err() }
    })
    .await;
    assert_eq!(start.elapsed(), Duration::from_millis(50));
    for error in outcomes {
        assert_eq!(error.service().unwrap().codes, [7_000_215]);
        assert_eq!(
            error.service().unwrap().trace_id.as_deref(),
            Some("00000000-0000-4000-8000-000000000001")
        );
        assert!(!error.is_cached());
    }
    assert_eq!(stage.service.requests(), 1);
    // The next caller gets the same error, without a request.
    let error = stage.client.token(&api("graph")).await.unwrap_err();
    assert!(error.is_cached() && error.retry_after() == Some(seconds(5)), "{error}");
    assert_eq!(stage.service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn hundred_slots_of_hundred_callers_are_hundred_requests() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(1)));
    let start = tokio::time::Instant::now();
    together(10_000, |n| {
        let client = stage.client.clone();
        async move { client.token(&api(&format!("api{}", n % 100))).await.unwrap() }
    })
    .await;
    assert_eq!(stage.service.requests(), 100);
    assert_eq!(start.elapsed(), seconds(1), "all requests run at once");
}

#[tokio::test(start_paused = true)]
async fn slow_slot_delays_no_other() {
    let service = Service::new(|_, seen| {
        let slow = seen.value("scope").unwrap().contains("slow");
        (
            if slow { seconds(25) } else { Duration::ZERO },
            Reply::Token("t", 3600, ""),
        )
    });
    let stage = Stage::new(service);
    stage.client.token(&api("cached")).await.unwrap();
    let slow = tokio::spawn({
        let client = stage.client.clone();
        async move { client.token(&api("slow")).await }
    });
    settle().await;
    let start = tokio::time::Instant::now();
    stage.client.token(&api("cached")).await.unwrap();
    stage.client.token(&api("other")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(!slow.is_finished());
    slow.await.unwrap().unwrap();
}

/// Polls the caller that starts the flight `polls` times and drops it. Returns true if it was done.
async fn start_and_give_up(stage: &Stage, polls: usize) -> bool {
    let target = api("graph");
    let mut first = pin!(stage.client.token(&target));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if first.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        // The network responds, or a pause between attempts ends.
        pass(seconds(3)).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn flight_survives_its_caller_at_any_await() {
    for polls in 1.. {
        // Two attempts fail, so that there are several kinds of awaits.
        let replies = [Reply::status(503), Reply::Broken, Reply::Token("t", 3600, "")];
        let stage = Stage::new(Service::replies(&replies).taking(seconds(1)));
        let target = api("graph");
        let mut second = Box::pin(stage.client.token(&target));
        let mut context = Context::from_waker(Waker::noop());
        let done = {
            let mut first = pin!(stage.client.token(&target));
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
            settle().await;
            assert_eq!(stage.service.requests(), 1, "the second caller waits");
            let mut done = false;
            for _ in 1..polls {
                pass(seconds(3)).await;
                done = matches!(first.as_mut().poll(&mut context), Poll::Ready(_));
                if done {
                    break;
                }
            }
            done
        };
        assert_eq!(second.await.unwrap().expose(), "t", "after {polls} polls");
        assert_eq!(stage.service.in_flight(), 0);
        assert_eq!(stage.service.requests(), 3, "the flight goes on without its caller");
        if done {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slot_is_free_after_its_caller_gives_up() {
    for polls in 1..4 {
        let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(4)));
        if !start_and_give_up(&stage, polls).await {
            assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "t");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn panic_of_the_transport_is_a_failure_that_cools_down() {
    let stage = Stage::new(Service::replies(&[Reply::Panic, Reply::Token("t", 3600, "")]).taking(seconds(1)));
    let target = api("graph");
    let first = tokio::spawn({
        let (client, target) = (stage.client.clone(), target.clone());
        async move { client.token(&target).await }
    });
    settle().await;
    let others: Vec<_> = (0..100)
        .map(|_| {
            let (client, target) = (stage.client.clone(), target.clone());
            tokio::spawn(async move { client.token(&target).await })
        })
        .collect();
    first.await.unwrap().unwrap_err();
    for other in others {
        other.await.unwrap().unwrap_err();
    }
    assert!(stage.client.token(&target).await.unwrap_err().is_cached());
    assert_eq!(stage.service.requests(), 1);
    pass(seconds(5)).await;
    assert_eq!(stage.client.token(&target).await.unwrap().expose(), "t");
}

#[tokio::test(start_paused = true)]
async fn caller_that_gives_up_affects_no_other() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(2)));
    let impatient = together(100, |_| {
        let client = stage.client.clone();
        async move {
            tokio::time::timeout(seconds(1), client.token(&api("graph")))
                .await
                .is_err()
        }
    });
    let patient = tokio::spawn({
        let client = stage.client.clone();
        async move { client.token(&api("graph")).await }
    });
    assert!(impatient.await.into_iter().all(|gave_up| gave_up));
    assert_eq!(patient.await.unwrap().unwrap().expose(), "t");
    assert_eq!(stage.service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn concurrent_forced_refreshes_are_one_request() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(1)));
    let force = || TokenOptions::default().with_force_refresh(true);
    let all: Vec<Result<_, Error>> = together(100, |_| {
        let client = stage.client.clone();
        async move { client.token_with(&api("graph"), &force()).await }
    })
    .await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(stage.service.requests(), 1);
    stage.client.token_with(&api("graph"), &force()).await.unwrap();
    stage.client.token_with(&api("graph"), &force()).await.unwrap();
    assert_eq!(stage.service.requests(), 3);
}

#[test]
fn runtime_that_shuts_down_blocks_no_slot() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    let stage = first.block_on(async {
        let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(5)));
        drop(tokio::spawn({
            let client = stage.client.clone();
            async move { client.token(&api("graph")).await }
        }));
        settle().await;
        assert_eq!(stage.service.in_flight(), 1);
        stage
    });
    drop(first);
    let token = runtime().block_on(stage.client.token(&api("graph")));
    assert_eq!(token.unwrap().expose(), "t");
}

#[tokio::test(start_paused = true)]
async fn caller_that_is_not_polled_delays_no_other() {
    let stage = Stage::new(Service::always(Reply::Token("t", 3600, "")).taking(seconds(1)));
    let target = api("graph");
    let mut held = Box::pin(stage.client.token(&target));
    let mut context = Context::from_waker(Waker::noop());
    assert!(held.as_mut().poll(&mut context).is_pending());
    let start = tokio::time::Instant::now();
    let others = together(100, |_| {
        let client = stage.client.clone();
        async move { client.token(&api("graph")).await.unwrap() }
    });
    assert_eq!(others.await.len(), 100);
    assert_eq!((start.elapsed(), stage.service.requests()), (seconds(1), 1));
    assert_eq!(
        held.await.unwrap().expose(),
        "t",
        "the caller gets a token when it is polled at last"
    );
}
