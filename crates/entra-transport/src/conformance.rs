//! The suite every transport has to pass, over real sockets of this machine.
//!
//! Each requirement is a [`Case`] with a name: a scripted server on loopback, one or many requests, and what has to come of it.
//! The suite knows nothing of the HTTP client under test, so it can be run over anybody's transport:
//!
//! ```no_run
//! use entra_transport::{BlockingTransport, conformance};
//! # struct MyTransport;
//! # impl MyTransport {
//! #     fn new(_: &entra_transport::Policy, _: &[Vec<u8>]) -> Self { Self }
//! # }
//! # impl BlockingTransport for MyTransport {
//! #     fn send(&self, _: entra_transport::Request) -> Result<entra_transport::Response, entra_transport::TransportError> {
//! #         unimplemented!()
//! #     }
//! # }
//!
//! # // The attribute of a test, in a file of `tests/`.
//! fn it_conforms() {
//!     let report = conformance::run(|setup| Box::new(MyTransport::new(&setup.policy, &setup.roots)));
//!     report.assert();
//! }
//! ```
//!
//! An asynchronous transport goes through [`run_async`], with the `block_on` of its runtime, and has to pass a few cases more.
//!
//! Every error a transport returns and every line that is logged meanwhile (through `log`, which the suite takes for itself) is
//! searched for the secrets that the requests carry, whatever the case is about. A case that hangs fails. What this machine cannot
//! show, the report lists as skipped.

mod asynchronous;
mod cases;
mod certificate;
mod environment;
mod logs;
mod server;

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::{BlockingTransport, Policy, Proxies, Request, Response, TransportError};

pub use asynchronous::{BoxFuture, run_async};
pub use certificate::root_pem;
pub use environment::run_with;
pub use logs::leave_out_of_logs;

/// What a transport under test has to be built with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The rules it has to hold.
    pub policy: Policy,
    /// The certificate authorities it may trust, as DER, and no others.
    pub roots: Vec<Vec<u8>>,
    /// The proxy it has to go through, if any, whatever the environment says.
    pub proxies: Proxies,
}

/// One requirement.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: fn(&Bench) -> Outcome,
}

impl Case {
    /// What it requires, as a sentence without spaces.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// All cases that a blocking transport has to pass.
#[must_use]
pub fn cases() -> Vec<Case> {
    cases::all()
}

/// Runs every case over the transports that `make` builds, a few at a time.
pub fn run(make: impl Fn(&Setup) -> Box<dyn BlockingTransport> + Send + Sync + 'static) -> Report {
    let make: Arc<Make> = Arc::new(move |setup| Box::new(Searched(make(setup))));
    logs::watch();
    let jobs = cases().into_iter().map(|case| {
        let bench = Bench {
            make: Arc::clone(&make),
            skipped: OnceLock::new(),
        };
        let job = move || {
            let outcome = (case.run)(&bench);
            match bench.skipped.get() {
                Some(why) => outcome.map(|()| Some(*why)),
                None => outcome.map(|()| None),
            }
        };
        (case.name, Box::new(job) as Job)
    });
    let report = run_jobs(jobs.collect());
    let logs = || logs::outcome().map(|()| None);
    report.and(run_jobs(vec![("no_secret_stands_in_any_log", Box::new(logs))]))
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    name: &'static str,
    took: Duration,
    outcome: Ended,
}

impl Report {
    /// The names of the cases that passed.
    pub fn passed(&self) -> impl Iterator<Item = &'static str> {
        self.lines
            .iter()
            .filter(|line| line.outcome == Ok(None))
            .map(|line| line.name)
    }

    /// The names of the cases that this machine cannot show, each with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.name, line.outcome.as_ref().ok().copied().flatten()?)))
    }

    /// The names of the cases that failed, each with what was seen.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.name, line.outcome.as_ref().err()?.as_str())))
    }

    /// # Panics
    /// If any case failed: the message lists them all. A case that is skipped only says so, because nothing can be installed
    /// that would make this machine show it.
    pub fn assert(&self) {
        assert!(self.failed().next().is_none(), "\n{self}");
        for (name, why) in self.skipped() {
            // Not by `eprintln!`, which the test harness keeps to itself.
            let _ = writeln!(io::stderr(), "{name}: SKIPPED: {why}");
        }
    }

    /// Adds the cases of another run.
    fn and(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { name, took, outcome } in &self.lines {
            let milliseconds = took.as_millis();
            match outcome {
                Ok(None) => writeln!(f, "ok      {milliseconds:5} ms  {name}")?,
                Ok(Some(why)) => writeln!(f, "SKIPPED {milliseconds:5} ms  {name}: {why}")?,
                Err(seen) => writeln!(f, "FAILED  {milliseconds:5} ms  {name}: {seen}")?,
            }
        }
        write!(f, "{} cases, {} failed", self.lines.len(), self.failed().count())
    }
}

