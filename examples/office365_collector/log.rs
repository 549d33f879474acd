//! The log: one line on standard error for each event that a user may want to see.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entra_proto::Tenant;

use crate::console::note;
use crate::event::{Event, Observer};
use crate::failure::Failure;

/// Writes lines to standard error: everything in the first round, and what is new or failed in
/// later rounds.
pub(crate) struct Log {
    /// Leaves out all events except failures and warnings.
    quiet: bool,
    rounds: Mutex<Rounds>,
}

struct Rounds {
    /// True if something worth a line happened in this round.
    is_news: bool,
    /// Tenants that failed in their last round: their next success is reported.
    failed: HashSet<Tenant>,
    is_first: bool,
}

impl Log {
    /// Creates the log; with `quiet`, it writes failures and warnings only.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            rounds: Mutex::new(Rounds {
                is_news: true,
                failed: HashSet::new(),
                is_first: true,
            }),
        }
    }
}

impl Rounds {
    /// Handles an event. Returns true if it is worth a line.
    fn is_news(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::TenantFinished {
                tenant,
                report,
                is_round,
                is_stopped,
            } => {
                let has_failed = !report.is_success();
                let is_change = if has_failed {
                    self.failed.insert((*tenant).clone())
                } else {
                    self.failed.remove(*tenant)
                };
                let is_idle = report.contents == 0 && report.back_offs == 0 && *is_round && !is_stopped;
                let is_news = self.is_first || has_failed || is_change || !is_idle;
                self.is_news |= is_news;
                is_news
            }
            Event::RoundFinished { .. } => {
                self.is_first = false;
                std::mem::take(&mut self.is_news)
            }
            Event::Subscribed { .. } | Event::Failed { .. } | Event::Warning { .. } => {
                self.is_news = true;
                true
            }
            _ => true,
        }
    }
}

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        let is_important = match event {
            Event::Failed { .. } | Event::Warning { .. } => true,
            Event::RoundStarted { tenants } => tenants.is_empty(),
            _ => false,
        };
        let is_news = self
            .rounds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_news(event);
        if !is_news || self.quiet && !is_important {
            return;
        }
        if let Some(line) = line(event) {
            note(&line);
        }
    }
}

/// Returns the line of an event, if it has one.
pub(crate) fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Subscribed { tenant, content_type } => {
            format!("tenant {tenant}: started the subscription to {content_type}: first content may take 12 hours")
        }
        Event::BackOff { tenant, wait, reason } => {
            format!("tenant {tenant}: waits {}: {}", short(*wait), reason.problem())
        }
        Event::TenantSteppedAside { tenant, wait } => {
            format!("tenant {tenant}: continues in {}, others continue", short(*wait))
        }
        Event::Failed { failure, .. } => with_hint(failure),
        Event::Warning { tenant, text } => format!("tenant {tenant}: warning: {text}"),
        Event::TokenAcquired { tenant, life } => {
            format!("tenant {tenant}: token acquired, valid for {}", short(*life))
        }
        // No call was made between the renewal time and the expiry.
        Event::TokenRenewed { tenant, after, left } if left.is_zero() => {
            format!("tenant {tenant}: token renewed after {}: it had expired", short(*after))
        }
        Event::TokenRenewed { tenant, after, left } => {
            format!(
                "tenant {tenant}: token renewed after {}, {} before its expiry",
                short(*after),
                short(*left)
            )
        }
        Event::TenantFinished {
            tenant,
            report,
            is_stopped,
            ..
        } => format!(
            "tenant {tenant}: {}: {} new records ({} repeated) in {} contents",
            match (report.is_success(), is_stopped) {
                (false, _) => "not complete",
                (true, true) => "stopped",
                (true, false) => "done",
            },
            report.records,
            report.duplicates,
            report.contents
        ),
        Event::RoundStarted { tenants: [] } => {
            "warning: there is no tenant to collect from: ask an administrator to connect one, on the page of --connect"
                .to_owned()
        }
        Event::RoundFinished {
            succeeded,
            failed,
            took,
            next,
        } => {
            let next = next.map_or_else(String::new, |next| format!("; next round at {}", next.to_rfc3339()));
            let all = succeeded + failed;
            let took = short(*took);
            format!("round finished in {took}: {succeeded} of {all} tenants succeeded{next}")
        }
        Event::RoundStarted { .. }
        | Event::TenantStarted { .. }
        | Event::WindowStarted { .. }
        | Event::PageListed { .. }
        | Event::Responded { .. }
        | Event::ContentDone { .. }
        | Event::WindowDone { .. } => return None,
    })
}

/// Formats a failure with its hint.
pub(crate) fn with_hint(failure: &Failure) -> String {
    match failure.hint() {
        Some(hint) => format!("{failure}; {hint}"),
        None => failure.to_string(),
    }
}

/// Formats a duration: `45 min`, `15 s`, `250 ms`.
pub(crate) fn short(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{} s", (millis + 500) / 1_000),
        120_000..7_200_000 => format!("{} min", (millis + 30_000) / 60_000),
        _ => format!("{} h", (millis + 1_800_000) / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Report;
    use crate::failure::{Cause, Place};

    #[test]
    fn renewal_is_logged_with_the_remaining_lifetime() {
        let tenant = "contoso.example".parse().unwrap();
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let told = |after, left| {
            let (tenant, after, left) = (&tenant, minutes(after), minutes(left));
            line(&Event::TokenRenewed { tenant, after, left }).unwrap()
        };
        assert_eq!(
            told(45, 15),
            "tenant contoso.example: token renewed after 45 min, 15 min before its expiry"
        );
        assert_eq!(
            told(61, 0),
            "tenant contoso.example: token renewed after 61 min: it had expired"
        );
    }

    #[test]
    fn later_rounds_log_only_news() {
        let log = Log::new(false);
        let tenant: Tenant = "contoso.example".parse().unwrap();
        let round = |report: &Report| {
            let finished = Event::TenantFinished {
                tenant: &tenant,
                report,
                is_round: true,
                is_stopped: false,
            };
            let over = Event::RoundFinished {
                succeeded: 1,
                failed: 0,
                took: Duration::ZERO,
                next: None,
            };
            let mut rounds = log.rounds.lock().unwrap();
            [&finished, &over].map(|event| rounds.is_news(event))
        };
        let (idle, mut failed) = (Report::default(), Report::default());
        let busy = Report {
            contents: 1,
            ..Report::default()
        };
        let paused = Report {
            back_offs: 1,
            ..Report::default()
        };
        failed.fail(Failure::new(Place::tenant(&tenant), Cause::TenantId));
        assert_eq!(round(&idle), [true; 2], "the first round");
        assert_eq!(round(&idle), [false; 2]);
        assert_eq!(round(&busy), [true; 2]);
        assert_eq!(round(&paused), [true; 2], "it continued after a pause");
        assert_eq!(round(&idle), [false; 2]);
        assert_eq!(round(&failed), [true; 2]);
        assert_eq!(round(&failed), [true; 2]);
        assert_eq!(round(&idle), [true; 2], "it works again");
        assert_eq!(round(&idle), [false; 2]);
    }

    #[test]
    fn times_are_short() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_499, "1 s"),
            (119_999, "120 s"),
            (2_699_000, "45 min"),
            (86_400_000, "24 h"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)), text);
        }
    }
}
