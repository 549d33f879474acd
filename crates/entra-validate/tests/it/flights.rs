//! The async driver: one flight for all callers, even if some of them are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_transport::{Request, Transport, TransportError, transport_fn};
use entra_validate::{FORCED_REFRESH_INTERVAL, Principal, REFRESH_INTERVAL, Rejection, Rule, Tenants, Validator};
use tokio::sync::Semaphore;

use crate::support::*;

/// Returns a transport that responds to one request for each permit.
fn gated(cloud: &Cloud, gate: &Arc<Semaphore>) -> impl Transport + use<> {
    let (cloud, gate) = (cloud.clone(), Arc::clone(gate));
    transport_fn(move |request: Request| {
        let (cloud, gate) = (cloud.clone(), Arc::clone(&gate));
        async move {
            gate.acquire().await.expect("it stays open").forget();
            Ok::<_, TransportError>(cloud.respond(&request))
        }
    })
}

fn validator(cloud: &Cloud, clock: &Clock) -> Validator {
    Validator::with_clock(api(), cloud.transport(), clock.reader())
}

#[tokio::test]
async fn ten_thousand_first_requests_make_one_fetch() {
    let (cloud, gate) = (Cloud::new(), Arc::new(Semaphore::new(0)));
    let validator = Validator::with_clock(api(), gated(&cloud, &gate), Clock::new().reader());
    let token: Arc<str> = daemon().sign().into();
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let (validator, token) = (validator.clone(), Arc::clone(&token));
            tokio::spawn(async move { validator.validate(&token).await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    gate.add_permits(2);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(cloud.requests().len(), 2, "{:?}", cloud.requests());
}

#[tokio::test]
async fn ten_thousand_forged_kids_make_one_fetch() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = validator(&cloud, &clock);
    assert!(validator.validate(&clock.token(0)).await.is_ok());
    clock.advance(FORCED_REFRESH_INTERVAL);
    let payload = serde_json::Value::from(daemon().claims).to_string();
    let unsigned = sign(r#"{"alg":"RS256"}"#, &payload, 0);
    let (_, rest) = unsigned.split_once('.').unwrap();
    for at in 0..10_000 {
        use base64::Engine as _;
        let header = format!(r#"{{"alg":"RS256","kid":"forged {at}"}}"#);
        let token = format!(
            "{}.{rest}",
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header)
        );
        assert_eq!(validator.validate(&token).await, Err(Rejection::UnknownKey));
    }
    assert_eq!(cloud.fetches(), 2);
    assert!(validator.validate(&clock.token(0)).await.is_ok());
}

#[tokio::test]
async fn rejected_tokens_fetch_nothing() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = validator(&cloud, &clock);
    let mut without_kid = daemon();
    without_kid.header.remove("kid");
    for forge in [
        daemon().header("alg", "none"),
        daemon().with("ver", "3.0"),
        daemon().without("tid"),
        daemon().with("iss", "https://evil.example/"),
        without_kid,
    ] {
        assert!(validator.validate(&forge.sign()).await.is_err());
    }
    assert!(validator.validate("garbage").await.is_err());
    assert_eq!(cloud.requests(), [""; 0]);
}

#[tokio::test]
async fn tenant_of_a_token_does_not_choose_an_address() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = Validator::with_clock(api_for(Tenants::Any), cloud.transport(), clock.reader());
    for at in 0..100 {
        let tenant = format!("aaaabbbb-0000-cccc-1111-dddd2222ee{at:02}");
        let iss = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let token = daemon().with("tid", tenant).with("iss", iss).sign();
        assert!(validator.validate(&token).await.is_ok());
    }
    assert_eq!(cloud.requests().len(), 2, "{:?}", cloud.requests());
}

