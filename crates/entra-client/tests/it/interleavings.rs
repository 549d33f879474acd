//! Ten thousand schedules of callers at a few slots: they are polled in any order, dropped in the middle, refused with their token, and the
//! network answers when it likes. Whatever the order, nobody is stuck, and no slot has more than two requests in flight.

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

use crate::support::{Answer, CountedRandom, START, api, app, seconds, secret};

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

/// What waits outside of the client: requests and sleeps, each with a waker, until the schedule lets it go on.
#[derive(Clone, Default)]
struct Outside(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    next: usize,
    /// Who waits, by number.
    waiting: HashMap<usize, Option<Waker>>,
    spawned: Vec<BoxFuture<()>>,
    /// How many requests each scope has in the air.
    flying: HashMap<String, usize>,
    most_flying: usize,
    requests: usize,
}

/// Waits until the schedule picks it.
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

    /// Lets one of those who wait go on; gives whether there was one.
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

struct Flying(Outside, String);

impl Flying {
    fn new(outside: &Outside, scope: &str) -> Self {
        let mut state = outside.0.lock().unwrap();
        state.requests += 1;
        let flying = state.flying.entry(scope.to_owned()).or_default();
        *flying += 1;
        let now = *flying;
        state.most_flying = state.most_flying.max(now);
        Self(outside.clone(), scope.to_owned())
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap().flying.get_mut(&self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl Transport for Outside {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let form: HashMap<_, _> = form_urlencoded::parse(request.body().as_bytes()).into_owned().collect();
        let _flying = Flying::new(self, &form["scope"]);
        let number = self.0.lock().unwrap().requests;
        self.wait().await;
        match number % 7 {
            0 => Answer::status(503).give(),
            3 => Answer::status(400).give(),
            5 => Answer::Broken.give(),
            // Some are due at once.
            1 => Answer::Token("t", 3600, r#","refresh_in":0"#).give(),
            _ => Answer::Token("t", 3600, "").give(),
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

/// A task, and whether something woke it.
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

/// Plays one schedule. Only woken tasks are polled: a wake-up that is lost is a caller who is stuck.
fn play(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (outside, clock) = (Outside::default(), ManualClock::at(START));
    let mut policy = Policy::default();
    // Those who wait may be woken for nothing, as sleeps here end when they like, but no flight is ever given up.
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
        state.most_flying <= 2,
        "seed {seed}: {} requests of one slot in the air",
        state.most_flying
    );
    assert!(done.load(Ordering::SeqCst) + dropped >= CALLERS, "seed {seed}");
    drop(state);
    // And whoever comes now is served, or told why not.
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
fn ten_thousand_schedules_leave_nobody_stuck() {
    (1..=10_000).for_each(play);
}
