//! Counters in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use entra_client::observer::{Counters, EventKind};
use entra_proto::Timestamp;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::caller::Caller;
use crate::identity::Identities;
use crate::outcome::{Outcome, ProtocolName};
use crate::resources::AllowedResources;
use crate::serve::{Body, BoxError, Serve};

/// The counters of an [`Endpoint`](crate::Endpoint) and of its servers. A clone is a handle to the
/// same ones.
///
/// As a [`Serve`], it responds to `GET /metrics` with all of them, and to `GET /healthz` with
/// `200`. Let a server of its own serve it, at an address that the monitoring reaches: it needs no
/// key, and shows the names of identities and APIs, but no token.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: [[AtomicU64; Outcome::ALL.len()]; ProtocolName::ALL.len()],
    opened: AtomicU64,
    closed: AtomicU64,
    closed_for_room: AtomicU64,
    tokens: ArcSwapOption<TokenTimes>,
}

/// The times of the tokens that were served last, for each identity and API.
#[derive(Debug)]
pub(crate) struct TokenTimes {
    identities: Vec<String>,
    resources: Vec<String>,
    /// The time of receipt and of expiry, in seconds since the epoch, or 0.
    times: Vec<(AtomicU64, AtomicU64)>,
    counters: Option<Arc<Counters>>,
}

impl TokenTimes {
    pub(crate) fn new(
        identities: &Identities,
        resources: &AllowedResources,
        counters: Option<Arc<Counters>>,
    ) -> Arc<Self> {
        let identities: Vec<String> = identities.iter().map(|identity| identity.name().to_owned()).collect();
        let resources: Vec<String> = resources.iter().map(str::to_owned).collect();
        Arc::new(Self {
            times: (0..identities.len() * resources.len())
                .map(|_| (AtomicU64::new(0), AtomicU64::new(0)))
                .collect(),
            identities,
            resources,
            counters,
        })
    }

    /// Notes the times of a token that was served.
    pub(crate) fn note(&self, (identity, resource): (usize, usize), received: Timestamp, expires: Timestamp) {
        let place = identity * self.resources.len() + resource;
        if let Some((own_received, own_expires)) = self.times.get(place) {
            own_received.store(received.as_secs(), Relaxed);
            own_expires.store(expires.as_secs(), Relaxed);
        }
    }
}