#[tokio::test]
async fn flight_continues_when_its_caller_is_dropped() {
    let (cloud, gate) = (Cloud::new(), Arc::new(Semaphore::new(0)));
    let validator = Validator::with_clock(api(), gated(&cloud, &gate), Clock::new().reader());
    let token = daemon().sign();
    for _ in 0..50 {
        let impatient = tokio::time::timeout(Duration::ZERO, validator.validate(&token)).await;
        assert!(impatient.is_err());
    }
    gate.add_permits(2);
    while cloud.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(validator.validate(&token).await.is_ok());
    assert_eq!(cloud.requests().len(), 2);
}

/// Without a runtime, the waiters poll the flight.
#[test]
fn flight_needs_no_runtime() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let (cloud, gate) = (Cloud::new(), Arc::new(Semaphore::new(0)));
    let validator = Validator::with_clock(api(), gated(&cloud, &gate), Clock::new().reader());
    let token = daemon().sign();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut owner = pin!(validator.validate(&token));
        assert!(owner.as_mut().poll(&mut context).is_pending());
    }
    let mut second = pin!(validator.validate(&token));
    let mut third = pin!(validator.validate(&token));
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert!(third.as_mut().poll(&mut context).is_pending());
    gate.add_permits(2);
    assert!(matches!(third.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    assert!(matches!(second.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    assert_eq!(cloud.requests().len(), 2);
}

/// Callers in another runtime continue a flight whose runtime ended.
#[test]
fn flight_survives_its_runtime() {
    let (cloud, gate) = (Cloud::new(), Arc::new(Semaphore::new(0)));
    let validator = Validator::with_clock(api(), gated(&cloud, &gate), Clock::new().reader());
    let token = daemon().sign();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    runtime().block_on(async {
        assert!(
            tokio::time::timeout(Duration::from_millis(1), validator.validate(&token))
                .await
                .is_err()
        );
    });
    gate.add_permits(2);
    assert!(runtime().block_on(validator.validate(&token)).is_ok());
    assert_eq!(cloud.requests().len(), 2);
}

#[tokio::test]
async fn refresh_does_not_block_callers() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let gate = Arc::new(Semaphore::new(2));
    let validator = Validator::with_clock(api(), gated(&cloud, &gate), clock.reader());
    assert!(validator.validate(&clock.token(0)).await.is_ok());
    clock.advance(REFRESH_INTERVAL);
    cloud.publish([KEYS[1].jwk()]);
    // Without a permit the refresh hangs, and the old keys are used.
    for _ in 0..10 {
        assert!(validator.validate(&clock.token(0)).await.is_ok());
    }
    gate.add_permits(2);
    assert!(validator.validate(&clock.token(1)).await.is_ok());
    assert_eq!(validator.validate(&clock.token(0)).await, Err(Rejection::UnknownKey));
    assert_eq!(cloud.fetches(), 2);
}

#[tokio::test]
async fn rotation_needs_no_restart() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = validator(&cloud, &clock);
    assert!(validator.validate(&clock.token(0)).await.is_ok());
    clock.advance(Duration::from_secs(3600));
    cloud.publish([KEYS[0].jwk(), KEYS[1].jwk()]);
    assert!(validator.validate(&clock.token(1)).await.is_ok());
    assert!(validator.validate(&clock.token(0)).await.is_ok());
    assert_eq!(cloud.fetches(), 2);
}

#[tokio::test]
async fn outage_causes_one_attempt_and_ends() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = validator(&cloud, &clock);
    cloud.fail(503, Some("7"));
    for _ in 0..100 {
        let rejection = validator.validate(&clock.token(0)).await.unwrap_err();
        assert_eq!(
            (rejection.status().as_u16(), rejection.retry_after()),
            (503, Some(Duration::from_secs(7)))
        );
    }
    assert_eq!(cloud.fetches(), 1);
    let report = validator.report(&clock.token(0)).await;
    assert!(matches!(report.rejection(), Some(Rejection::KeysUnavailable { .. })));
    cloud.recover();
    clock.advance(Duration::from_secs(7));
    assert!(matches!(
        validator.validate(&clock.token(0)).await,
        Ok(Principal::App(_))
    ));
    assert!(validator.report(&clock.token(0)).await.is_valid());
}

