//! Ten thousand schedules of callers at a few slots: callers are polled in any order, dropped at
//! any point, and reject their tokens, and the network responds at any time. In each of them, no
//! caller is stuck, and no slot has more than two requests in flight.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use entra_client::clock::ManualClock;
use entra_client::runtime::{BoxFuture, Runtime};
use entra_client::{Client, Error, Policy, Token, TokenOptions};
use entra_transport::{Request, Response, Transport, TransportError};

use crate::support::{CountedRandom, Reply, START, api, app, seconds, secret};

/// A small generator (Marsaglia's xorshift): the same seed gives the same schedule.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }
}

/// The environment of the client: requests and sleeps wait here, each with a waker, until the
/// schedule releases them.
#[derive(Clone, Default)]
struct Outside(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    next: usize,
    /// The wakers of the waiting futures, by number.
    waiting: HashMap<usize, Option<Waker>>,
    spawned: Vec<BoxFuture<()>>,
    /// The number of requests in flight, by scope.
    in_flight: HashMap<String, usize>,
    most_in_flight: usize,
    requests: usize,
}

/// A future that waits until the schedule picks it.
struct Picked {
    outside: Outside,
    number: usize,
}

impl Outside {
    fn wait(&self) -> Picked {
        let mut waiting = self.0.lock().unwrap();
        let number = waiting.next;
        waiting.next += 1;
        waiting.waiting.insert(number, None);
        Picked {
            outside: self.clone(),
            number,
        }
    }

    /// Releases one of the waiting futures. Returns false if no future waits.
    fn pick(&self, dice: &mut Dice) -> bool {
        let waker = {
            let mut waiting = self.0.lock().unwrap();
            let mut numbers: Vec<usize> = waiting.waiting.keys().copied().collect();
            if numbers.is_empty() {
                return false;
            }
            numbers.sort_unstable();
            let number = numbers[dice.roll(numbers.len())];
            waiting.waiting.remove(&number).flatten()
        };
        waker.into_iter().for_each(Waker::wake);
        true
    }
}

impl Future for Picked {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.outside.0.lock().unwrap().waiting.get_mut(&self.number) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.outside.0.lock().unwrap().waiting.remove(&self.number);
    }
}

/// A request in flight.
struct InFlight(Outside, String);

impl InFlight {
    fn new(outside: &Outside, scope: &str) -> Self {
        let mut state = outside.0.lock().unwrap();
        state.requests += 1;
        let in_flight = state.in_flight.entry(scope.to_owned()).or_default();
        *in_flight += 1;
        let now = *in_flight;
        state.most_in_flight = state.most_in_flight.max(now);
        Self(outside.clone(), scope.to_owned())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap().in_flight.get_mut(&self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl Transport for Outside {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let form: HashMap<_, _> = form_urlencoded::parse(request.body().as_bytes()).into_owned().collect();
        let _guard = InFlight::new(self, &form["scope"]);
        let number = self.0.lock().unwrap().requests;
        self.wait().await;
        match number % 7 {
            0 => Reply::status(503).into_result(),
            3 => Reply::status(400).into_result(),
            5 => Reply::Broken.into_result(),
            // Some need refresh at once.
            1 => Reply::Token("t", 3600, r#","refresh_in":0"#).into_result(),
            _ => Reply::Token("t", 3600, "").into_result(),
        }
    }
}

impl Runtime for Outside {
    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(self.wait())
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.lock().unwrap().spawned.push(task);
    }
}

/// A task, with a flag that is set when it is woken.
struct Task {
    future: BoxFuture<()>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Task {
    fn new(future: BoxFuture<()>) -> Self {
        Self {
            future,
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }

    fn poll(&mut self) -> bool {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }
}

async fn caller(client: Client, n: usize, done: Arc<AtomicUsize>) {
    let target = api(if n % 3 == 0 { "b" } else { "a" });
    let outcome: Result<Token, Error> = if n % 5 == 0 {
        client
            .token_with(&target, &TokenOptions::default().with_force_refresh(true))
            .await
    } else {
        client.token(&target).await
    };
    if let (Ok(token), 0) = (&outcome, n % 4) {
        client.invalidate(token);
        let _ = client.token(&target).await;
    }
    done.fetch_add(1, Ordering::SeqCst);
}

/// Runs one schedule. Only woken tasks are polled, so a lost wake-up leaves a caller stuck.
fn play(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (outside, clock) = (Outside::default(), ManualClock::at(START));
    let mut policy = Policy::default();
    // Sleeps end at any time here, so callers may wake early, but no flight exceeds its patience.
    policy.patience = Duration::MAX;
    let client = Client::builder(app(secret()), outside.clone())
        .runtime(outside.clone())
        .clock(clock.clone())
        .secure_random(CountedRandom::default())
        .policy(policy)
        .build()
        .unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let (mut tasks, mut dropped, mut started): (Vec<Task>, usize, usize) = (Vec::new(), 0, 0);
    const CALLERS: usize = 12;
    for step in 0.. {
        assert!(step < 10_000, "seed {seed}: no end");
        tasks.extend(outside.0.lock().unwrap().spawned.drain(..).map(Task::new));
        let woken: Vec<usize> = (0..tasks.len())
            .filter(|at| tasks[*at].woken.0.load(Ordering::SeqCst))
            .collect();
        match dice.roll(10) {
            0..=2 if started < CALLERS => {
                tasks.push(Task::new(Box::pin(caller(client.clone(), started, Arc::clone(&done)))));
                started += 1;
            }
            3 if !tasks.is_empty() && dropped < 6 => {
                drop(tasks.swap_remove(dice.roll(tasks.len())));
                dropped += 1;
            }
            4 => clock.advance(seconds(dice.roll(20) as u64)),
            5 if started > CALLERS / 2 => {
                client.forget(&api("a"));
            }
            6 | 7 if !woken.is_empty() => {
                let at = woken[dice.roll(woken.len())];
                if tasks[at].poll() {
                    drop(tasks.swap_remove(at));
                }
            }
            _ => {
                if !outside.pick(&mut dice) && woken.is_empty() && started == CALLERS {
                    assert!(tasks.is_empty(), "seed {seed}: {} stuck", tasks.len());
                    break;
                }
            }
        }
    }
    let state = outside.0.lock().unwrap();
    // A caller after an event does not wait for the one flight that was sent before it.
    assert!(
        state.most_in_flight <= 2,
        "seed {seed}: {} requests of one slot in flight",
        state.most_in_flight
    );
    assert!(done.load(Ordering::SeqCst) + dropped >= CALLERS, "seed {seed}");
    drop(state);
    // A new caller gets a token or an error.
    let mut last = Task::new(Box::pin(caller(client, 1, Arc::clone(&done))));
    let mut turns = 0;
    while !last.poll() {
        tasks.extend(outside.0.lock().unwrap().spawned.drain(..).map(Task::new));
        tasks.retain_mut(|task| !task.poll());
        outside.pick(&mut dice);
        turns += 1;
        assert!(turns < 100, "seed {seed}: the slot is stuck");
    }
}

#[test]
fn ten_thousand_schedules_leave_no_caller_stuck() {
    (1..=10_000).for_each(play);
}