/// What a case has to build transports with.
struct Bench {
    make: Arc<Make>,
    skipped: OnceLock<&'static str>,
}

impl Bench {
    /// A transport without hurry that may speak plain http to loopback and trusts nobody.
    fn plain(&self) -> Box<dyn BlockingTransport> {
        (self.make)(&setup())
    }

    fn with(&self, change: impl FnOnce(&mut Setup)) -> Box<dyn BlockingTransport> {
        let mut setup = setup();
        change(&mut setup);
        (self.make)(&setup)
    }

    /// Ends a case that this machine cannot show.
    fn skip(&self, why: &'static str) -> Outcome {
        self.skipped.get_or_init(|| why);
        Ok(())
    }
}

/// Passes requests on, and looks for secrets in the errors that come back.
struct Searched(Box<dyn BlockingTransport>);

impl BlockingTransport for Searched {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let answer = self.0.send(request);
        if let Err(error) = &answer {
            let text = whole(error);
            assert!(
                ![CANARY, QUERY].iter().any(|canary| text.contains(canary)),
                "a secret stands in an error: {text}"
            );
        }
        answer
    }
}

/// Everything an error shows of itself, its sources too.
fn whole(error: &TransportError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        text.push_str(&format!(" {next} {next:?}"));
        source = next.source();
    }
    text
}

/// What is trusted where no case says otherwise: an authority that signed nothing, as no transport can be built on none.
fn setup() -> Setup {
    let policy = Policy {
        timeout: UNHURRIED,
        connect_timeout: UNHURRIED,
        allow_plain_loopback: true,
        ..Policy::default()
    };
    Setup {
        policy,
        roots: vec![certificate::Authority::new("nobody").root()],
        proxies: Proxies::none(),
    }
}

type Make = dyn Fn(&Setup) -> Box<dyn BlockingTransport> + Send + Sync;
type Outcome = Result<(), String>;
/// `Ok` holds the reason where the case was skipped.
type Ended = Result<Option<&'static str>, String>;
type Job = Box<dyn FnOnce() -> Ended + Send>;

fn run_jobs(jobs: Vec<(&'static str, Job)>) -> Report {
    let count = jobs.len();
    let waiting = Mutex::new(jobs.into_iter().enumerate());
    let lines = Mutex::new(Vec::with_capacity(count));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, (name, job))) = next else { break };
                    let line = watch(name, job);
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push((index, line));
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    lines.sort_by_key(|(index, _)| *index);
    Report {
        lines: lines.into_iter().map(|(_, line)| line).collect(),
    }
}

/// Runs a case in a thread of its own, so that one that panics or hangs is only one that fails.
fn watch(name: &'static str, job: Job) -> Line {
    let (done, outcome) = mpsc::channel();
    let started = Instant::now();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // The receiver is gone where the case was given up.
        let _ = done.send(job());
    });
    let outcome = match (thread, outcome.recv_timeout(PATIENCE)) {
        (Err(error), _) => Err(format!("no thread: {error}")),
        (_, Ok(outcome)) => outcome,
        (_, Err(mpsc::RecvTimeoutError::Timeout)) => Err("it hangs".to_owned()),
        (Ok(thread), Err(mpsc::RecvTimeoutError::Disconnected)) => Err(match thread.join() {
            Err(panic) => format!("it panicked: {}", words(&*panic)),
            Ok(()) => "it ended without an outcome".to_owned(),
        }),
    };
    Line {
        name,
        took: started.elapsed(),
        outcome,
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without words",
    }
}

/// Stands in every query. An error must not tell it; an HTTP client may log it, so no secret belongs there.
const QUERY: &str = "qu3ry";
/// Stands in every secret of every request.
const CANARY: &str = "c4n4ry";
/// How long a request may take where the case is not about that: it must not fail on a busy machine.
const UNHURRIED: Duration = Duration::from_secs(120);
/// How long the look-up of a name may take that does not exist: without a name server, it takes longer than a test should.
const LOOK_UP: Duration = Duration::from_secs(4);
/// After this a case counts as hanging: far more than any takes, as a busy machine must not fail it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Most cases wait most of the time.
const AT_ONCE: usize = 6;