#[tokio::test]
async fn failed_transport_is_an_outage() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let transport = transport_fn(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err(TransportError::not_connected()) }
    });
    let validator = Validator::with_clock(api(), transport, Clock::new().reader());
    let Err(Rejection::KeysUnavailable { problem, .. }) = validator.validate(&daemon().sign()).await else {
        panic!("there are no keys");
    };
    assert!(problem.contains("no connection"), "{problem}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn panic_of_the_transport_releases_all_callers() {
    let transport = transport_fn(|_| async {
        tokio::task::yield_now().await;
        panic!("a bug of the transport")
    });
    let validator = Validator::with_clock(api(), transport, Clock::new().reader());
    let token = daemon().sign();
    let (first, second) = tokio::join!(validator.validate(&token), validator.validate(&token));
    for outcome in [first, second] {
        assert!(matches!(outcome, Err(Rejection::KeysUnavailable { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn each_version_has_its_own_keys() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = validator(&cloud, &clock);
    for _ in 0..3 {
        assert!(validator.validate(&daemon().sign()).await.is_ok());
        assert!(validator.validate(&daemon_v1().sign()).await.is_ok());
    }
    let requests = cloud.requests();
    assert_eq!(requests.len(), 4, "{requests:?}");
    assert!(requests[0].contains("/v2.0/.well-known") && requests[1].ends_with("/discovery/v2.0/keys"));
    assert!(!requests[2].contains("v2.0") && requests[3].ends_with("/common/discovery/keys"));
}

#[tokio::test]
async fn report_shows_every_rule() {
    let validator = validator(&Cloud::new(), &Clock::new());
    let report = validator.report(&daemon().with("aud", "other").sign()).await;
    assert_eq!(report.rejection().and_then(Rejection::rule), Some(Rule::Audience));
    let text = report.to_string();
    assert_eq!(text.lines().count(), 18);
    assert_eq!(text.lines().filter(|line| line.contains("pass")).count(), 9);
    assert!(
        text.lines()
            .nth(9)
            .unwrap()
            .starts_with("R10 audience    FAIL: aud is \"other\""),
        "{text}"
    );
    assert!(text.lines().last().unwrap().ends_with("not reached"));
}

#[tokio::test]
async fn jumping_clock_blocks_no_request_forever() {
    let cloud = Cloud::new();
    let clock = Clock::new();
    let reader = clock.reader();
    let leaping = move || {
        clock.advance(FORCED_REFRESH_INTERVAL);
        reader()
    };
    let validator = Validator::with_clock(api(), cloud.transport(), leaping);
    assert_eq!(
        validator.validate(&daemon().header("kid", "forged").sign()).await,
        Err(Rejection::UnknownKey)
    );
    assert!(cloud.fetches() <= 4, "{}", cloud.fetches());
}

/// The runtime of the first caller is alive but not polled, so its task makes no progress.
#[test]
fn stalled_flight_blocks_no_caller_forever() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let transport = transport_fn(move |request: Request| {
        let (cloud, call) = (cloud.clone(), counted.fetch_add(1, Ordering::SeqCst));
        async move {
            if call == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, TransportError>(cloud.respond(&request))
        }
    });
    let validator = Validator::with_clock(api(), transport, clock.reader());
    let token = clock.token(0);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let (idle, driven) = (runtime(), runtime());
    let brief = Duration::from_millis(1);
    idle.block_on(async { assert!(tokio::time::timeout(brief, validator.validate(&token)).await.is_err()) });
    driven.block_on(async {
        let waiting = tokio::spawn({
            let (validator, token) = (validator.clone(), token.clone());
            async move { validator.validate(&token).await.map(drop) }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(120));
        assert!(validator.validate(&token).await.is_ok());
        assert_eq!(waiting.await.unwrap(), Ok(()));
    });
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

/// Forged and dropped requests from many threads at once, when an unknown key may force a fetch.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn storm_from_many_threads_makes_one_fetch() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = validator(&cloud, &clock);
    assert!(validator.validate(&clock.token(0)).await.is_ok());
    clock.advance(FORCED_REFRESH_INTERVAL);
    let forged: Arc<str> = daemon().header("kid", "forged").sign().into();
    let good: Arc<str> = clock.token(0).into();
    let tasks: Vec<_> = (0..2_000)
        .map(|at| {
            let (validator, forged, good) = (validator.clone(), Arc::clone(&forged), Arc::clone(&good));
            tokio::spawn(async move {
                match at % 3 {
                    0 => drop(tokio::time::timeout(Duration::ZERO, validator.validate(&forged)).await),
                    1 => assert_eq!(validator.validate(&forged).await, Err(Rejection::UnknownKey)),
                    _ => assert!(validator.validate(&good).await.is_ok()),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(cloud.fetches(), 2);
}

/// The late end of a lost flight does not remove the flight that follows it.
#[tokio::test]
async fn end_of_a_lost_flight_keeps_the_next_one() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let gates = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
    let (calls, of_calls) = (Arc::new(AtomicUsize::new(0)), gates.clone());
    let (answering, counted) = (cloud.clone(), Arc::clone(&calls));
    let transport = transport_fn(move |request: Request| {
        let gate = Arc::clone(&of_calls[counted.fetch_add(1, Ordering::SeqCst).min(1)]);
        let cloud = answering.clone();
        async move {
            gate.acquire().await.expect("it stays open").forget();
            let mut response = cloud.respond(&request);
            if cloud.requests().len() == 1 {
                *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            }
            Ok::<_, TransportError>(response)
        }
    });
    let validator = Validator::with_clock(api(), transport, clock.reader());
    let start = || {
        let (validator, token) = (validator.clone(), clock.token(0));
        tokio::spawn(async move { validator.validate(&token).await.map(drop) })
    };
    let sent = |count| {
        let calls = Arc::clone(&calls);
        async move {
            while calls.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        }
    };
    let mut tasks = vec![start()];
    sent(1).await;
    clock.advance(Duration::from_secs(120));
    tasks.push(start());
    sent(2).await;
    gates[0].add_permits(1);
    while cloud.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    tasks.push(start());
    tokio::task::yield_now().await;
    gates[1].add_permits(10);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(cloud.requests().len(), 3, "{:?}", cloud.requests());
}

#[tokio::test]
async fn jumping_clock_in_an_outage_is_503() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    cloud.fail(503, None);
    let token = clock.token(0);
    let (reader, leap) = (clock.reader(), Duration::from_secs(600));
    let leaping = move || {
        let now = reader();
        clock.advance(leap);
        now
    };
    let rejection = Validator::with_clock(api(), cloud.transport(), leaping)
        .validate(&token)
        .await
        .unwrap_err();
    assert_eq!(rejection.status(), 503, "{rejection}");
}

/// After a forced fetch there is no other for minutes, so nothing else would release the waiters.
#[tokio::test]
async fn waiters_of_a_lost_forced_fetch_are_released() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let (calls, answering) = (Arc::new(AtomicUsize::new(0)), cloud.clone());
    let counted = Arc::clone(&calls);
    let transport = transport_fn(move |request: Request| {
        // The metadata and the keys arrive, and then there are no more responses.
        let is_silent = counted.fetch_add(1, Ordering::SeqCst) >= 2;
        let cloud = answering.clone();
        async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            Ok::<_, TransportError>(cloud.respond(&request))
        }
    });
    let validator = Validator::with_clock(api(), transport, clock.reader());
    assert!(validator.validate(&clock.token(0)).await.is_ok());
    clock.advance(Duration::from_secs(300));
    let start = || {
        let (validator, token) = (validator.clone(), clock.token(2));
        tokio::spawn(async move { validator.validate(&token).await.map(drop) })
    };
    let mut tasks = vec![start(), start()];
    while calls.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(120));
    tasks.push(start());
    for task in tasks {
        let outcome = tokio::time::timeout(Duration::from_secs(60), task).await;
        assert_eq!(
            outcome.expect("the waiter is released").unwrap(),
            Err(Rejection::UnknownKey)
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}
