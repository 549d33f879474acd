//! Logging of requests and of a client's events.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use entra_client::observer::{Event, EventKind};
use entra_transport::adapter::endpoint;
use entra_transport::{BlockingTransport, Request, Response, Transport, TransportError};
use entra_transport_ureq::{OpenBody, UreqTransport};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SERVER};
use http::{HeaderMap, StatusCode, Uri};
use tracing::{Level, debug, enabled, trace};

use crate::failure::Report;

/// A transport that logs the method, address, status and time of each request.
#[derive(Clone)]
pub(crate) struct Logged<T>(pub(crate) T);

impl<T: BlockingTransport> BlockingTransport for Logged<T> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        if !enabled!(Level::DEBUG) {
            return self.0.send(request);
        }
        let log = RequestLog::start(&request);
        let outcome = self.0.send(request);
        log.end_with_body(&outcome);
        outcome
    }
}

#[async_trait]
impl<T: Transport> Transport for Logged<T> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if !enabled!(Level::DEBUG) {
            return self.0.send(request).await;
        }
        let log = RequestLog::start(&request);
        let outcome = self.0.send(request).await;
        log.end_with_body(&outcome);
        outcome
    }
}

impl Logged<UreqTransport> {
    /// Sends a request, and returns the response with its body unread.
    ///
    /// # Errors
    /// Returns an error if no response arrives.
    pub(crate) fn open(&self, request: Request) -> Result<http::Response<OpenBody>, TransportError> {
        let log = RequestLog::start(&request);
        let outcome = self.0.open(request);
        log.end(
            outcome
                .as_ref()
                .map(|response| (response.status(), details(response.headers()))),
        );
        outcome
    }
}

/// The log of one request.
struct RequestLog {
    /// The method and the address.
    request: String,
    start: Instant,
}

impl RequestLog {
    fn start(request: &Request) -> Self {
        let log = Self {
            request: format!("{} {}", request.method(), shown(request.uri())),
            start: Instant::now(),
        };
        trace!(
            "{}: headers {}, a body of {} bytes",
            log.request,
            names(request.headers()),
            request.body().as_bytes().len()
        );
        log
    }

    /// Logs the complete response, or the error.
    fn end_with_body(&self, outcome: &Result<Response, TransportError>) {
        self.end(outcome.as_ref().map(|response| (response.status(), String::new())));
        if let Ok(response) = outcome {
            trace!(
                "{}: a body of {} bytes{}",
                self.request,
                response.body().as_bytes().len(),
                details(response.headers())
            );
        }
    }

    /// Logs the status and further details of the response, or the error.
    fn end(&self, outcome: Result<(StatusCode, String), &TransportError>) {
        let elapsed = self.start.elapsed().as_millis();
        match outcome {
            Ok((status, details)) => debug!("{}: {} in {elapsed} ms{details}", self.request, status.as_u16()),
            Err(error) => debug!("{}: no response in {elapsed} ms: {:#}", self.request, Report::of(error)),
        }
    }
}

/// Sleeps before a retry.
pub(crate) fn sleep(pause: Duration) {
    debug!("waiting {} ms before the next try", pause.as_millis());
    std::thread::sleep(pause);
}

/// Logs an event of a client.
pub(crate) fn log_event(event: &Event<'_>) {
    let did = match event.kind {
        // `--watch` causes one for each check.
        EventKind::CacheHit => {
            trace!("a token for {}: from the cache", Slot(event));
            return;
        }
        EventKind::StoreHit => "from the store",
        EventKind::Joined => "waiting for a request that is in flight",
        EventKind::Requested => "not in the cache, requested",
        EventKind::Acquired => "issued, cached",
        EventKind::Failed => "not issued",
        EventKind::ServedAnyway => "served from the cache, since there is no newer one",
        EventKind::CachedFailure => "a cached failure",
        EventKind::Invalidated => "rejected by the API",
        EventKind::Evicted => "removed from the cache to make room",
        _ => return,
    };
    match event.cool_down {
        None => debug!("a token for {}: {did}", Slot(event)),
        Some(pause) => debug!(
            "a token for {}: {did}, no request for {} s",
            Slot(event),
            pause.as_secs()
        ),
    }
}

/// The cache entry that an event is about: its target, and its tenant if there is one.
struct Slot<'a>(&'a Event<'a>);

impl fmt::Display for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.target)?;
        match self.0.tenant {
            Some(tenant) => write!(f, " in {tenant}"),
            None => Ok(()),
        }
    }
}

/// Returns an address without its possible secrets: a login, and the values of the query.
pub(crate) fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let mut text = format!("{scheme}://{}{}", endpoint(uri), uri.path());
    let mut separator = '?';
    for pair in uri.query().into_iter().flat_map(|query| query.split('&')) {
        text.push(separator);
        separator = '&';
        text += pair.split_once('=').map_or("…", |(name, _)| name);
        text += "=…";
    }
    text
}

fn names(headers: &HeaderMap) -> String {
    headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the headers that describe the response and contain no part of the token.
fn details(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for name in [
        CONTENT_TYPE.as_str(),
        CACHE_CONTROL.as_str(),
        RETRY_AFTER.as_str(),
        SERVER.as_str(),
        "x-ms-request-id",
    ] {
        if let Some(value) = headers.get(name) {
            text += &format!("; {name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_query_are_hidden() {
        for (uri, text) in [
            ("https://a.example/x", "https://a.example:443/x"),
            (
                "https://u:canary@a.example:8443/x?code=canary&state=canary",
                "https://a.example:8443/x?code=…&state=…",
            ),
            ("http://127.0.0.1:80/?canary", "http://127.0.0.1:80/?…=…"),
        ] {
            assert_eq!(shown(&uri.parse().unwrap()), text);
        }
    }
}
