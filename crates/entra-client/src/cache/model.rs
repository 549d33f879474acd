//! A loom model of one slot. It explores every interleaving of two threads, and those of three
//! threads with at most two preemptions. The `arc-swap` cell of the token is replaced by a mutex.
//!
//! Run it with `RUSTFLAGS="--cfg entra_loom" cargo test --release -p entra-client --lib model`.

use std::sync::Arc;
use std::time::Duration;

use entra_proto::assertion::SignerError;
use entra_proto::cache::{FreshnessPolicy, Lifetime};
use entra_proto::{AccessToken, Target, Timestamp};
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::size::TotalSize;
use super::{FlightOwner, JoinOutcome, Key, Slot, Watcher};
use crate::clock::Moment;
use crate::error::Error;
use crate::policy::Policy;
use crate::subject::Subject;
use crate::token::{CacheEntry, Token};

const NOW: Moment = Moment {
    wall: Timestamp::from_secs(1_767_225_600),
    monotonic: Duration::from_secs(1000),
};

const PATIENCE: Duration = Duration::from_secs(120);

fn slot() -> Arc<Slot> {
    Arc::new(Slot::new(
        Key {
            tenant: Some("contoso.com".parse().unwrap()),
            target: Target::resource("https://graph.microsoft.com").unwrap(),
            claims: None,
            subject: Subject::Principal,
        },
        &TotalSize::default(),
    ))
}

fn token(owner: &FlightOwner) -> Token {
    let lifetime = Lifetime::new(NOW.wall, Duration::from_secs(3600), None);
    let stages = FreshnessPolicy::default().stages(&lifetime, 0);
    Token::new(
        AccessToken::new("t").unwrap(),
        &lifetime,
        stages,
        NOW,
        None,
        owner.origin(),
    )
}

/// Acts as a caller, which runs the flight with `run` if it has to start one.
fn call(slot: &Arc<Slot>, run: impl Fn(FlightOwner) -> Option<Result<Token, Error>>) -> Result<Token, Error> {
    loop {
        let outcome = match slot.join(NOW, None, PATIENCE) {
            JoinOutcome::Ready(token) => Some(Ok(token)),
            JoinOutcome::CoolingDown(error) => Some(Err(error)),
            JoinOutcome::Start(owner) => run(owner),
            JoinOutcome::Wait { waiter, serves, .. } => block_on(waiter).filter(|_| serves),
        };
        if let Some(outcome) = outcome {
            return outcome;
        }
    }
}

fn succeed(mut owner: FlightOwner) -> Option<Result<Token, Error>> {
    owner.start_request();
    respond(owner)
}

/// Completes the flight with the response to the request that was sent last.
fn respond(mut owner: FlightOwner) -> Option<Result<Token, Error>> {
    let token = token(&owner);
    owner.complete(&token, true, NOW, Duration::ZERO);
    Some(Ok(token))
}

