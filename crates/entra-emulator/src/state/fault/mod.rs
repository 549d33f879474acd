//! Scripted faults: responses and delivery failures that replace or alter the real responses.

mod script;

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::seed::mixed;

pub(crate) use crate::state::fault::script::Script;
use crate::time::http_date;

/// A failure that the emulator plays for the next matching request.
///
/// A fault is played once unless [`times`](Self::times) or [`always`](Self::always) changes that.
/// Faults are played in the order in which they were added. Some replace the response (a status, an
/// AADSTS row, a custom body, a redirect, a reset). Others only alter the real response (latency, a
/// truncated body, another content type, a skewed `Date`). Both kinds combine:
/// `Fault::status(503).retry_after(..).latency(..)`. A replaced request is recorded, but not
/// checked against the rules.
///
/// ```
/// use std::time::Duration;
/// use entra_emulator::{Emulator, Fault};
///
/// let emulator = Emulator::builder().build();
/// emulator.fault(
///     Fault::status(503)
///         .retry_after(Duration::from_secs(2))
///         .on("/oauth2/v2.0/token")
///         .times(2),
/// );
/// let url = emulator.token_url_v2();
/// let request = http::Request::post(url).body(Vec::new()).unwrap();
/// let response = emulator.handle(request);
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "2");
/// ```
///
/// Without a socket ([`crate::Emulator::handle`]), a response cannot be delayed, cut or reset. In
/// that case the response contains what the client would have received, as far as possible, and a
/// [`Delivery`] among its extensions describes the rest.
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until `Emulator::fault` receives it"]
pub struct Fault {
    pub(crate) replace: Option<Replacement>,
    pub(crate) path: Option<String>,
    /// The number of times the fault is still played. `None` means always.
    pub(crate) left: Option<u32>,
    /// The fault is played for about one of this many matching requests.
    pub(crate) one_in: u32,
    /// The number of matching requests so far.
    seen: u64,
    pub(crate) retry_after: Option<RetryAfter>,
    pub(crate) content_type: Option<String>,
    pub(crate) date_skew: Option<Skew>,
    pub(crate) delivery: Delivery,
}

/// The delivery of a response, as far as the response itself does not describe it. A server finds
/// it among the response's extensions.
///
/// ```
/// use entra_emulator::{Cut, Delivery, Emulator, Fault};
///
/// let emulator = Emulator::builder().build();
/// emulator.fault(Fault::truncated(10));
/// let request = http::Request::post(emulator.token_url_v2());
/// let response = emulator.handle(request.body(Vec::new()).unwrap());
/// let delivery = response.extensions().get::<Delivery>().unwrap();
/// assert_eq!(delivery.cut, Cut::After(10));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The real time to wait before the first byte. In memory, nothing waits.
    pub latency: Option<Duration>,
    /// The failure during delivery. In memory, the body contains what would arrive, and `Reset` is
    /// a 502 without a body.
    pub cut: Cut,
}

