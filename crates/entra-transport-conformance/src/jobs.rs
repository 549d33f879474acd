//! The execution of cases: a few at the same time, each on its own thread.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::{Ended, Line, Report};

pub(crate) fn run_jobs(jobs: Vec<(&'static str, Job)>) -> Report {
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

/// Runs a case on its own thread, so that a case that panics or hangs fails and others continue.
fn watch(name: &'static str, job: Job) -> Line {
    let (done, outcome) = mpsc::channel();
    let started = Instant::now();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // The receiver is gone if the case timed out.
        let _ = done.send(job());
    });
    let outcome = match (thread, outcome.recv_timeout(PATIENCE)) {
        (Err(error), _) => Err(format!("no thread: {error}")),
        (_, Ok(outcome)) => outcome,
        (_, Err(mpsc::RecvTimeoutError::Timeout)) => Err("it hangs".to_owned()),
        (Ok(thread), Err(mpsc::RecvTimeoutError::Disconnected)) => Err(match thread.join() {
            Err(panic) => format!("it panicked: {}", message(&*panic)),
            Ok(()) => "it ended without an outcome".to_owned(),
        }),
    };
    Line {
        name,
        took: started.elapsed(),
        outcome,
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a message",
    }
}

pub(crate) type Job = Box<dyn FnOnce() -> Ended + Send>;

/// The time after which a case counts as hanging. It is much longer than any case takes, so that a
/// busy machine does not fail one.
const PATIENCE: Duration = Duration::from_secs(300);
/// The number of cases that run at the same time. Most cases wait most of the time.
const AT_ONCE: usize = 6;
