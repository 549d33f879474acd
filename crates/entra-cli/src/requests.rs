//! Logging of requests and of what a client does.

use std::time::{Duration, Instant};

use entra_client::observer::{Event, EventKind};
use entra_transport::adapter::endpoint;
use entra_transport::{BlockingTransport, Request, Response, TransportError};
use entra_transport_ureq::{OpenBody, UreqTransport};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SERVER};
use http::{HeaderMap, Uri};
use tracing::{Level, debug, enabled, trace};

use crate::failure::Report;

/// A transport that logs each request: the method, the address, the status and the time.
pub(crate) struct Logged<T>(pub(crate) T);

impl<T: BlockingTransport> BlockingTransport for Logged<T> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        if !enabled!(Level::DEBUG) {
            return self.0.send(request);
        }
        let what = format!("{} {}", request.method(), shown(request.uri()));
        trace!(
            "{what}: headers {}, a body of {} bytes",
            names(request.headers()),
            request.body().as_bytes().len()
        );
        let start = Instant::now();
        let outcome = self.0.send(request);
        let took = start.elapsed().as_millis();
        match &outcome {
            Ok(response) => {
                debug!("{what}: {} in {took} ms", response.status().as_u16());
                trace!(
                    "{what}: a body of {} bytes{}",
                    response.body().as_bytes().len(),
                    details(response.headers())
                );
            }
            Err(error) => debug!("{what}: no response in {took} ms: {:#}", Report::of(error)),
        }
        outcome
    }
}

impl Logged<UreqTransport> {
    /// Sends a request, and returns the response before its body.
    pub(crate) fn open(&self, request: Request) -> Result<http::Response<OpenBody>, TransportError> {
        let what = format!("{} {}", request.method(), shown(request.uri()));
        trace!(
            "{what}: headers {}, a body of {} bytes",
            names(request.headers()),
            request.body().as_bytes().len()
        );
        let start = Instant::now();
        let outcome = self.0.open(request);
        let took = start.elapsed().as_millis();
        match &outcome {
            Ok(response) => debug!(
                "{what}: {} in {took} ms{}",
                response.status().as_u16(),
                details(response.headers())
            ),
            Err(error) => debug!("{what}: no response in {took} ms: {:#}", Report::of(error)),
        }
        outcome
    }
}

/// Sleeps before a request is sent again.
pub(crate) fn sleep(pause: Duration) {
    debug!("waiting {} ms before the next try", pause.as_millis());
    std::thread::sleep(pause);
}

/// Logs an event of a client.
pub(crate) fn log_event(event: &Event<'_>) {
    let did = match event.kind {
        // At a watch there is one for each look.
        EventKind::CacheHit => {
            trace!("a token for {} in {}: from the cache", event.target, event.tenant);
            return;
        }
        EventKind::StoreHit => "from the store",
        EventKind::Joined => "waiting for a request that is in flight",
        EventKind::Requested => "not in the cache, requested",
        EventKind::Acquired => "issued, cached",
        EventKind::Failed => "not issued",
        EventKind::ServedAnyway => "the one from the cache, since there is no newer one",
        EventKind::CachedFailure => "a failure from the cache",
        EventKind::Invalidated => "rejected by the API",
        EventKind::Evicted => "removed from the cache to make room",
        _ => return,
    };
    match event.cool_down {
        None => debug!("a token for {} in {}: {did}", event.target, event.tenant),
        Some(pause) => debug!(
            "a token for {} in {}: {did}, no request for {} s",
            event.target,
            event.tenant,
            pause.as_secs()
        ),
    }
}

/// An address without what may be a secret: a login, and the values of the query.
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

/// The headers that say something about the response, and hold nothing of the token.
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
    fn no_value_of_a_query_is_shown() {
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
