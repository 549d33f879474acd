//! The log: one line on standard error for each event that a person may want to see.

use std::time::Duration;

use crate::console::note;
use crate::event::{Event, Observer};
use crate::failure::Failure;

/// Writes lines to standard error.
pub(crate) struct Log {
    /// Leaves out all but failures and warnings.
    pub(crate) quiet: bool,
}

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        let is_important = match event {
            Event::Gap { .. } | Event::Failed { .. } | Event::Warning { .. } => true,
            Event::RoundStarted { tenants } => tenants.is_empty(),
            _ => false,
        };
        if self.quiet && !is_important {
            return;
        }
        if let Some(line) = line(event) {
            note(&line);
        }
    }
}

/// Returns the line of an event, for those that have one.
pub(crate) fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Subscribed { tenant, content_type } => {
            format!("tenant {tenant}: started the subscription to {content_type}: first content may take 12 hours")
        }
        Event::Gap {
            tenant,
            content_type,
            gap,
        } => format!(
            "tenant {tenant}, {content_type}: content from {gap} is lost: the API keeps it for 7 days; run the collector more often"
        ),
        Event::BackOff { tenant, wait, reason } => {
            format!("tenant {tenant}: waits {}: {}", short(*wait), reason.problem())
        }
        Event::TenantSteppedAside { tenant, wait } => {
            format!("tenant {tenant}: continues in {}, others go on", short(*wait))
        }
        Event::Failed { failure, .. } => with_hint(failure),
        Event::Warning { tenant, text } => format!("tenant {tenant}: warning: {text}"),
        Event::TokenAcquired { tenant, life } => {
            format!("tenant {tenant}: token acquired, good for {}", short(*life))
        }
        // No call was made between the time to renew it and its end.
        Event::TokenRenewed { tenant, after, left } if left.is_zero() => {
            format!("tenant {tenant}: token renewed after {}: it had expired", short(*after))
        }
        Event::TokenRenewed { tenant, after, left } => {
            format!(
                "tenant {tenant}: token renewed after {}, {} before its end",
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
            "warning: there is no tenant to collect from: let an administrator connect one, on the page of --connect"
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

/// A failure and what to do about it.
pub(crate) fn with_hint(failure: &Failure) -> String {
    match failure.hint() {
        Some(hint) => format!("{failure}; {hint}"),
        None => failure.to_string(),
    }
}

/// A time for people: `45 min`, `15 s`, `250 ms`.
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

    #[test]
    fn renewal_is_told_with_the_life_that_was_left() {
        let tenant = "contoso.example".parse().unwrap();
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let told = |after, left| {
            let (tenant, after, left) = (&tenant, minutes(after), minutes(left));
            line(&Event::TokenRenewed { tenant, after, left }).unwrap()
        };
        assert_eq!(
            told(45, 15),
            "tenant contoso.example: token renewed after 45 min, 15 min before its end"
        );
        assert_eq!(
            told(61, 0),
            "tenant contoso.example: token renewed after 61 min: it had expired"
        );
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
