//! The counters of the collector, which the progress bars, the summary, the metrics and the connect
//! page show.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use entra_proto::{Tenant, Timestamp};

use crate::event::{Event, Observer};
use crate::failure::Failure;
use crate::feed::ContentType;
use crate::log::short;

/// Counters since the start of the program, for each tenant and for the current round. They take a
/// few hundred bytes for each tenant.
pub(crate) struct Board(Mutex<Figures>);

/// All counters.
#[derive(Clone)]
pub(crate) struct Figures {
    pub(crate) started: Instant,
    /// The current round, or the last one.
    pub(crate) round: Round,
    pub(crate) tenants: BTreeMap<String, Row>,
    /// Notifications of the webhook, by their result.
    pub(crate) notifications: BTreeMap<&'static str, u64>,
}

/// A round.
#[derive(Clone, Copy, Default)]
pub(crate) struct Round {
    /// Its number, starting at 1.
    pub(crate) number: u64,
    pub(crate) tenants: usize,
    pub(crate) finished: usize,
    pub(crate) is_over: bool,
    /// The start time of the next round.
    pub(crate) next: Option<Timestamp>,
}

/// The figures of a tenant. Its counters only grow.
#[derive(Clone, Default)]
pub(crate) struct Row {
    pub(crate) phase: Phase,
    /// The tenant's result in the last round.
    pub(crate) outcome: Phase,
    /// Its number, in the order in which the tenants were added.
    pub(crate) number: usize,
    /// The start of the tenant's turn, as a number that grows from turn to turn.
    pub(crate) turn: u64,
    pub(crate) now: Option<ContentType>,
    pub(crate) windows: u64,
    pub(crate) contents: u64,
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) bytes: u64,
    /// Requests that were repeated, or will be.
    pub(crate) retries: u64,
    /// Throttled requests among them.
    pub(crate) throttled: u64,
    pub(crate) back_off: Duration,
    /// Time ranges whose content is lost.
    pub(crate) gaps: u64,
    /// Tokens, including the first one.
    pub(crate) tokens: u64,
    /// Responses by the first digit of their status; index 0 counts requests without a response.
    pub(crate) responses: [u64; 6],
    /// The last time that everything of the tenant was collected.
    pub(crate) last_success: Option<Timestamp>,
    /// The failures of the last round, each with its hint.
    pub(crate) failures: Vec<(String, Option<String>)>,
    /// Failures that are not listed.
    pub(crate) more_failures: u64,
    /// True if nothing can be collected until an administrator consents.
    pub(crate) is_consent_gone: bool,
}

/// The state of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Waiting,
    Collecting,
    /// The tenant is throttled, and continues later in the round.
    Paused,
    Done,
    /// The program is stopping, and there may be more to collect.
    Stopped,
    Failed,
}

impl Phase {
    /// Returns its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Collecting => "collecting",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self(Mutex::new(Figures {
            started: Instant::now(),
            round: Round::default(),
            tenants: BTreeMap::new(),
            notifications: BTreeMap::new(),
        }))
    }
}

impl Board {
    /// Locks the counters and returns them.
    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a notification with its result, one of [`NOTIFICATIONS`].
    pub(crate) fn notification(&self, result: &'static str) {
        *self.figures().notifications.entry(result).or_default() += 1;
    }
}

impl Figures {
    /// Returns the sum of all tenants.
    pub(crate) fn total(&self) -> Row {
        let mut total = Row::default();
        for row in self.tenants.values() {
            total.add(row);
        }
        total
    }

    fn row(&mut self, tenant: &Tenant) -> &mut Row {
        let number = self.tenants.len();
        self.tenants.entry(tenant.to_string()).or_insert_with(|| Row {
            number,
            ..Row::default()
        })
    }
}

impl Row {
    /// Adds the counters of another tenant.
    pub(crate) fn add(&mut self, other: &Self) {
        self.windows += other.windows;
        self.contents += other.contents;
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.bytes += other.bytes;
        self.retries += other.retries;
        self.throttled += other.throttled;
        self.back_off += other.back_off;
        self.gaps += other.gaps;
        self.tokens += other.tokens;
        for (sum, count) in self.responses.iter_mut().zip(other.responses) {
            *sum += count;
        }
    }
}

