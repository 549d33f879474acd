//! The query options of the Management Activity API: each is applied, or the request is rejected.

use std::ops::Range;
use std::time::SystemTime;

use crate::api::activity::denial::Denial;
use crate::config::ContentType;
use crate::exchange::{Exchange, shown};
use crate::time::{parse_rfc3339, unix};

/// The checked query options of a request.
#[derive(Debug)]
pub(super) struct Options {
    content_type: Option<ContentType>,
    /// The creation times to list, in seconds since the Unix epoch; by default the last 24 hours.
    pub(super) window: Range<u64>,
    pub(super) next_page: Option<String>,
}

impl Options {
    /// Reads the options of an operation that takes options of these names, in any letter case.
    ///
    /// # Errors
    /// Returns an error if an option is repeated, malformed or not implemented.
    pub(super) fn read(exchange: &Exchange<'_>, names: &[&str]) -> Result<Self, Denial> {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for (name, value) in exchange.query.pairs() {
            // Options that identify a request or its caller do not select anything.
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
            known.ok_or_else(|| Denial::standard("AF20020"))
        });
        let next_page = value(NEXT_PAGE).map(str::to_owned);
        let now = unix(exchange.now);
        let window = match (value(START), value(END)) {
            // Includes content created at this second.
            (None, None) => (now + 1).saturating_sub(DAY)..now + 1,
            (Some(start), Some(end)) => {
                let window = bound(START, start)?..bound(END, end)?;
                // The window moves on while its pages are read.
                let oldest = if next_page.is_some() { 7 * DAY + HOUR } else { 7 * DAY };
                let is_sound = window.start < window.end
                    && window.end - window.start <= DAY
                    && window.start >= now.saturating_sub(oldest);
                if !is_sound {
                    // Users reported this code for a window that is too wide or too old.
                    return Err(Denial::standard("AF20055"));
                }
                window
            }
            _ => return Err(Denial::standard("AF20030")),
        };
        Ok(Self {
            content_type: content_type.transpose()?,
            window,
            next_page,
        })
    }

    /// Returns the content type, for an operation that requires one.
    ///
    /// # Errors
    /// Returns AF20001 if the request has none.
    pub(super) fn content_type(&self) -> Result<ContentType, Denial> {
        self.content_type.ok_or_else(|| Denial::standard("AF20001"))
    }
}

/// Returns the tenant ID of the program's author (`PublisherIdentifier`), by which requests are
/// counted.
///
/// # Errors
/// Returns AF20002 if it is not a GUID or is repeated.
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

/// Parses one end of a window, in seconds since the Unix epoch.
///
/// A fraction of a second is rounded up: content is created at whole seconds, so neither end
/// includes content created before it.
fn bound(name: &str, text: &str) -> Result<u64, Denial> {
    let time = time(text).ok_or_else(|| {
        let message = format!("Invalid parameter type: {name}. Expected type: datetime");
        Denial::new("AF20002", message)
    })?;
    let seconds = unix(time);
    // `time` drops the fraction.
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let is_whole = !fraction.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    Ok(if is_whole { seconds } else { seconds + 1 })
}

/// Parses a UTC time with the precision of a day, a minute or a second.
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
