//! Watches: each new token of a slot, for drivers that push credentials and call nothing else.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use entra_client::clock::ManualClock;
use entra_client::observer::EventKind;
use entra_client::runtime::{BoxFuture, Runtime};
use entra_client::{Error, Token, TokenChanges, TokenSource, blocking};
use entra_proto::error::ErrorClass;
use tokio::time::{Instant, timeout};

use crate::support::users::AtOnce;
use crate::support::{CountedRandom, Reply, START, Service, Stage, api, app, pass, poll_once, seconds, secret, settle};

/// A token for an hour that needs refresh after half of it.
const HOUR: Reply = Reply::Token("first", 3600, r#","refresh_in":1800"#);
const NEXT: Reply = Reply::Token("second", 3600, r#","refresh_in":1800"#);

const NAMES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// A service whose n-th token is named after n, and lives for an hour.
fn numbered() -> Service {
    Service::new(|n, _| (Duration::ZERO, Reply::Token(NAMES[n], 3600, "")))
}

fn source(stage: &Stage) -> TokenSource {
    stage.client.source(&api("redis")).unwrap()
}

async fn next(changes: &mut TokenChanges) -> String {
    changes.next().await.unwrap().expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn refresh_is_started_without_other_callers() {
    let stage = Stage::new(Service::replies(&[HOUR, NEXT]).taking(seconds(2)));
    let (mut changes, start) = (source(&stage).changes(), Instant::now());
    assert_eq!(
        (next(&mut changes).await.as_str(), start.elapsed()),
        ("first", seconds(2))
    );
    assert_eq!(next(&mut changes).await, "second");
    let elapsed = start.elapsed();
    assert!((1804..1806).contains(&elapsed.as_secs()), "{elapsed:?}");
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn token_without_refresh_is_replaced_at_the_margin() {
    let stage = Stage::new(numbered());
    let (mut changes, start) = (source(&stage).changes(), Instant::now());
    for (n, name) in (0..).zip(&NAMES[..4]) {
        assert_eq!(next(&mut changes).await, *name);
        let elapsed = start.elapsed().as_secs();
        assert!((3300 * n..=3302 * n).contains(&elapsed), "{n}: {elapsed}");
    }
    assert_eq!(stage.service.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn current_token_is_returned_at_once_and_only_once() {
    let stage = Stage::new(numbered());
    let mut source = source(&stage);
    source.token().await.unwrap();
    pass(seconds(1000)).await;
    let mut changes = source.changes();
    assert!(matches!(poll_once(changes.next()).await, Poll::Ready(Ok(token)) if token.expose() == "0"));
    assert!(timeout(seconds(2000), changes.next()).await.is_err());
    assert_eq!(stage.service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn watches_and_callers_share_each_request() {
    let stage = Stage::new(Service::replies(&[HOUR, NEXT]).taking(seconds(1)));
    let watches: Vec<_> = (0..200)
        .map(|_| {
            let mut changes = source(&stage).changes();
            tokio::spawn(async move { [next(&mut changes).await, next(&mut changes).await] })
        })
        .collect();
    stage.client.token(&api("redis")).await.unwrap();
    for watch in watches {
        assert_eq!(watch.await.unwrap(), ["first", "second"]);
    }
    assert_eq!(stage.service.requests(), 2);
}

/// Returns the outcomes of a watch until this time, with the seconds at which they came.
async fn outcomes(changes: &mut TokenChanges, until: u64) -> Vec<(u64, Result<Token, Error>)> {
    let (start, mut outcomes) = (Instant::now(), Vec::new());
    let end = start + seconds(until);
    while let Ok(outcome) = tokio::time::timeout_at(end, changes.next()).await {
        outcomes.push((start.elapsed().as_secs(), outcome));
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn outage_is_reported_only_without_an_unexpired_token() {
    let service = Service::new(|n, seen| {
        let down = (1..5000).contains(&seen.at.as_secs());
        (
            Duration::ZERO,
            if down {
                Reply::status(503)
            } else {
                [HOUR, NEXT][n.min(1)].clone()
            },
        )
    });
    let stage = Stage::new(service);
    let outcomes = outcomes(&mut source(&stage).changes(), 5400).await;
    let (first, rest) = outcomes.split_first().unwrap();
    let (last, errors) = rest.split_last().unwrap();
    assert!(matches!(first, (0, Ok(token)) if token.expose() == "first"));
    assert!(
        matches!(last, (5000..=5065, Ok(token)) if token.expose() == "second"),
        "{last:?}"
    );
    for (at, outcome) in errors {
        assert!((3600..5000).contains(at), "{at}");
        assert_eq!(outcome.as_ref().unwrap_err().class(), ErrorClass::Transient);
    }
    // At the expiry, and then after each cool-down of one minute.
    assert_eq!(
        errors[0].0, 3600,
        "the driver learns at once that its token has expired"
    );
    assert!((22..26).contains(&errors.len()), "{}", errors.len());
    let failed = stage.count(EventKind::Failed);
    assert!((50..60).contains(&failed), "one failure a minute: {failed}");
    let served = stage.count(EventKind::ServedAnyway);
    assert!(
        served < 20,
        "within the margin, the watch waits for the cool-downs: {served}"
    );
}

#[tokio::test(start_paused = true)]
async fn watch_that_begins_in_an_outage_ends_with_a_token() {
    let rejection = Reply::body(401, r#"{"error":"invalid_client","error_codes":[7000215]}"#);
    let stage = Stage::new(Service::new(move |_, seen| {
        let reply = if seen.at < seconds(12) { rejection.clone() } else { HOUR };
        (Duration::ZERO, reply)
    }));
    let mut changes = source(&stage).changes();
    assert!(changes.next().await.is_err());
    // Another watch gets the cached failure at once, not after the cool-down.
    let mut other = source(&stage).changes();
    assert!(matches!(poll_once(other.next()).await, Poll::Ready(Err(error)) if error.is_cached()));
    let outcomes = outcomes(&mut changes, 60).await;
    let told: Vec<_> = outcomes.iter().map(|(at, outcome)| (*at, outcome.is_ok())).collect();
    assert_eq!(told, [(5, false), (15, true)], "after each cool-down");
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn events_lead_to_a_new_token_without_other_callers() {
    let stage = Stage::new(numbered());
    let source = source(&stage);
    let mut changes = source.changes();
    let mut token = changes.next().await.unwrap();
    let events: [&dyn Fn(&Token); 4] = [
        &|token| assert!(source.invalidate(token)),
        &|token| assert!(stage.client.invalidate(token)),
        &|_| stage.client.forget(&api("redis")),
        &|_| stage.client.clear(),
    ];
    for (n, event) in events.into_iter().enumerate() {
        assert!(
            timeout(seconds(100), changes.next()).await.is_err(),
            "{n}: nothing has changed"
        );
        event(&token);
        token = timeout(seconds(1), changes.next()).await.expect("a new token").unwrap();
        assert_eq!(token.expose(), NAMES[n + 1]);
    }
    assert_eq!(stage.service.requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn event_wakes_a_watch_that_waits() {
    let events: [fn(&Stage, &Token); 3] = [
        |stage, token| assert!(stage.client.invalidate(token)),
        |stage, _| stage.client.forget(&api("redis")),
        |stage, _| stage.client.clear(),
    ];
    for event in events {
        let stage = Stage::new(numbered());
        let mut changes = source(&stage).changes();
        let first = changes.next().await.unwrap();
        let watch = tokio::spawn(async move { next(&mut changes).await });
        settle().await;
        let start = Instant::now();
        event(&stage, &first);
        assert_eq!((watch.await.unwrap().as_str(), start.elapsed()), ("1", Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn api_that_rejects_every_token_causes_no_storm() {
    let stage = Stage::new(Service::new(|n, _| {
        (Duration::ZERO, Reply::Token(NAMES[n % 8], 3600, ""))
    }));
    let source = source(&stage);
    let mut changes = source.changes();
    let end = Instant::now() + seconds(600);
    while let Ok(token) = tokio::time::timeout_at(end, changes.next()).await {
        source.invalidate(&token.unwrap());
    }
    let requests = stage.service.requests();
    assert!((10..60).contains(&requests), "{requests}");
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_not_returned_again_in_an_outage() {
    let down = Reply::status(503);
    let stage = Stage::new(Service::replies(&[HOUR, down.clone(), down.clone(), down, NEXT]));
    let source = source(&stage);
    let mut changes = source.changes();
    source.invalidate(&changes.next().await.unwrap());
    let start = Instant::now();
    assert_eq!(next(&mut changes).await, "second");
    let elapsed = start.elapsed().as_secs();
    assert!((5..12).contains(&elapsed), "after one cool-down: {elapsed}");
}

#[tokio::test(start_paused = true)]
async fn late_token_does_not_follow_a_newer_one() {
    // The second request takes long, and the third overtakes it.
    let stage = Stage::new(Service::new(|n, _| {
        (seconds([0, 300, 1, 1, 1, 1][n]), Reply::Token(NAMES[n], 3600, ""))
    }));
    let source = source(&stage);
    let mut changes = source.changes();
    let first = changes.next().await.unwrap();
    source.invalidate(&first);
    assert!(timeout(seconds(10), changes.next()).await.is_err());
    let outcomes = outcomes(&mut changes, 600).await;
    let names: Vec<_> = outcomes
        .iter()
        .map(|(_, token)| token.as_ref().unwrap().expose())
        .collect();
    assert_eq!(names, ["2"], "a lost flight is overtaken after the patience");
}

#[tokio::test(start_paused = true)]
async fn token_forgotten_while_it_is_requested_is_not_returned() {
    let stage = Stage::new(Service::new(|n, _| (seconds(10), Reply::Token(NAMES[n], 3600, ""))));
    let mut changes = source(&stage).changes();
    assert!(timeout(seconds(5), changes.next()).await.is_err());
    stage.client.forget(&api("redis"));
    assert_eq!(next(&mut changes).await, "1");
    assert!(timeout(seconds(1000), changes.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn token_that_is_skipped_is_not_returned_late() {
    let stage = Stage::new(numbered());
    let mut source = source(&stage);
    let mut changes = source.changes();
    assert_eq!(next(&mut changes).await, "0");
    for _ in 0..2 {
        stage.client.forget(&api("redis"));
        source.token().await.unwrap();
    }
    assert_eq!(next(&mut changes).await, "2");
    assert!(timeout(seconds(1000), changes.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_cannot_be_used_on_arrival_are_paced() {
    let stage = Stage::with_policy(Service::always(Reply::Token("t", 3600, "")), |policy| {
        policy.freshness.margin = Duration::MAX;
        policy.freshness.margin_fraction = 1.0;
    });
    let outcomes = outcomes(&mut source(&stage).changes(), 60).await;
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
    assert!((59..=61).contains(&outcomes.len()), "{}", outcomes.len());
    assert_eq!(stage.service.requests(), outcomes.len());
}

#[tokio::test(start_paused = true)]
async fn machine_that_slept_is_noticed_within_a_minute() {
    let stage = Stage::new(numbered());
    let mut changes = source(&stage).changes();
    next(&mut changes).await;
    let watch = tokio::spawn(async move { next(&mut changes).await });
    settle().await;
    stage.clock.set_ahead(4000);
    assert_eq!(timeout(seconds(61), watch).await.unwrap().unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn future_that_is_dropped_loses_no_token() {
    let stage = Stage::new(Service::replies(&[HOUR, NEXT]).taking(seconds(20)));
    let mut changes = source(&stage).changes();
    let mut polls = 0;
    let first = loop {
        polls += 1;
        if let Ok(token) = timeout(seconds(3), changes.next()).await {
            break token.unwrap();
        }
    };
    assert_eq!((first.expose(), polls, stage.service.requests()), ("first", 7, 1));
    pass(seconds(10_000)).await;
    assert_eq!(next(&mut changes).await, "second", "it was not polled for long");
    assert_eq!(stage.service.requests(), 2);
}

/// A runtime that drops all tasks.
struct NoTasks;

impl Runtime for NoTasks {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, _: BoxFuture<()>) {}
}

#[tokio::test(start_paused = true)]
async fn runtime_that_drops_tasks_delays_the_token_only() {
    let stage = Stage::with(Service::replies(&[HOUR, NEXT]), |builder| builder.runtime(NoTasks));
    let (mut changes, start) = (source(&stage).changes(), Instant::now());
    assert_eq!(
        [next(&mut changes).await, next(&mut changes).await],
        ["first", "second"]
    );
    let elapsed = start.elapsed().as_secs();
    assert!((3300..3303).contains(&elapsed), "at the margin: {elapsed}");
    assert_eq!(stage.service.requests(), 2);
}

#[cfg(feature = "stream")]
#[tokio::test(start_paused = true)]
async fn watch_is_a_stream_that_does_not_end() {
    let stage = Stage::new(numbered());
    let mut stream = std::pin::pin!(source(&stage).changes());
    for name in &NAMES[..3] {
        let item = std::future::poll_fn(|cx| futures_core::Stream::poll_next(stream.as_mut(), cx)).await;
        assert_eq!(item.unwrap().unwrap().expose(), *name);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_watch_requests_nothing() {
    let stage = Stage::with_policy(numbered(), |policy| policy.capacity = 1);
    let mut changes = source(&stage).changes();
    next(&mut changes).await;
    stage.client.token(&api("other")).await.unwrap();
    assert_eq!(stage.client.cache_entries(), 2, "the entry of a watch is in use");
    assert!(timeout(seconds(1), changes.next()).await.is_err());
    drop(changes);
    stage.client.token(&api("third")).await.unwrap();
    assert_eq!(stage.client.cache_entries(), 1);
    pass(seconds(10_000)).await;
    assert_eq!(stage.service.requests(), 3);
}

#[test]
fn debug_shows_no_token() {
    let builder = blocking::Client::builder(app(secret()), AtOnce(Service::always(HOUR)));
    let client = builder.secure_random(CountedRandom::default()).build().unwrap();
    let mut changes = client.source(&api("redis")).unwrap().changes();
    changes.next().unwrap().unwrap();
    let debug = format!("{changes:?}");
    assert!(debug.starts_with("TokenChanges(") && debug.contains("redis"), "{debug}");
    assert!(!debug.contains("first") && !debug.contains("canary"), "{debug}");
}

type Spawned = Box<dyn FnOnce() + Send>;

/// A runtime that leaves spawned tasks for the test to run.
#[derive(Clone, Default)]
struct Hands(Arc<Mutex<Vec<Spawned>>>);

impl blocking::Runtime for Hands {
    fn sleep(&self, _: Duration) {}

    fn spawn(&self, task: Spawned) {
        self.0.lock().unwrap().push(task);
    }
}

#[test]
fn thread_that_watches_is_woken_by_a_new_token() {
    let (clock, hands) = (ManualClock::at(START), Hands::default());
    let service = Service::replies(&[HOUR, NEXT, Reply::Token("third", 3600, ""), Reply::status(400)]);
    let client = blocking::Client::builder(app(secret()), AtOnce(service.clone()))
        .clock(clock.clone())
        .secure_random(CountedRandom::default())
        .runtime(hands.clone())
        .build()
        .unwrap();
    let mut source = client.source(&api("redis")).unwrap();
    let mut changes = source.changes();
    assert_eq!(changes.next().unwrap().unwrap().expose(), "first");
    clock.advance(seconds(1800));
    thread::scope(|scope| {
        let watch = scope.spawn(|| changes.next().unwrap().unwrap());
        // It waits for the background refresh that it has started.
        let task = loop {
            match hands.0.lock().unwrap().pop() {
                Some(task) => break task,
                None => thread::yield_now(),
            }
        };
        task();
        assert_eq!(watch.join().unwrap().expose(), "second");
    });
    client.forget(&api("redis"));
    assert_eq!(source.token().unwrap().expose(), "third");
    assert_eq!(changes.next().unwrap().unwrap().expose(), "third");
    client.forget(&api("redis"));
    assert!(changes.next().unwrap().is_err());
    assert_eq!(service.requests(), 4);
}

/// A stream can be moved, so that drivers need not pin it.
#[test]
fn watch_can_be_sent_and_moved() {
    fn check<T: Send + Unpin + 'static>(_: T) {}
    let builder = blocking::Client::builder(app(secret()), AtOnce(Service::always(HOUR)));
    let client = builder.build().unwrap();
    check(client.source(&api("redis")).unwrap().changes());
    let of_async = |source: &TokenSource| check(source.changes());
    let _ = of_async;
}
