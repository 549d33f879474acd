//! The suite over a blocking transport.

use std::sync::{Arc, OnceLock};

use entra_transport::BlockingTransport;

use crate::bench::{Bench, Make, Searched, Setup};
use crate::cases::cases;
use crate::jobs::{Job, run_jobs};
use crate::logs;
use crate::report::Report;

/// Runs all cases with the transports that `make` builds, a few at the same time.
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
                Some(skip) => outcome.map(|()| Some(*skip)),
                None => outcome.map(|()| None),
            }
        };
        (case.name, Box::new(job) as Job)
    });
    let report = run_jobs(jobs.collect());
    let logs = || logs::outcome().map(|()| None);
    report.and(run_jobs(vec![("logs_contain_no_secret", Box::new(logs))]))
}