#[test]
fn one_flight_serves_all_callers() {
    // Three threads have too many interleavings, so only those with up to two preemptions are run.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let (slot, flights) = (slot(), Arc::new(AtomicUsize::new(0)));
        let caller = |slot: Arc<Slot>, flights: Arc<AtomicUsize>| {
            move || {
                call(&slot, |owner| {
                    flights.fetch_add(1, Ordering::Relaxed);
                    succeed(owner)
                })
            }
        };
        let others: Vec<_> = (0..2)
            .map(|_| thread::spawn(caller(Arc::clone(&slot), Arc::clone(&flights))))
            .collect();
        let mine = caller(Arc::clone(&slot), Arc::clone(&flights))().unwrap();
        for other in others {
            assert_eq!(other.join().unwrap().unwrap().number(), mine.number());
        }
        assert_eq!(flights.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn failure_is_shared() {
    loom::model(|| {
        let (slot, flights) = (slot(), Arc::new(AtomicUsize::new(0)));
        let caller = |slot: Arc<Slot>, flights: Arc<AtomicUsize>| {
            move || {
                call(&slot, |mut owner| {
                    flights.fetch_add(1, Ordering::Relaxed);
                    let error = Error::from(entra_proto::Error::from(SignerError::new("sealed")));
                    owner.fail(error.clone(), Policy::default().cool_down, NOW);
                    Some(Err(error))
                })
            }
        };
        let other = thread::spawn(caller(Arc::clone(&slot), Arc::clone(&flights)));
        assert!(caller(Arc::clone(&slot), Arc::clone(&flights))().is_err());
        assert!(other.join().unwrap().is_err());
        assert_eq!(flights.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn waiting_caller_takes_over_an_abandoned_flight() {
    loom::model(|| {
        let (slot, started) = (slot(), Arc::new(AtomicUsize::new(0)));
        let quitter = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || match slot.join(NOW, None, PATIENCE) {
                JoinOutcome::Start(owner) => drop(owner),
                JoinOutcome::Wait { waiter, .. } => drop(waiter),
                JoinOutcome::Ready(_) | JoinOutcome::CoolingDown(_) => {}
            })
        };
        let stayer = {
            let (slot, started) = (Arc::clone(&slot), Arc::clone(&started));
            thread::spawn(move || {
                call(&slot, |owner| {
                    started.fetch_add(1, Ordering::Relaxed);
                    succeed(owner)
                })
            })
        };
        quitter.join().unwrap();
        stayer.join().unwrap().unwrap();
        assert_eq!(started.load(Ordering::Relaxed), 1);
        assert!(slot.peek(NOW).is_some());
    });
}

#[test]
fn rejected_token_is_replaced_by_one_flight() {
    loom::model(|| {
        let slot = slot();
        let rejected = call(&slot, succeed).unwrap().number();
        let version = slot.version();
        let api = |slot: Arc<Slot>| {
            move || {
                let is_new = slot.reject(rejected, NOW, &Policy::default());
                (is_new, newer(&slot, rejected))
            }
        };
        let other = thread::spawn(api(Arc::clone(&slot)));
        let (is_new, mine) = api(Arc::clone(&slot))();
        let (is_new_there, theirs) = other.join().unwrap();
        assert!(is_new != is_new_there, "the rejection is new once");
        assert!(mine.number() > rejected);
        assert_eq!(mine.number(), theirs.number(), "one flight for both");
        assert_eq!(slot.version(), version + 2);
    });
}

/// Completes a flight while the previous token is rejected: the new token was requested before
/// that, so it does not serve.
#[test]
fn token_from_before_the_rejection_does_not_serve() {
    loom::model(|| {
        let slot = slot();
        let rejected = call(&slot, succeed).unwrap().number();
        let JoinOutcome::Start(mut owner) = slot.join(NOW, Some(rejected), PATIENCE) else {
            panic!("there is no flight to wait for")
        };
        owner.start_request();
        let early = owner.origin().number;
        let completion = thread::spawn(move || {
            let token = token(&owner);
            owner.complete(&token, true, NOW, Duration::ZERO)
        });
        if slot.reject(rejected, NOW, &Policy::default()) {
            assert!(newer(&slot, rejected).number() > early);
        }
        completion.join().unwrap();
    });
}

/// Returns a token that was requested after the one with this number.
fn newer(slot: &Arc<Slot>, number: u64) -> Token {
    loop {
        let outcome = match slot.join(NOW, Some(number), PATIENCE) {
            JoinOutcome::Ready(token) => Some(Ok(token)),
            JoinOutcome::CoolingDown(error) => Some(Err(error)),
            JoinOutcome::Start(owner) => succeed(owner),
            JoinOutcome::Wait { waiter, serves, .. } => block_on(waiter).filter(|_| serves),
        };
        if let Some(outcome) = outcome {
            return outcome.unwrap();
        }
    }
}

#[test]
fn token_forgotten_in_flight_is_returned_but_not_cached() {
    loom::model(|| {
        let slot = slot();
        let JoinOutcome::Start(mut owner) = slot.join(NOW, None, PATIENCE) else {
            panic!("no flight starts")
        };
        owner.start_request();
        let forgetter = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.forget().wake())
        };
        assert!(respond(owner).unwrap().is_ok());
        forgetter.join().unwrap();
        assert!(slot.peek(NOW).is_none());
    });
}

#[test]
fn token_made_stale_in_flight_serves_until_a_newer_one() {
    loom::model(|| {
        let slot = slot();
        let JoinOutcome::Start(mut owner) = slot.join(NOW, None, PATIENCE) else {
            panic!("no flight starts")
        };
        owner.start_request();
        let consent = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.mark_stale())
        };
        assert!(respond(owner).unwrap().is_ok());
        consent.join().unwrap();
        assert!(slot.peek(NOW).is_none() && slot.unexpired(NOW).is_some());
        assert!(matches!(slot.join(NOW, None, PATIENCE), JoinOutcome::Start(_)));
    });
}

#[test]
fn change_wakes_all_watchers() {
    // Three threads have too many interleavings, so only those with up to two preemptions are run.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let slot = slot();
        let watch = |slot: &Arc<Slot>| {
            let mut watcher = Watcher::new(Arc::clone(slot));
            move || {
                // A lost wake-up would be a deadlock.
                while watcher.slot().peek(NOW).is_none() {
                    block_on(std::future::poll_fn(|cx| watcher.poll_change(cx)));
                }
            }
        };
        let (mine, other) = (watch(&slot), thread::spawn(watch(&slot)));
        let request = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || call(&slot, succeed).map(drop))
        };
        let mut mine = mine;
        mine();
        other.join().unwrap();
        request.join().unwrap().unwrap();
    });
}

#[test]
fn watcher_that_leaves_disturbs_no_other() {
    loom::model(|| {
        let slot = slot();
        let mut stays = Watcher::new(Arc::clone(&slot));
        let mut leaves = Watcher::new(Arc::clone(&slot));
        let leaver = thread::spawn(move || {
            let waker = std::task::Waker::noop();
            let _ = leaves.poll_change(&std::task::Context::from_waker(waker));
            drop(leaves);
        });
        let forgetter = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.forget().wake())
        };
        block_on(std::future::poll_fn(|cx| stays.poll_change(cx)));
        leaver.join().unwrap();
        forgetter.join().unwrap();
    });
}
