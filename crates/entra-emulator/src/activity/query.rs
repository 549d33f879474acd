//! The query options of the Management Activity API: each is carried out, or the request is rejected.

use std::ops::Range;

use crate::activity::denial::Denial;
use crate::clock::{parse_rfc3339, unix};
use crate::exchange::{Exchange, shown};

/// The query options of a request, checked.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) content_type: Option<String>,
    /// When the content was created, in seconds since the epoch.
    pub(super) window: Option<Range<u64>>,
    pub(super) next_page: Option<String>,
}

impl Options {
    /// Reads the options of an operation that takes those of these names. Names are read in upper or lower case.
    ///
    /// # Errors
    /// Returns an error for an option that is given twice, malformed, or not carried out.
    pub(super) fn read(exchange: &Exchange<'_>, names: &[&str]) -> Result<Self, Denial> {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for (name, value) in exchange.query.pairs() {
            // What identifies a request or its caller chooses nothing of the response.
            if ["PublisherIdentifier", "access_token", "client-request-id"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
            {
                continue;
            }
            let known = names.iter().find(|known| name.eq_ignore_ascii_case(known));
            let Some(known) = known else {
                return Err(Denial::not_emulated(format_args!(
                    "the query option '{}' here",
                    shown(name)
                )));
            };
            if given.iter().any(|(name, _)| name == known) {
                return Err(Denial::new(
                    "AF20002",
                    &format!("Invalid parameter: {known} is given more than once."),
                ));
            }
            given.push((known, value));
        }
        let value = |name: &str| {
            let found = given.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let window = match (value(START), value(END)) {
            (None, None) => None,
            (start, end) => {
                let time = |text: Option<&str>| text.and_then(time);
                Some(window(time(start), time(end), unix(exchange.now)).ok_or_else(|| Denial::new("AF20030", WINDOW))?)
            }
        };
        Ok(Self {
            content_type: value("contentType").map(str::to_owned),
            window,
            next_page: value(NEXT_PAGE).map(str::to_owned),
        })
    }
}

fn window(start: Option<u64>, end: Option<u64>, now: u64) -> Option<Range<u64>> {
    let window = start?..end?;
    let is_short = window.start < window.end && window.end - window.start <= DAY;
    (is_short && window.start >= now.saturating_sub(7 * DAY)).then_some(window)
}

/// A time in UTC, to the day, the minute or the second.
fn time(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let rest = match text.len() {
        10 => "T00:00:00Z",
        16 => ":00Z",
        _ => "Z",
    };
    parse_rfc3339(&format!("{text}{rest}")).map(unix)
}

pub(super) const START: &str = "startTime";
pub(super) const END: &str = "endTime";
pub(super) const NEXT_PAGE: &str = "nextPage";
const DAY: u64 = 24 * 3_600;
const WINDOW: &str = "Start time and end time must both be specified (or both omitted) and must be less than or equal to \
     24 hours apart, with the start time no more than 7 days in the past.";