impl Metrics {
    pub(crate) fn request(&self, protocol: ProtocolName, outcome: Outcome) {
        self.0.requests[protocol as usize][outcome as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn opened(&self) {
        self.0.opened.fetch_add(1, Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.0.closed.fetch_add(1, Relaxed);
    }

    pub(crate) fn closed_for_room(&self) {
        self.0.closed_for_room.fetch_add(1, Relaxed);
    }

    pub(crate) fn set_tokens(&self, tokens: Arc<TokenTimes>) {
        self.0.tokens.store(Some(tokens));
    }

    /// Returns all counters as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(4096);
        self.write_requests(&mut text);
        self.write_connections(&mut text);
        if let Some(tokens) = &*self.0.tokens.load() {
            write_tokens(&mut text, tokens);
        }
        text
    }

    fn write_requests(&self, text: &mut String) {
        head(
            text,
            "entra_serve_requests_total",
            "counter",
            "Requests, by protocol and outcome.",
        );
        for protocol in ProtocolName::ALL {
            for outcome in Outcome::ALL {
                let count = self.0.requests[protocol as usize][outcome as usize].load(Relaxed);
                if count > 0 {
                    let (protocol, outcome) = (protocol.as_str(), outcome.as_str());
                    let _ = writeln!(
                        text,
                        "entra_serve_requests_total{{protocol=\"{protocol}\",outcome=\"{outcome}\"}} {count}"
                    );
                }
            }
        }
        let tokens: u64 = self.0.requests.iter().map(|outcomes| tokens_of(outcomes)).sum();
        single(
            text,
            "entra_serve_tokens_total",
            "counter",
            "Tokens that were served.",
            tokens,
        );
    }

    fn write_connections(&self, text: &mut String) {
        // The other order would show one too many as closed.
        let closed = self.0.closed.load(Relaxed);
        let opened = self.0.opened.load(Relaxed);
        let open = opened.saturating_sub(closed);
        single(text, "entra_serve_connections_open", "gauge", "Open connections.", open);
        single(
            text,
            "entra_serve_connections_total",
            "counter",
            "Connections that were accepted.",
            opened,
        );
        single(
            text,
            "entra_serve_connections_closed_for_room_total",
            "counter",
            "Connections that waited for their clients and were closed for new ones.",
            self.0.closed_for_room.load(Relaxed),
        );
    }
}

fn tokens_of(outcomes: &[AtomicU64]) -> u64 {
    [Outcome::Cached, Outcome::Requested]
        .into_iter()
        .filter_map(|outcome| outcomes.get(outcome as usize))
        .map(|count| count.load(Relaxed))
        .sum()
}

fn write_tokens(text: &mut String, tokens: &TokenTimes) {
    let names = [
        (
            "entra_serve_token_received_timestamp_seconds",
            "The time of receipt of the token that was served last.",
        ),
        (
            "entra_serve_token_expires_timestamp_seconds",
            "The end of the token that was served last.",
        ),
    ];
    for (place, (name, help)) in names.into_iter().enumerate() {
        head(text, name, "gauge", help);
        let pairs = tokens
            .identities
            .iter()
            .flat_map(|identity| tokens.resources.iter().map(move |resource| (identity, resource)));
        for ((identity, resource), times) in pairs.zip(&tokens.times) {
            let time = [&times.0, &times.1][place].load(Relaxed);
            if time > 0 {
                let (identity, resource) = (Label(identity), Label(resource));
                let _ = writeln!(text, "{name}{{identity=\"{identity}\",resource=\"{resource}\"}} {time}");
            }
        }
    }
    if let Some(counters) = &tokens.counters {
        let name = "entra_serve_client_events_total";
        head(text, name, "counter", "Events of the clients of the token service.");
        for kind in EventKind::ALL {
            let (event, count) = (event_name(kind), counters.of(kind));
            let _ = writeln!(text, "{name}{{event=\"{event}\"}} {count}");
        }
    }
}

/// Returns the name of an event as Prometheus spells labels.
fn event_name(kind: EventKind) -> String {
    let mut name = String::new();
    for character in format!("{kind:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn single(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    let _ = writeln!(text, "{name} {value}");
}

/// The value of a label, escaped.
struct Label<'a>(&'a str);

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

impl Serve for Metrics {
    async fn serve(&self, request: Request<Incoming>, _: &Caller) -> Response<Body> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let (status, text) = match request.uri().path() {
            "/metrics" | "/healthz" if !is_read => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
            "/metrics" => (StatusCode::OK, self.to_text()),
            "/healthz" => (StatusCode::OK, "Healthy".into()),
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        let body = Full::new(Bytes::from(text)).map_err(BoxError::from).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        );
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_protocol_and_outcome() {
        let metrics = Metrics::default();
        metrics.request(ProtocolName::AppService, Outcome::Cached);
        metrics.request(ProtocolName::AppService, Outcome::Cached);
        metrics.request(ProtocolName::Imds, Outcome::Requested);
        metrics.request(ProtocolName::Imds, Outcome::WrongKey);
        metrics.opened();
        metrics.opened();
        metrics.closed();
        let text = metrics.to_text();
        for line in [
            "entra_serve_requests_total{protocol=\"app-service\",outcome=\"cached\"} 2",
            "entra_serve_requests_total{protocol=\"imds\",outcome=\"requested\"} 1",
            "entra_serve_requests_total{protocol=\"imds\",outcome=\"wrong_key\"} 1",
            "entra_serve_tokens_total 3",
            "entra_serve_connections_open 1",
            "entra_serve_connections_total 2",
            "# TYPE entra_serve_requests_total counter",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn labels_cannot_add_lines() {
        assert_eq!(Label("a\"b\\c\nd").to_string(), "a\\\"b\\\\c\\nd");
        assert_eq!(event_name(EventKind::ServedAnyway), "served_anyway");
    }
}
