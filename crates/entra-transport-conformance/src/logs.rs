//! The search of everything that is logged for secrets.

use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

use crate::bench::{CANARY, Outcome};

/// Begins to search everything that is logged from here on, at every level.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&SEARCHED).is_ok() {
            log::set_max_level(LevelFilter::Trace);
            *SEARCHED.seen() = Some(Seen::default());
        }
    });
}

/// Leaves a target of `log` out, as a logger does that is set up so: for a transport that refuses to work where its HTTP client
/// would show secrets there. To be called before the suite runs.
pub fn leave_out_of_logs(target: &'static str) {
    LEFT_OUT.lock().unwrap_or_else(PoisonError::into_inner).push(target);
}

/// What was found by now.
pub(crate) fn outcome() -> Outcome {
    match &*SEARCHED.seen() {
        None => Err("the test has a logger of its own, so the logs could not be searched".to_owned()),
        Some(Seen { secret: Some(line), .. }) => Err(format!("a secret stands in the logs: {line}")),
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
        if SECRETS.iter().any(|secret| line.contains(secret)) {
            if let Some(seen) = &mut *self.seen() {
                seen.secret.get_or_insert(line);
            }
        }
    }

    fn flush(&self) {}
}

/// The canary, and the base64 of the proxy's user name and password.
const SECRETS: &[&str] = &[CANARY, "dXNlcjpjNG40cnlA"];
