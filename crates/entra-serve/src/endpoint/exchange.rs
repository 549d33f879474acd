//! One request on its way through a protocol.

use std::borrow::Cow;

use bytes::Bytes;
use entra_proto::Timestamp;
use http::{Request, StatusCode};

use crate::ask::Ask;
use crate::caller::Caller;
use crate::metrics::TokenTimes;
use crate::outcome::Outcome;
use crate::tokens::{Issued, Refusal, Tokens};

/// A request, and the notes for its log event that are made while a protocol responds.
pub(super) struct Exchange<'a> {
    pub(super) request: &'a Request<Bytes>,
    #[allow(dead_code, reason = "not every protocol reads it")]
    pub(super) caller: &'a Caller,
    pub(super) tokens: &'a Tokens,
    /// What the request asks for, once that is known.
    pub(super) ask: Option<Ask>,
    /// The name of the identity that it gets a token of.
    pub(super) identity: Option<&'a str>,
    /// The reason why it is rejected, if it is one of its protocol alone.
    pub(super) problem: Option<String>,
    served: Option<Served>,
}

/// A token that was served.
struct Served {
    is_cached: bool,
    place: Option<(usize, usize)>,
    received: Timestamp,
    expires: Timestamp,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(request: &'a Request<Bytes>, caller: &'a Caller, tokens: &'a Tokens) -> Self {
        Self {
            request,
            caller,
            tokens,
            ask: None,
            identity: None,
            problem: None,
            served: None,
        }
    }

    /// Returns the token that the request asks for, and notes it. If it is cached, nothing is
    /// awaited.
    ///
    /// # Errors
    /// Returns an error for an API that is not listed and for an unknown identity, and the failure
    /// of the client.
    pub(super) async fn issue(&mut self, ask: Ask) -> Result<Issued<'a>, Refusal> {
        let issued = self.tokens.issue(self.ask.insert(ask)).await?;
        self.identity = Some(issued.identity.name());
        self.served = Some(Served {
            is_cached: issued.is_cached,
            place: issued.place,
            received: issued.token.received_at(),
            expires: issued.token.expires_at(),
        });
        Ok(issued)
    }

    /// Returns the outcome of a request with a response of its protocol, and notes the times of its
    /// token.
    pub(super) fn outcome(&self, status: StatusCode, times: &TokenTimes) -> Outcome {
        if status.is_client_error() || status.is_server_error() {
            return Outcome::Rejected;
        }
        let Some(served) = &self.served else {
            return Outcome::Done;
        };
        if let Some(place) = served.place {
            times.note(place, served.received, served.expires);
        }
        match served.is_cached {
            true => Outcome::Cached,
            false => Outcome::Requested,
        }
    }

    /// Returns the audience of the API that the request asks a token for, in its spelling.
    pub(super) fn resource(&self) -> Cow<'_, str> {
        let audience = self.ask.as_ref().and_then(|ask| ask.target.audience().ok());
        audience.unwrap_or_default()
    }
}
