use std::time::Duration;

use entra_proto::Timestamp;
use entra_proto::acquire::server_time;

use crate::commands::doctor::connection::Answer;
use crate::commands::doctor::name;
use crate::commands::doctor::report::{Check, Report};
use crate::exit::{Exit, Failure};
use crate::time_format::length;

/// Compares this machine's clock with the service's. Gives the time by the service's, where that is known.
pub(crate) fn examine(answer: Option<&Answer>, report: &mut Report) -> Result<Timestamp, Failure> {
    let Some(answer) = answer else {
        report.skip(name::CLOCK, &[name::CONNECTION])?;
        return Ok(entra_transport::now());
    };
    let Some(date) = server_time(answer.response.headers()) else {
        report.add(Check::warn(
            name::CLOCK,
            "the answer does not say what time it is",
            "compare this machine's clock with another",
        ))?;
        return Ok(answer.received);
    };
    report.add(judge(Skew::between(answer.sent, date, answer.received)))?;
    Ok(date)
}

fn judge(skew: Skew) -> Check {
    let fix = "set this machine's clock, by NTP say: the service refuses assertions with AADSTS700024 beyond five minutes or so, and \
               tokens seem to last longer or shorter than they do";
    let found = skew.in_words();
    let check = if skew.length() < SMALL {
        Check::ok(name::CLOCK, found)
    } else if skew.length() <= LARGE {
        Check::warn(name::CLOCK, found, fix)
    } else {
        Check::fail(name::CLOCK, Exit::Configuration, found, fix)
    };
    check.with("ahead_seconds", skew.ahead_seconds())
}

/// How far this machine's clock is from the service's. One of the two is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Skew {
    ahead: Duration,
    behind: Duration,
}

impl Skew {
    /// The least that explains an answer dated `date`, to the second below, whose request was `sent` and which was `received` by the
    /// clock here.
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

    fn in_words(self) -> String {
        if self.length().as_secs() == 0 {
            "this machine's clock agrees with the service's".to_owned()
        } else if self.behind.is_zero() {
            format!("this machine's clock is {} ahead of the service's", length(self.ahead))
        } else {
            format!("this machine's clock is {} behind the service's", length(self.behind))
        }
    }
}

/// Below this, a difference is none.
const SMALL: Duration = Duration::from_secs(60);

/// Beyond this, assertions are refused.
const LARGE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(sent: u64, date: u64, received: u64) -> i64 {
        let [sent, date, received] = [sent, date, received].map(Timestamp::from_secs);
        Skew::between(sent, date, received).ahead_seconds()
    }

    #[test]
    fn a_slow_answer_is_no_skew() {
        assert_eq!(skew(1000, 1000, 1000), 0);
        // Somewhere in the 30 seconds that it took.
        assert_eq!(skew(1000, 1015, 1030), 0);
        // The date is cut to the second.
        assert_eq!(skew(1001, 1000, 1001), 0);
        assert_eq!(skew(1000, 1100, 1002), -98);
        assert_eq!(skew(1100, 1000, 1101), 99);
        assert_eq!(skew(0, u64::MAX, 0), -i64::MAX);
    }

    #[test]
    fn a_minute_is_worth_a_warning_and_five_are_too_much() {
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
