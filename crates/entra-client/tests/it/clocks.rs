//! Clocks that jump, machines that sleep, and the moments of refreshes.

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

/// A source that returns the same bytes for every draw.
struct Draw(Guid);

impl SecureRandom for Draw {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.copy_from_slice(self.0.as_bytes());
        Ok(())
    }
}

/// A client of a service that knows the true time. The name of each token is the true second at
/// which it expires.
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
                let expiry = truth.load(Ordering::Relaxed) + life;
                let more = refresh_in.map_or(String::new(), |refresh| format!(r#","refresh_in":{refresh}"#));
                let body = format!(r#"{{"expires_in":{life},"access_token":"{expiry}"{more}}}"#);
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

/// A runtime that runs refreshes on the thread of the caller.
struct Inline;

impl entra_client::blocking::Runtime for Inline {
    fn sleep(&self, _: Duration) {}

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        task();
    }
}

const ID: Guid = Guid::from_bytes([1; 16]);

#[test]
fn clock_jump_that_may_mean_expiry_causes_a_request() {
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
fn small_jump_forwards_causes_no_request() {
    let machine = Machine::new(3600, None, ID);
    machine.ask();
    machine.set(1800);
    machine.ask();
    assert_eq!(machine.requests(), 1);
    machine.set(-1799);
    machine.ask();
    assert_eq!(machine.requests(), 1, "set back, but not to before the token arrived");
}

#[test]
fn clock_set_back_does_not_lengthen_a_lifetime() {
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
    assert_eq!(machine.requests(), 2, "it has expired by the monotonic clock");
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Sleep(u64),
    Set(i64),
    Ask,
    Reject,
}

fn step() -> impl Strategy<Value = Step> {
    let span = || prop_oneof![0_u64..10, 0_u64..400, 0_u64..4000, 0_u64..100_000];
    prop_oneof![
        span().prop_map(Step::Pass),
        span().prop_map(Step::Sleep),
        (span(), any::<bool>()).prop_map(|(by, back)| Step::Set(if back { -(by as i64) } else { by as i64 })),
        Just(Step::Ask),
        Just(Step::Ask),
        Just(Step::Reject),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// No token is returned past its end, whatever the clocks do.
    ///
    /// Half of the machines sleep, and the time of the others is set back. On a machine that does
    /// both, setting the time back hides the sleep from both clocks, and no program can detect it.
    #[test]
    fn no_token_is_returned_past_its_true_expiry(
        sleeps in any::<bool>(),
        life in 1_u64..100_000,
        refresh_in in prop::option::of(1_u64..100_000),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let machine = Machine::new(life, refresh_in, ID);
        for step in steps {
            match step {
                Step::Pass(time) => machine.pass(time),
                Step::Sleep(time) if sleeps => machine.sleep(time),
                Step::Sleep(time) => machine.pass(time),
                Step::Set(by) => machine.set(if sleeps { by.abs() } else { by }),
                Step::Ask => {
                    let (expiry, truth) = (machine.ask(), machine.truth.load(Ordering::Relaxed));
                    prop_assert!(expiry > truth, "returned at {truth}, expired since {expiry}");
                }
                Step::Reject => {
                    if let Some(token) = machine.client.cached(&machine.api) {
                        machine.client.invalidate(&token);
                    }
                }
            }
        }
    }
}

#[test]
fn refreshes_of_many_processes_are_spread() {
    // The window is a tenth of the time until half of a day's lifetime.
    let (latest, window) = (43_200, 4320);
    let moments: Vec<u64> = (0..1000_u64)
        .map(|seed| {
            let id = Guid::from_random(
                (u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes(),
            );
            let machine = Machine::new(86_400, None, id);
            machine.ask();
            let refresh_at = machine.client.cached(&machine.api).unwrap().refresh_at().unwrap();
            refresh_at.since(START).as_secs()
        })
        .collect();
    let (first, last) = (*moments.iter().min().unwrap(), *moments.iter().max().unwrap());
    assert!(last <= latest && first >= latest - window - 1, "{first} to {last}");
    assert!(
        last - first >= window * 8 / 10,
        "spread over {} of {window}",
        last - first
    );
}

#[test]
fn transit_time_shortens_the_lifetime_of_a_token() {
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
