//! The query options of the Management Activity API: each is carried out, or the request is rejected.

use std::ops::Range;
use std::time::SystemTime;

use crate::api::activity::denial::Denial;
use crate::config::ContentType;
use crate::exchange::{Exchange, shown};
use crate::time::{parse_rfc3339, unix};

/// The query options of a request, checked.
#[derive(Debug)]
pub(super) struct Options {
    content_type: Option<ContentType>,
    /// When contents were created, in seconds since the epoch: the last 24 hours where the request does not say.
    pub(super) window: Range<u64>,
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
            if [PUBLISHER, "access_token", "client-request-id"]
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
                return Err(given_twice(known));
            }
            given.push((known, value));
        }
        let value = |name: &str| {
            let found = given.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let content_type = value(CONTENT_TYPE).map(|name| {
            let known = ContentType::find(name);
            known.ok_or_else(|| Denial::new("AF20020", "The specified content type is not valid."))
        });
        let next_page = value(NEXT_PAGE).map(str::to_owned);
        let now = unix(exchange.now);
        let window = match (value(START), value(END)) {
            // Up to what was created at this moment.
            (None, None) => (now + 1).saturating_sub(DAY)..now + 1,
            (Some(start), Some(end)) => {
                let window = bound(START, start)?..bound(END, end)?;
                // The window moves on while its pages are read.
                let oldest = if next_page.is_some() { 7 * DAY + HOUR } else { 7 * DAY };
                let is_sound = window.start < window.end
                    && window.end - window.start <= DAY
                    && window.start >= now.saturating_sub(oldest);
                if !is_sound {
                    return Err(Denial::new("AF20055", OUT_OF_BOUNDS));
                }
                window
            }
            _ => return Err(Denial::new("AF20030", ONE_TIME)),
        };
        Ok(Self {
            content_type: content_type.transpose()?,
            window,
            next_page,
        })
    }

    /// The content type, of an operation that needs one.
    ///
    /// # Errors
    /// AF20001.
    pub(super) fn content_type(&self) -> Result<ContentType, Denial> {
        self.content_type
            .ok_or_else(|| Denial::new("AF20001", format!("Missing parameter: {CONTENT_TYPE}.")))
    }
}

/// The tenant of the program's author, by which requests are counted.
///
/// # Errors
/// AF20002 if it is no GUID, or given more than once.
pub(super) fn publisher(exchange: &Exchange<'_>) -> Result<Option<String>, Denial> {
    let given = exchange.query.pairs().iter();
    let mut given = given.filter(|(name, _)| name.eq_ignore_ascii_case(PUBLISHER));
    let first = given.next();
    if given.next().is_some() {
        return Err(given_twice(PUBLISHER));
    }
    let Some((_, value)) = first.filter(|(_, value)| !value.is_empty()) else {
        return Ok(None);
    };
    if !crate::seed::is_guid(value) {
        let message = format!("Invalid parameter type: {PUBLISHER}. Expected type: guid");
        return Err(Denial::new("AF20002", message));
    }
    Ok(Some(value.to_ascii_lowercase()))
}

fn given_twice(name: &str) -> Denial {
    let message = format!("Invalid parameter: {name} is given more than once.");
    Denial::new("AF20002", message)
}

/// One end of a window, in seconds since the epoch. A part of a second counts as a whole one: contents are created at whole
/// seconds, and neither end lets one in that was created before it.
fn bound(name: &str, text: &str) -> Result<u64, Denial> {
    let time = time(text).ok_or_else(|| {
        let message = format!("Invalid parameter type: {name}. Expected type: datetime");
        Denial::new("AF20002", message)
    })?;
    let seconds = unix(time);
    // The reader of times leaves the fraction out.
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let is_whole = !fraction.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    Ok(if is_whole { seconds } else { seconds + 1 })
}

/// A time in UTC, to the day, the minute or the second.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let rest = match bare.len() {
        10 => "T00:00:00Z",
        16 => ":00Z",
        _ => "Z",
    };
    parse_rfc3339(&format!("{bare}{rest}"))
}

pub(super) const CONTENT_TYPE: &str = "contentType";
pub(super) const PUBLISHER: &str = "PublisherIdentifier";
pub(super) const START: &str = "startTime";
pub(super) const END: &str = "endTime";
pub(super) const NEXT_PAGE: &str = "nextPage";
const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 24 * HOUR;
/// What the reference says about AF20030. Of a window that is given, but too wide or too old, users have reported AF20055.
const ONE_TIME: &str = "Start time and end time must both be specified (or both omitted) and must be less than or equal to \
     24 hours apart, with the start time no more than 7 days in the past.";
const OUT_OF_BOUNDS: &str = "Start time and end time must both be specified (or both omitted) and must be less than or equal \
     to 24 hours apart, with the start time prior to end time and start time no more than 7 days in the past.";
