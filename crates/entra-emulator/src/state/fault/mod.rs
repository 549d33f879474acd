//! Trouble on demand: answers that a script puts in place of the real ones.

mod script;

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::seed::mixed;

pub(crate) use crate::state::fault::script::Script;
use crate::time::http_date;

/// Something that goes wrong with the next matching request.
///
/// A fault is played once unless [`times`](Self::times) or [`always`](Self::always) says otherwise; several wait in the
/// order they were added. Some replace the answer (a status, an AADSTS row, a body of your own, a redirect, a reset),
/// some only touch the real one (latency, a truncated body, another content type, a skewed `Date`); both kinds combine:
/// `Fault::status(503).retry_after(..).latency(..)`. A replaced request is recorded, but not judged.
///
/// ```
/// use std::time::Duration;
/// use entra_emulator::{Emulator, Fault};
///
/// let emulator = Emulator::builder().build();
/// emulator.fault(Fault::status(503).retry_after(Duration::from_secs(2)).on("/oauth2/v2.0/token").times(2));
/// let request = http::Request::post(emulator.token_url_v2()).body(Vec::new()).unwrap();
/// let response = emulator.handle(request);
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "2");
/// ```
///
/// Without a socket ([`crate::Emulator::handle`]) nothing can be late, cut or reset. There the response carries what the
/// client would have received as far as a response can, and a [`Delivery`] among its extensions says the rest.
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until `Emulator::fault` has it"]
pub struct Fault {
    pub(crate) replace: Option<Replacement>,
    pub(crate) path: Option<String>,
    /// `None` means always.
    pub(crate) left: Option<u32>,
    /// It strikes one of so many matching requests.
    pub(crate) one_in: u32,
    /// How many matching requests there were.
    seen: u64,
    pub(crate) retry_after: Option<RetryAfter>,
    pub(crate) content_type: Option<String>,
    pub(crate) date_skew: Option<Skew>,
    pub(crate) delivery: Delivery,
}

/// How a server sends a response, beyond what the response itself says. Found among a response's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Wait this long (real time) before the first byte. In memory nothing waits.
    pub latency: Option<Duration>,
    /// What happens on the way. In memory: the body is what arrives, `Reset` is a 502 without a body.
    pub cut: Cut,
}

/// What happens to a response on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// It arrives whole.
    #[default]
    Whole,
    /// The connection is reset (RST) instead of an answer.
    Reset,
    /// The connection closes after this many bytes of the body, although `Content-Length` promised more.
    After(usize),
    /// The body has this many bytes: what is there, repeated. In memory at most 4 MiB of it.
    Repeated(u64),
    /// The body never ends: what is there, repeated, until the client goes away. In memory 4 MiB of it.
    Endless,
}

#[derive(Clone, Debug)]
pub(crate) enum Replacement {
    Status(StatusCode),
    Aadsts(u32),
    Body(StatusCode, Vec<u8>),
    Redirect(StatusCode, String),
    Reset,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RetryAfter {
    Seconds(u64),
    Date(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

impl Fault {
    /// Answers with this status and a short text, as a gateway in between would. A number that is no status gives 500.
    pub fn status(status: u16) -> Self {
        Self::replacing(Replacement::Status(known_status(status)))
    }

    /// Answers with a row of the [table](crate::Aadsts::table), for example 90033. An unknown number gives a 500.
    pub fn aadsts(code: u32) -> Self {
        Self::replacing(Replacement::Aadsts(code))
    }

    /// Answers with an error of the Office 365 Management Activity API, such as `AF50000`, with its status and its form.
    /// `AF429` is its throttling, with status 403. An unknown code gives status 500.
    ///
    /// ```
    /// use entra_emulator::{Emulator, Fault};
    ///
    /// let emulator = Emulator::builder().build();
    /// emulator.fault(Fault::activity("AF429").on("/activity/feed/audit/").always().one_in(20));
    /// ```
    pub fn activity(code: &str) -> Self {
        let (status, body) = crate::activity_errors::fault_body(code);
        Self::replacing(Replacement::Body(status, body))
    }

    /// Answers 200 with these bytes as `application/json`.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::replacing(Replacement::Body(StatusCode::OK, body.into()))
    }

    /// Answers with these bytes, as `application/json`, and the status so far: `Fault::status(503).with_body("{}")`.
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        let status = match self.replace {
            Some(Replacement::Status(status) | Replacement::Body(status, _)) => status,
            _ => StatusCode::OK,
        };
        Self {
            replace: Some(Replacement::Body(status, body.into())),
            ..self
        }
    }

    /// Answers with a redirect (301, 302, 303, 307 or 308; 302 for anything else) to this location.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        let status = known_status(status);
        let status = if status.is_redirection() {
            status
        } else {
            StatusCode::FOUND
        };
        Self::replacing(Replacement::Redirect(status, location.into()))
    }

