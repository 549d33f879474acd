//! Every interleaving of threads at one slot, explored by loom:
//! `RUSTFLAGS="--cfg entra_loom" cargo test --release -p entra-client --lib model`.

use std::sync::Arc;
use std::time::Duration;

use entra_proto::assertion::SignerError;
use entra_proto::cache::{FreshnessPolicy, Lifetime};
use entra_proto::{AccessToken, Target, Timestamp};
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::ledger::Ledger;
use super::{Key, Lead, Slot, Turn};
use crate::clock::Moment;
use crate::error::Error;
use crate::policy::Policy;
use crate::token::Token;

const NOW: Moment = Moment {
    wall: Timestamp::from_secs(1_767_225_600),
    monotonic: Duration::from_secs(1000),
};

const PATIENCE: Duration = Duration::from_secs(120);

fn slot() -> Arc<Slot> {
    Arc::new(Slot::new(
        Key {
            tenant: "contoso.com".parse().unwrap(),
            target: Target::resource("https://graph.microsoft.com").unwrap(),
            claims: None,
            user: None,
        },
        &Ledger::default(),
    ))
}

fn token(lead: &Lead) -> Token {
    let lifetime = Lifetime::new(NOW.wall, Duration::from_secs(3600), None);
    let stages = FreshnessPolicy::default().stages(&lifetime, 0);
    Token::new(
        AccessToken::new("t").unwrap(),
        &lifetime,
        stages,
        NOW,
        None,
        (Arc::downgrade(lead.slot()), lead.number()),
    )
}

/// A caller, who leads in the way given where it is his turn.
fn call(slot: &Arc<Slot>, lead: impl Fn(Lead) -> Option<Result<Token, Error>>) -> Result<Token, Error> {
    loop {
        let outcome = match slot.join(NOW, None, PATIENCE) {
            Turn::Ready(token) => Some(Ok(token)),
            Turn::Cooling(error) => Some(Err(error)),
            Turn::Lead(turn) => lead(turn),
            Turn::Wait { waiter, serves, .. } => block_on(waiter).filter(|_| serves),
        };
        if let Some(outcome) = outcome {
            return outcome;
        }
    }
}

fn land(mut lead: Lead) -> Option<Result<Token, Error>> {
    lead.depart();
    arrive(lead)
}

/// The response to the request that was sent last.
fn arrive(mut lead: Lead) -> Option<Result<Token, Error>> {
    let token = token(&lead);
    lead.land(&token, true, NOW, Duration::ZERO);
    Some(Ok(token))
}

#[test]
fn one_flies_and_all_get_what_it_brings() {
    // Three threads have too many interleavings for all of them: those with up to two preemptions.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let (slot, flights) = (slot(), Arc::new(AtomicUsize::new(0)));
        let caller = |slot: Arc<Slot>, flights: Arc<AtomicUsize>| {
            move || {
                call(&slot, |lead| {
                    flights.fetch_add(1, Ordering::Relaxed);
                    land(lead)
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
fn a_failure_is_shared_as_well() {
    loom::model(|| {
        let (slot, flights) = (slot(), Arc::new(AtomicUsize::new(0)));
        let caller = |slot: Arc<Slot>, flights: Arc<AtomicUsize>| {
            move || {
                call(&slot, |mut lead| {
                    flights.fetch_add(1, Ordering::Relaxed);
                    let error = Error::from(entra_proto::Error::from(SignerError::new("sealed")));
                    lead.fail(error.clone(), Policy::default().cool_down, NOW);
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
fn whoever_waits_takes_over_from_a_lead_that_goes_away() {
    loom::model(|| {
        let (slot, led) = (slot(), Arc::new(AtomicUsize::new(0)));
        let quitter = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || match slot.join(NOW, None, PATIENCE) {
                Turn::Lead(lead) => drop(lead),
                Turn::Wait { waiter, .. } => drop(waiter),
                Turn::Ready(_) | Turn::Cooling(_) => {}
            })
        };
        let stayer = {
            let (slot, led) = (Arc::clone(&slot), Arc::clone(&led));
            thread::spawn(move || {
                call(&slot, |lead| {
                    led.fetch_add(1, Ordering::Relaxed);
                    land(lead)
                })
            })
        };
        quitter.join().unwrap();
        stayer.join().unwrap().unwrap();
        assert_eq!(led.load(Ordering::Relaxed), 1);
        assert!(slot.peek(NOW).is_some());
    });
}

#[test]
fn rejected_token_is_replaced_by_one_flight() {
    loom::model(|| {
        let slot = slot();
        let rejected = call(&slot, land).unwrap().number();
        let version = slot.version();
        let api = |slot: Arc<Slot>| {
            move || {
                let is_news = slot.reject(rejected, NOW, &Policy::default());
                (is_news, newer(&slot, rejected))
            }
        };
        let other = thread::spawn(api(Arc::clone(&slot)));
        let (is_news, mine) = api(Arc::clone(&slot))();
        let (is_news_there, theirs) = other.join().unwrap();
        assert!(is_news != is_news_there, "it is news once");
        assert!(mine.number() > rejected);
        assert_eq!(mine.number(), theirs.number(), "one flight for both");
        assert_eq!(slot.version(), version + 2);
    });
}

/// A flight that lands while its token's predecessor is rejected: its token was requested before, and does not serve.
#[test]
fn token_from_before_the_rejection_does_not_serve() {
    loom::model(|| {
        let slot = slot();
        let rejected = call(&slot, land).unwrap().number();
        let Turn::Lead(mut lead) = slot.join(NOW, Some(rejected), PATIENCE) else {
            panic!("there is no flight to wait for")
        };
        lead.depart();
        let early = lead.number();
        let landing = thread::spawn(move || {
            let token = token(&lead);
            lead.land(&token, true, NOW, Duration::ZERO)
        });
        if slot.reject(rejected, NOW, &Policy::default()) {
            assert!(newer(&slot, rejected).number() > early);
        }
        landing.join().unwrap();
    });
}

/// A token that was requested after the one of this number.
fn newer(slot: &Arc<Slot>, number: u64) -> Token {
    loop {
        let outcome = match slot.join(NOW, Some(number), PATIENCE) {
            Turn::Ready(token) => Some(Ok(token)),
            Turn::Cooling(error) => Some(Err(error)),
            Turn::Lead(turn) => land(turn),
            Turn::Wait { waiter, serves, .. } => block_on(waiter).filter(|_| serves),
        };
        if let Some(outcome) = outcome {
            return outcome.unwrap();
        }
    }
}

#[test]
fn what_was_forgotten_meanwhile_is_given_out_and_not_kept() {
    loom::model(|| {
        let slot = slot();
        let Turn::Lead(mut lead) = slot.join(NOW, None, PATIENCE) else {
            panic!("nobody leads")
        };
        lead.depart();
        let forgetter = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.forget())
        };
        assert!(arrive(lead).unwrap().is_ok());
        forgetter.join().unwrap();
        assert!(slot.peek(NOW).is_none());
    });
}

#[test]
fn what_was_reconsidered_meanwhile_is_asked_for_again_and_is_better_than_nothing() {
    loom::model(|| {
        let slot = slot();
        let Turn::Lead(mut lead) = slot.join(NOW, None, PATIENCE) else {
            panic!("nobody leads")
        };
        lead.depart();
        let consent = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.reconsider())
        };
        assert!(arrive(lead).unwrap().is_ok());
        consent.join().unwrap();
        assert!(slot.peek(NOW).is_none() && slot.living(NOW).is_some());
        assert!(matches!(slot.join(NOW, None, PATIENCE), Turn::Lead(_)));
    });
}
