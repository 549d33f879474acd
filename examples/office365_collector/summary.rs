//! The summary at the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use crate::event::{Event, Observer, Report};
use crate::log::with_hint;

/// Collects each tenant's figures.
#[derive(Default)]
pub(crate) struct Summary(Mutex<BTreeMap<String, Report>>);

impl Observer for Summary {
    fn observe(&self, event: &Event<'_>) {
        if let Event::TenantFinished { tenant, report } = event {
            let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.insert(tenant.to_string(), (*report).clone());
        }
    }
}

impl Summary {
    /// Returns the text for standard output.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (tenant, report) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(
                text,
                "{tenant}: {} records, {} repeated, {} contents, {} failures",
                report.records,
                report.duplicates,
                report.contents,
                report.failures.len() as u64 + report.more_failures
            );
            for failure in &report.failures {
                let _ = writeln!(text, "  {}", with_hint(failure));
            }
        }
        text
    }
}