    /// Resets the connection instead of answering.
    pub fn reset() -> Self {
        let fault = Self::replacing(Replacement::Reset);
        Self {
            delivery: Delivery {
                cut: Cut::Reset,
                ..fault.delivery
            },
            ..fault
        }
    }

    /// Cuts the body of the real answer after this many bytes and closes the connection; `Content-Length` says the whole.
    pub fn truncated(bytes: usize) -> Self {
        Self::touching().cut(Cut::After(bytes))
    }

    /// Delays the real answer by this much real time.
    pub fn delayed(latency: Duration) -> Self {
        Self::touching().latency(latency)
    }

    /// Gives the real answer another content type.
    pub fn typed(content_type: impl Into<String>) -> Self {
        Self::touching().content_type(content_type)
    }

    /// Answers 200 with a body of this many spaces.
    pub fn huge(bytes: u64) -> Self {
        Self::body(vec![b' '; 16 * 1024]).cut(Cut::Repeated(bytes))
    }

    /// Answers 200 with a body of spaces that never ends.
    pub fn endless() -> Self {
        Self::body(vec![b' '; 16 * 1024]).cut(Cut::Endless)
    }

    /// Gives the real answer a `Date` this much ahead of the emulator's clock.
    pub fn date_ahead(by: Duration) -> Self {
        Self {
            date_skew: Some(Skew::Ahead(by)),
            ..Self::touching()
        }
    }

    /// Gives the real answer a `Date` this much behind the emulator's clock.
    pub fn date_behind(by: Duration) -> Self {
        Self {
            date_skew: Some(Skew::Behind(by)),
            ..Self::touching()
        }
    }

