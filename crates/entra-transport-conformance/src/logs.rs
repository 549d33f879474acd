//! The search for secrets in everything that is logged.

use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

use crate::bench::{CANARY, Outcome};

/// Starts to search everything that is logged, at every level.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&SEARCHED).is_ok() {
            log::set_max_level(LevelFilter::Trace);
            *SEARCHED.seen() = Some(Seen::default());
        }
    });
}

/// Excludes a target of `log`, as a logger's filter does.
///
/// Use it for a transport that sends nothing while its HTTP client would log secrets under this
/// target. Call it before the suite runs.
pub fn leave_out_of_logs(target: &'static str) {
    LEFT_OUT.lock().unwrap_or_else(PoisonError::into_inner).push(target);
}

/// Returns the outcome of the search until now.
pub(crate) fn outcome() -> Outcome {
    match &*SEARCHED.seen() {
        None => Err("the logs were not searched, because the test has its own logger".to_owned()),
        Some(Seen { secret: Some(line), .. }) => Err(format!("the logs contain a secret: {line}")),
        Some(_) => Ok(()),
    }
}

static LEFT_OUT: Mutex<Vec<&str>> = Mutex::new(Vec::new());
static SEARCHED: Searched = Searched(Mutex::new(None));

struct Searched(Mutex<Option<Seen>>);

#[derive(Default)]
struct Seen {
    secret: Option<String>,
}

impl Searched {
    fn seen(&self) -> std::sync::MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Searched {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !LEFT_OUT
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = format!("{} {}: {}", record.level(), record.target(), record.args());
        if SECRETS.iter().any(|secret| line.contains(secret))
            && let Some(seen) = &mut *self.seen()
        {
            seen.secret.get_or_insert(line);
        }
    }

    fn flush(&self) {}
}

/// The canary, and the proxy's user name and password in Base64.
const SECRETS: &[&str] = &[CANARY, "dXNlcjpjNG40cnlA"];
