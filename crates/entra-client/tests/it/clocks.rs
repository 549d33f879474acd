//! Clocks that jump, machines that sleep, and what comes due when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entra_client::blocking::Client;
use entra_client::clock::{Clock, ManualClock};
use entra_client::random::SecureRandom;
use entra_proto::{Guid, Target};
use entra_transport::{Body, Response, blocking_transport_fn};
use proptest::prelude::*;

use crate::support::{START, api, app, seconds, secret};

/// The same bytes for every draw.
struct Draw(Guid);

impl SecureRandom for Draw {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.copy_from_slice(self.0.as_bytes());
        Ok(())
    }
}

/// A client of a service that knows the true time: each token is named by the true second at which it dies.
struct Machine {
    client: Client,
    clock: ManualClock,
    truth: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
    api: Target,
}

impl Machine {
    fn new(life: u64, refresh_in: Option<u64>, id: Guid) -> Self {
        let (truth, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let transport = blocking_transport_fn({
            let (truth, requests) = (Arc::clone(&truth), Arc::clone(&requests));
            move |_| {
                requests.fetch_add(1, Ordering::Relaxed);
                let dies = truth.load(Ordering::Relaxed) + life;
                let more = refresh_in.map_or(String::new(), |refresh| format!(r#","refresh_in":{refresh}"#));
                let body = format!(r#"{{"expires_in":{life},"access_token":"{dies}"{more}}}"#);
                Ok(Response::new(Body::from(body)))
            }
        });
        let clock = ManualClock::at(START);
        let client = Client::builder(app(secret()), transport)
            .clock(clock.clone())
            .secure_random(Draw(id))
            .runtime(Inline)
            .build()
            .unwrap();
        Self {
            client,
            clock,
            truth,
            requests,
            api: api("graph"),
        }
    }

    fn pass(&self, time: u64) {
        self.truth.fetch_add(time, Ordering::Relaxed);
        self.clock.advance(seconds(time));
    }

    fn sleep(&self, time: u64) {
        self.truth.fetch_add(time, Ordering::Relaxed);
        self.clock.suspend(seconds(time));
    }

    fn set(&self, by: i64) {
        let (wall, jump) = (self.clock.now().wall, seconds(by.unsigned_abs()));
        self.clock
            .set_wall(if by < 0 { wall.minus(jump) } else { wall.plus(jump) });
    }

    fn ask(&self) -> u64 {
        self.client.token(&self.api).unwrap().expose().parse().unwrap()
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Runs refreshes at once, on the caller's thread.
struct Inline;

impl entra_client::blocking::Runtime for Inline {
    fn sleep(&self, _: Duration) {}

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        task();
    }
}

const ID: Guid = Guid::from_bytes([1; 16]);

#[test]
fn a_jump_of_either_clock_that_may_mean_expiry_asks_anew() {
    let hour = 3600;
    for (what, jump) in [
        (
            "the time set back an hour",
            (|m: &Machine| m.set(-3600)) as fn(&Machine),
        ),
        ("the time set back a day", |m| m.set(-86_400)),
        ("the time set forward an hour", |m| m.set(3600)),
        ("the time set forward ten years", |m| m.set(10 * 365 * 86_400)),
        ("an hour of sleep", |m| m.sleep(3600)),
        ("an hour", |m| m.pass(3600)),
    ] {
        let machine = Machine::new(hour, None, ID);
        machine.ask();
        jump(&machine);
        assert!(machine.ask() > machine.truth.load(Ordering::Relaxed), "{what}");
        assert_eq!(machine.requests(), 2, "{what}");
    }
}

#[test]
fn a_small_jump_forward_is_no_reason_to_ask() {
    let machine = Machine::new(3600, None, ID);
    machine.ask();
    machine.set(1800);
    machine.ask();
    assert_eq!(machine.requests(), 1);
    machine.set(-1799);
    machine.ask();
    assert_eq!(
        machine.requests(),
        1,
        "set right again, but not to before the token came"
    );
}

#[test]
fn a_clock_set_back_does_not_lengthen_a_life() {
    let machine = Machine::new(3600, None, ID);
    machine.pass(10_000);
    machine.ask();
    machine.pass(3000);
    machine.set(-2999);
    machine.pass(299);
    machine.ask();
    assert_eq!(machine.requests(), 1);
    machine.pass(1);
    machine.ask();
    assert_eq!(machine.requests(), 2, "by the monotonic clock its time is up");
}

#[derive(Clone, Debug)]
enum Happening {
    Pass(u64),
    Sleep(u64),
    Set(i64),
    Ask,
    Refuse,
}

fn happening() -> impl Strategy<Value = Happening> {
    let span = || prop_oneof![0_u64..10, 0_u64..400, 0_u64..4000, 0_u64..100_000];
    prop_oneof![
        span().prop_map(Happening::Pass),
        span().prop_map(Happening::Sleep),
        (span(), any::<bool>()).prop_map(|(by, back)| Happening::Set(if back { -(by as i64) } else { by as i64 })),
        Just(Happening::Ask),
        Just(Happening::Ask),
        Just(Happening::Refuse),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Whatever the clocks do: no token past its end. Half of the machines sleep, and the time of the others is set back. On one that
    /// does both, setting the time back hides the sleep from either clock, and no program can tell.
    #[test]
    fn no_token_is_given_out_past_its_true_expiry(
        sleeps in any::<bool>(),
        life in 1_u64..100_000,
        refresh_in in prop::option::of(1_u64..100_000),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let machine = Machine::new(life, refresh_in, ID);
        for happening in happenings {
            match happening {
                Happening::Pass(time) => machine.pass(time),
                Happening::Sleep(time) if sleeps => machine.sleep(time),
                Happening::Sleep(time) => machine.pass(time),
                Happening::Set(by) => machine.set(if sleeps { by.abs() } else { by }),
                Happening::Ask => {
                    let (dies, truth) = (machine.ask(), machine.truth.load(Ordering::Relaxed));
                    prop_assert!(dies > truth, "given out at {truth}, dead since {dies}");
                }
                Happening::Refuse => {
                    if let Some(token) = machine.client.cached(&machine.api) {
                        machine.client.invalidate(&token);
                    }
                }
            }
        }
    }
}

#[test]
fn many_processes_come_due_at_different_moments() {
    // A tenth of the time until the half of a day's life.
    let (due, window) = (43_200, 4320);
    let moments: Vec<u64> = (0..1000_u64)
        .map(|seed| {
            let id = Guid::from_random(
                (u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes(),
            );
            let machine = Machine::new(86_400, None, id);
            machine.ask();
            let due_at = machine.client.cached(&machine.api).unwrap().refresh_at().unwrap();
            due_at.since(START).as_secs()
        })
        .collect();
    let (first, last) = (*moments.iter().min().unwrap(), *moments.iter().max().unwrap());
    assert!(last <= due && first >= due - window - 1, "{first} to {last}");
    assert!(
        last - first >= window * 8 / 10,
        "spread over {} of {window}",
        last - first
    );
}

#[test]
fn time_on_the_way_is_taken_off_a_tokens_life() {
    let clock = ManualClock::at(START);
    let transport = blocking_transport_fn({
        let clock = clock.clone();
        move |_| {
            clock.advance(seconds(20));
            Ok(Response::new(Body::from(
                r#"{"expires_in":3600,"access_token":"t"}"#.to_owned(),
            )))
        }
    });
    let client = Client::builder(app(secret()), transport).clock(clock).build().unwrap();
    let token = client.token(&api("graph")).unwrap();
    assert_eq!(token.received_at(), START.plus(seconds(20)));
    assert_eq!(token.expires_at(), START.plus(seconds(3600)));
}
