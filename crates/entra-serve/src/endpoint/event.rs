//! The log event of a request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use entra_proto::ClientId;
use entra_proto::error::printable;
use http::Request;
use tracing::Level;

use super::exchange::Exchange;
use crate::caller::Caller;
use crate::outcome::{Outcome, ProtocolName};
use crate::tokens::Refusal;

/// The log event of a request: the API, the identity and the outcome. It holds no token, no key and
/// no claims. Texts of the request are escaped and cut.
pub(super) struct Event {
    protocol: ProtocolName,
    method: String,
    path: String,
    resource: Option<String>,
    identity: Option<String>,
    agent: Option<ClientId>,
    party: Option<&'static str>,
    outcome: Outcome,
    reason: Option<String>,
    aadsts: Option<u32>,
    duration: Duration,
}

impl Event {
    /// Returns true if there is a subscriber for the events.
    pub(super) fn is_enabled() -> bool {
        tracing::enabled!(target: "entra_serve", Level::INFO)
    }

    /// Returns the event of a request that began at this time.
    pub(super) fn new(protocol: ProtocolName, request: &Request<Bytes>, outcome: Outcome, start: Instant) -> Self {
        Self {
            protocol,
            method: shown(request.method().as_str(), LONGEST_METHOD),
            path: shown(request.uri().path(), LONGEST_TEXT),
            resource: None,
            identity: None,
            agent: None,
            party: None,
            outcome,
            reason: None,
            aadsts: None,
            duration: start.elapsed(),
        }
    }

    /// Adds what the protocol has noted.
    pub(super) fn with_notes(mut self, exchange: &Exchange<'_>) -> Self {
        if let Some(ask) = &exchange.ask {
            self.agent = ask.agent;
            self.party = ask.party.word();
            self.resource = Some(shown(&exchange.resource(), LONGEST_TEXT));
        }
        self.identity = exchange.identity.map(|name| shown(name, LONGEST_TEXT));
        let problem = exchange.problem.as_ref();
        self.reason = problem.map(|problem| shown(problem, LONGEST_REASON));
        self
    }

    /// Adds the reason why the request gets no token.
    pub(super) fn with_refusal(mut self, refusal: &Refusal) -> Self {
        self.reason = Some(shown(&refusal.message(), LONGEST_REASON));
        if let Refusal::Failed(error) = refusal {
            self.aadsts = error.service().and_then(|service| service.codes.last().copied());
        }
        self
    }

    /// Logs the event, once it is known which process the request came from.
    pub(super) fn log(self, caller: &Caller) {
        caller.once_known(move |caller| self.emit(caller));
    }

    fn emit(&self, caller: &Caller) {
        tracing::info!(
            target: "entra_serve",
            %caller,
            protocol = self.protocol.as_str(),
            method = %self.method,
            path = %self.path,
            resource = self.resource.as_deref(),
            identity = self.identity.as_deref(),
            agent = self.agent.map(tracing::field::display),
            party = self.party,
            outcome = self.outcome.as_str(),
            reason = self.reason.as_deref(),
            aadsts = self.aadsts,
            duration_us = u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

/// Returns a text from outside, escaped and cut.
fn shown(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(text),
    }
}

const LONGEST_METHOD: usize = 20;
const LONGEST_TEXT: usize = 120;
const LONGEST_REASON: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_cut() {
        assert_eq!(shown("a\r\nb\u{1b}[31m\u{202e}", 100), "a\\r\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(shown("äöü", 3), "äöü");
        assert_eq!(shown("äöüß", 3), "äöü…");
    }
}