impl Observer for Board {
    fn observe(&self, event: &Event<'_>) {
        let mut figures = self.figures();
        match *event {
            Event::RoundStarted { tenants } => {
                figures.round = Round {
                    number: figures.round.number + 1,
                    tenants: tenants.len(),
                    ..Round::default()
                };
                for tenant in tenants {
                    figures.row(tenant);
                }
            }
            Event::RoundFinished { next, .. } => {
                figures.round.is_over = true;
                figures.round.next = next;
            }
            Event::TenantStarted { tenant } => {
                let turn = 1 + figures.tenants.values().map(|row| row.turn).max().unwrap_or_default();
                let row = figures.row(tenant);
                row.phase = Phase::Collecting;
                row.turn = turn;
                row.now = None;
            }
            Event::TenantSteppedAside { tenant, .. } => figures.row(tenant).phase = Phase::Paused,
            Event::TenantFinished {
                tenant,
                is_round: false,
                ..
            } => {
                let row = figures.row(tenant);
                row.phase = row.outcome;
            }
            Event::TenantFinished {
                tenant,
                report,
                is_stopped,
                ..
            } => {
                figures.round.finished = (figures.round.finished + 1).min(figures.round.tenants);
                let row = figures.row(tenant);
                row.failures = report.failures.iter().take(MOST_FAILURES).map(described).collect();
                row.more_failures = report.more_failures + (report.failures.len() - row.failures.len()) as u64;
                row.is_consent_gone = report.failures.iter().any(Failure::is_consent_gone);
                row.phase = match (report.is_success(), is_stopped) {
                    (false, _) => Phase::Failed,
                    (true, true) => Phase::Stopped,
                    (true, false) => Phase::Done,
                };
                if row.phase == Phase::Done {
                    row.last_success = Some(SystemTime::now().into());
                }
                row.outcome = row.phase;
            }
            Event::WindowStarted {
                tenant, content_type, ..
            } => figures.row(tenant).now = Some(content_type),
            Event::WindowDone { tenant, .. } => figures.row(tenant).windows += 1,
            Event::ContentDone {
                tenant,
                records,
                duplicates,
                bytes,
                ..
            } => {
                let row = figures.row(tenant);
                row.contents += 1;
                row.records += records as u64;
                row.duplicates += duplicates as u64;
                row.bytes += bytes as u64;
            }
            Event::BackOff { tenant, wait, reason } => {
                let row = figures.row(tenant);
                row.retries += 1;
                row.throttled += u64::from(reason.is_throttled());
                row.back_off += wait;
            }
            Event::Failed { tenant, failure } => figures.row(tenant).gaps += u64::from(failure.is_gap()),
            Event::TokenAcquired { tenant, .. } | Event::TokenRenewed { tenant, .. } => figures.row(tenant).tokens += 1,
            Event::Responded { tenant, status } => {
                let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
                figures.row(tenant).responses[class.min(5)] += 1;
            }
            Event::Subscribed { .. } | Event::PageListed { .. } | Event::Warning { .. } => {}
        }
    }
}

fn described(failure: &Failure) -> (String, Option<String>) {
    (failure.to_string(), failure.hint().map(str::to_owned))
}

/// Formats a number with commas between thousands: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats bytes as megabytes: `1,234.5`.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + 500_000) / 1_000_000;
    let whole = u64::try_from(tenths / 10).unwrap_or(u64::MAX);
    format!("{}.{}", grouped(whole), tenths % 10)
}

/// Formats the time since a moment: `5 min ago`.
pub(crate) fn ago(at: Timestamp) -> String {
    let time = Timestamp::from(SystemTime::now()).since(at);
    match time.as_secs() {
        0..5 => "just now".to_owned(),
        _ => format!("{} ago", short(time)),
    }
}

/// The results of a notification.
pub(crate) const NOTIFICATIONS: [&str; 4] = ["accepted", "validated", "busy", "rejected"];
/// The most failures of a tenant that are stored.
const MOST_FAILURES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Report;
    use crate::failure::{Cause, Place};

    #[test]
    fn tenant_waits_before_its_turn_and_may_be_stopped() {
        let (board, report) = (Board::default(), Report::default());
        let tenants: [Tenant; 2] = ["contoso.example", "fabrikam.example"].map(|name| name.parse().unwrap());
        board.observe(&Event::RoundStarted { tenants: &tenants });
        board.observe(&Event::TenantStarted { tenant: &tenants[0] });
        board.observe(&Event::TenantFinished {
            tenant: &tenants[0],
            report: &report,
            is_round: true,
            is_stopped: true,
        });
        let figures = board.figures();
        let rows = figures.tenants.values().map(|row| (row.phase, row.last_success));
        let expected = [(Phase::Stopped, None), (Phase::Waiting, None)];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lost_time_ranges_are_counted() {
        let board = Board::default();
        let tenant: Tenant = "contoso.example".parse().unwrap();
        for cause in [Cause::Gap, Cause::TenantId, Cause::Gap] {
            board.observe(&Event::Failed {
                tenant: &tenant,
                failure: &Failure::new(Place::tenant(&tenant), cause),
            });
        }
        assert_eq!(board.figures().total().gaps, 2);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        for (bytes, text) in [
            (0, "0.0"),
            (49_999, "0.0"),
            (50_000, "0.1"),
            (999_950_000, "1,000.0"),
            (u64::MAX, "18,446,744,073,709.6"),
        ] {
            assert_eq!(megabytes(bytes), text);
        }
    }
}