    /// Adds `Retry-After` in seconds.
    pub fn retry_after(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(RetryAfter::Seconds(delay.as_secs())),
            ..self
        }
    }

    /// Adds `Retry-After` as a date, this long after the emulator's now.
    pub fn retry_after_date(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(RetryAfter::Date(delay)),
            ..self
        }
    }

    /// Adds real time before the answer.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.delivery.latency = Some(latency);
        self
    }

    /// Sets the content type.
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        Self {
            content_type: Some(content_type.into()),
            ..self
        }
    }

    /// Sets what happens on the way.
    pub fn cut(mut self, cut: Cut) -> Self {
        self.delivery.cut = cut;
        self
    }

    /// Strikes only requests whose path contains this, in upper or lower case: Entra reads paths in either.
    pub fn on(self, path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..self
        }
    }

    /// Strikes this many times.
    pub fn times(self, times: u32) -> Self {
        Self {
            left: Some(times),
            ..self
        }
    }

    /// Strikes about one of this many matching requests, as though by chance: the same ones each time, by their order. Of the
    /// others the next fault in the script may strike. Combine it with [`always`](Self::always) or [`times`](Self::times).
    ///
    /// ```
    /// use entra_emulator::{Emulator, Fault};
    ///
    /// let emulator = Emulator::builder().build();
    /// emulator.fault(Fault::status(503).always().one_in(10));
    /// emulator.fault(Fault::reset().always().one_in(50));
    /// ```
    pub fn one_in(self, requests: u32) -> Self {
        Self {
            one_in: requests.max(1),
            ..self
        }
    }

    /// Strikes until [`crate::Emulator::clear_faults`].
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    /// What the recorder calls it.
    pub(crate) fn name(&self) -> &'static str {
        match (&self.replace, self.delivery.cut) {
            (Some(Replacement::Reset), _) | (_, Cut::Reset) => "reset",
            (_, Cut::After(_)) => "truncated",
            (_, Cut::Repeated(_)) => "huge",
            (_, Cut::Endless) => "endless",
            (Some(Replacement::Status(_)), _) => "status",
            (Some(Replacement::Aadsts(_)), _) => "aadsts",
            (Some(Replacement::Body(..)), _) => "body",
            (Some(Replacement::Redirect(..)), _) => "redirect",
            (None, Cut::Whole) => match (self.delivery.latency, &self.date_skew) {
                (Some(_), _) => "latency",
                (None, Some(_)) => "date",
                (None, None) => "touched",
            },
        }
    }

    /// The answer to give instead of the real one, or the number of the row to refuse with.
    pub(crate) fn replacement(&self) -> Option<Result<Response<Vec<u8>>, u32>> {
        let plain = |status: StatusCode, content_type: &'static str, body: Vec<u8>| {
            let mut response = Response::new(body);
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        };
        Some(Ok(match self.replace.as_ref()? {
            Replacement::Aadsts(code) => return Some(Err(*code)),
            Replacement::Status(status) => {
                let reason = status.canonical_reason().unwrap_or("Unknown").as_bytes().to_vec();
                plain(*status, "text/plain", reason)
            }
            Replacement::Body(status, body) => plain(*status, "application/json; charset=utf-8", body.clone()),
            Replacement::Redirect(status, location) => {
                let mut response = plain(*status, "text/html", Vec::new());
                if let Ok(location) = HeaderValue::from_str(location) {
                    response.headers_mut().insert(LOCATION, location);
                }
                response
            }
            Replacement::Reset => plain(StatusCode::BAD_GATEWAY, "text/plain", Vec::new()),
        }))
    }

    /// Puts the marks of this fault on an answer.
    pub(crate) fn touch(&self, response: &mut Response<Vec<u8>>, now: SystemTime) {
        let headers = response.headers_mut();
        if let Some(value) = self
            .content_type
            .as_deref()
            .and_then(|text| HeaderValue::from_str(text).ok())
        {
            headers.insert(CONTENT_TYPE, value);
        }
        match self.retry_after {
            Some(RetryAfter::Seconds(seconds)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Some(RetryAfter::Date(delay)) => {
                headers.insert(RETRY_AFTER, http_date(now.checked_add(delay).unwrap_or(now)));
            }
            None => {}
        }
        let dated = match self.date_skew {
            Some(Skew::Ahead(by)) => now.checked_add(by),
            Some(Skew::Behind(by)) => now.checked_sub(by),
            None => None,
        };
        if let Some(dated) = dated {
            headers.insert(DATE, http_date(dated));
        }
        response.extensions_mut().insert(self.delivery.clone());
    }

    /// Draws whether it strikes this matching request. Faults at different places of the script draw differently.
    pub(super) fn is_drawn(&mut self, place: u64) -> bool {
        self.seen = self.seen.wrapping_add(1);
        self.one_in == 1
            || mixed(self.seen.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (place << 48))
                .is_multiple_of(u64::from(self.one_in))
    }

    fn replacing(replacement: Replacement) -> Self {
        Self {
            replace: Some(replacement),
            ..Self::touching()
        }
    }

    /// Gives the response a `Date` this many seconds ahead of the emulator's clock, or behind it if negative.
    pub(crate) fn skewed(self, seconds: i64) -> Self {
        let by = Duration::from_secs(seconds.unsigned_abs());
        let skew = if seconds < 0 { Skew::Behind(by) } else { Skew::Ahead(by) };
        Self {
            date_skew: Some(skew),
            ..self
        }
    }

    /// Whether it changes a response at all.
    pub(crate) fn does_something(&self) -> bool {
        self.replace.is_some()
            || self.retry_after.is_some()
            || self.content_type.is_some()
            || self.date_skew.is_some()
            || self.delivery != Delivery::default()
    }

    /// A fault that changes nothing yet.
    pub(crate) fn touching() -> Self {
        Self {
            replace: None,
            path: None,
            left: Some(1),
            one_in: 1,
            seen: 0,
            retry_after: None,
            content_type: None,
            date_skew: None,
            delivery: Delivery::default(),
        }
    }
}

fn known_status(status: u16) -> StatusCode {
    match StatusCode::from_u16(status) {
        // An informational answer is not the end of an exchange, so no server may send it as one.
        Ok(status) if !status.is_informational() => status,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn informational_and_unknown_statuses_become_500() {
        assert_eq!(known_status(101), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(known_status(9), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