/// A failure while a response is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// The response arrives whole.
    #[default]
    Whole,
    /// The connection is reset (RST) before any response.
    Reset,
    /// The connection closes after this many bytes of the body, although `Content-Length` announces
    /// more.
    After(usize),
    /// The body is extended to this many bytes by repetition. In memory, it has at most 4 MiB.
    Repeated(u64),
    /// The body is repeated without end until the client disconnects. In memory, it has 4 MiB.
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
    /// Responds with this status and a short text, as a gateway would. An invalid status becomes
    /// 500.
    pub fn status(status: u16) -> Self {
        Self::replacing(Replacement::Status(known_status(status)))
    }

    /// Responds with a row of the [table](crate::Aadsts::table), for example 90033. An unknown code
    /// becomes a 500.
    pub fn aadsts(code: u32) -> Self {
        Self::replacing(Replacement::Aadsts(code))
    }

    /// Responds with an error of the Office 365 Management Activity API, such as `AF50000`, in that
    /// API's format and with that error's status. `AF429` is the API's throttling error, with
    /// status 403. An unknown code becomes status 500.
    ///
    /// ```
    /// use entra_emulator::{Emulator, Fault};
    ///
    /// let emulator = Emulator::builder().build();
    /// let throttling = Fault::activity("AF429").on("/activity/feed/audit/");
    /// emulator.fault(throttling.always().one_in(20));
    /// ```
    pub fn activity(code: &str) -> Self {
        let (status, body) = crate::activity_errors::fault_body(code);
        Self::replacing(Replacement::Body(status, body))
    }

    /// Responds with status 200 and these bytes as `application/json`.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::replacing(Replacement::Body(StatusCode::OK, body.into()))
    }

    /// Responds with these bytes as `application/json` and the current status of the fault:
    /// `Fault::status(503).with_body("{}")`.
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

    /// Responds with a redirect to this location. A status other than 3xx becomes 302.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        let status = known_status(status);
        let status = if status.is_redirection() {
            status
        } else {
            StatusCode::FOUND
        };
        Self::replacing(Replacement::Redirect(status, location.into()))
    }

    /// Resets the connection instead of responding.
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

    /// Truncates the body of the real response after this many bytes and closes the connection.
    /// `Content-Length` still announces the whole body.
    pub fn truncated(bytes: usize) -> Self {
        Self::touching().cut(Cut::After(bytes))
    }

    /// Delays the real response by this much real time.
    pub fn delayed(latency: Duration) -> Self {
        Self::touching().latency(latency)
    }

    /// Replaces the content type of the real response.
    pub fn typed(content_type: impl Into<String>) -> Self {
        Self::touching().content_type(content_type)
    }

    /// Responds with status 200 and a body of this many spaces.
    pub fn huge(bytes: u64) -> Self {
        Self::body(vec![b' '; 16 * 1024]).cut(Cut::Repeated(bytes))
    }

    /// Responds with status 200 and a body of spaces that never ends.
    pub fn endless() -> Self {
        Self::body(vec![b' '; 16 * 1024]).cut(Cut::Endless)
    }

    /// Sets the `Date` of the real response this far ahead of the emulator's clock.
    pub fn date_ahead(by: Duration) -> Self {
        Self {
            date_skew: Some(Skew::Ahead(by)),
            ..Self::touching()
        }
    }

    /// Sets the `Date` of the real response this far behind the emulator's clock.
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

    /// Adds `Retry-After` as a date this long after the emulator's current time.
    pub fn retry_after_date(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(RetryAfter::Date(delay)),
            ..self
        }
    }

    /// Delays the response by this much real time.
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

    /// Sets the failure during delivery.
    pub fn cut(mut self, cut: Cut) -> Self {
        self.delivery.cut = cut;
        self
    }

    /// Restricts the fault to requests whose path contains this text. The comparison ignores case,
    /// as Entra's paths do.
    pub fn on(self, path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..self
        }
    }

    /// Plays the fault this many times.
    pub fn times(self, times: u32) -> Self {
        Self {
            left: Some(times),
            ..self
        }
    }

    /// Plays the fault for about one of this many matching requests. The choice looks random, but
    /// depends only on the order of the requests and is therefore the same in each run. The next
    /// fault in the script may be played for the other requests. Combine it with
    /// [`always`](Self::always) or [`times`](Self::times).
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

    /// Plays the fault until [`crate::Emulator::clear_faults`].
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    /// Returns the name of the fault in recorded events.
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

    /// Returns the response that replaces the real one, or the AADSTS code of the error response.
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

    /// Applies the headers and the delivery of this fault to a response.
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

    /// Decides whether the fault is played for this matching request. Faults at different places in
    /// the script choose different requests.
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

    /// Sets the `Date` of the response this many seconds ahead of the emulator's clock, or behind
    /// it if negative.
    pub(crate) fn skewed(self, seconds: i64) -> Self {
        let by = Duration::from_secs(seconds.unsigned_abs());
        let skew = if seconds < 0 { Skew::Behind(by) } else { Skew::Ahead(by) };
        Self {
            date_skew: Some(skew),
            ..self
        }
    }

    /// Returns whether the fault changes a response at all.
    pub(crate) fn does_something(&self) -> bool {
        self.replace.is_some()
            || self.retry_after.is_some()
            || self.content_type.is_some()
            || self.date_skew.is_some()
            || self.delivery != Delivery::default()
    }

    /// Returns a fault that changes nothing yet.
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
        // An informational response does not end an exchange, so a server must not send it as the
        // final one.
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
