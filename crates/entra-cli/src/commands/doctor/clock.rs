//! The check of this machine's clock against the clock of the service.

use std::time::Duration;

use entra_proto::Timestamp;
use entra_proto::acquire::server_time;

use crate::commands::doctor::connection::TimedResponse;
use crate::commands::doctor::name;
use crate::commands::doctor::report::{Check, Report};
use crate::exit::{Exit, Failure};
use crate::time_format::length;

/// Compares this machine's clock with the service's.
///
/// Returns the time of the service, or the local time if the service's is unknown.
pub(crate) fn examine(timed: Option<&TimedResponse>, report: &mut Report) -> Result<Timestamp, Failure> {
    let Some(timed) = timed else {
        report.skip(name::CLOCK, &[name::CONNECTION])?;
        return Ok(entra_transport::now());
    };
    let Some(date) = server_time(timed.response.headers()) else {
        report.add(Check::warn(
            name::CLOCK,
            "the response has no date",
            "compare this machine's clock with another clock",
        ))?;
        return Ok(timed.received);
    };
    report.add(judge(Skew::between(timed.sent, date, timed.received)))?;
    Ok(date)
}

fn judge(skew: Skew) -> Check {
    let fix = "set this machine's clock (for example with NTP): beyond about five minutes the service rejects assertions \
               with AADSTS700024, and the lifetimes of tokens are misjudged";
    let found = skew.to_text();
    let check = if skew.length() < SMALL {
        Check::ok(name::CLOCK, found)
    } else if skew.length() <= LARGE {
        Check::warn(name::CLOCK, found, fix)
    } else {
        Check::fail(name::CLOCK, Exit::Configuration, found, fix)
    };
    check.with("ahead_seconds", skew.ahead_seconds())
}

/// The difference between this machine's clock and the service's. One of the two fields is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Skew {
    ahead: Duration,
    behind: Duration,
}

impl Skew {
    /// Returns the smallest skew that explains a response.
    ///
    /// `date` is the time of the service, rounded down to the second; `sent` and `received` are the
    /// local times of the request and the response.
    fn between(sent: Timestamp, date: Timestamp, received: Timestamp) -> Self {
        Self {
            ahead: sent.since(date.plus(Duration::from_secs(1))),
            behind: date.since(received),
        }
    }

    fn length(self) -> Duration {
        self.ahead.max(self.behind)
    }

    fn ahead_seconds(self) -> i64 {
        let whole = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
        whole(self.ahead) - whole(self.behind)
    }

    fn to_text(self) -> String {
        if self.length().as_secs() == 0 {
            "this machine's clock agrees with the service's".to_owned()
        } else if self.behind.is_zero() {
            format!("this machine's clock is {} ahead of the service's", length(self.ahead))
        } else {
            format!("this machine's clock is {} behind the service's", length(self.behind))
        }
    }
}

/// The skew from which there is a warning.
const SMALL: Duration = Duration::from_secs(60);

/// The skew beyond which the service rejects assertions.
const LARGE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(sent: u64, date: u64, received: u64) -> i64 {
        let [sent, date, received] = [sent, date, received].map(Timestamp::from_secs);
        Skew::between(sent, date, received).ahead_seconds()
    }

    #[test]
    fn slow_response_is_not_skew() {
        assert_eq!(skew(1000, 1000, 1000), 0);
        // The date may be of any moment in the 30 seconds of the request.
        assert_eq!(skew(1000, 1015, 1030), 0);
        // The date is rounded down to the second.
        assert_eq!(skew(1001, 1000, 1001), 0);
        assert_eq!(skew(1000, 1100, 1002), -98);
        assert_eq!(skew(1100, 1000, 1101), 99);
        assert_eq!(skew(0, u64::MAX, 0), -i64::MAX);
    }

    #[test]
    fn skew_warns_from_one_minute_and_fails_beyond_five() {
        let judged = |seconds: u64| {
            [(seconds, 0), (0, seconds)].map(|(ahead, behind)| {
                let [ahead, behind] = [ahead, behind].map(Duration::from_secs);
                judge(Skew { ahead, behind }).mark()
            })
        };
        use crate::commands::doctor::report::Mark;
        assert_eq!(judged(59), [Mark::Ok; 2]);
        assert_eq!(judged(60), [Mark::Warn; 2]);
        assert_eq!(judged(300), [Mark::Warn; 2]);
        assert_eq!(judged(301), [Mark::Fail(Exit::Configuration); 2]);
    }
}
