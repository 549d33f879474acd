//! One request on its way through a protocol.

use bytes::Bytes;
use http::Request;

use crate::ask::Ask;
use crate::caller::Caller;
use crate::tokens::{Issued, Refusal, Tokens};

/// A request, and the notes for its log event that a protocol makes while it responds.
pub(super) struct Exchange<'a> {
    pub(super) request: &'a Request<Bytes>,
    #[allow(dead_code, reason = "not every protocol reads it")]
    pub(super) caller: &'a Caller,
    pub(super) tokens: &'a Tokens,
    /// What the request asks for, once that is known.
    pub(super) ask: Option<Ask>,
    /// The name of the identity that it gets a token of.
    pub(super) identity: Option<&'a str>,
    /// True if the token comes from the cache.
    pub(super) is_cached: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(request: &'a Request<Bytes>, caller: &'a Caller, tokens: &'a Tokens) -> Self {
        Self {
            request,
            caller,
            tokens,
            ask: None,
            identity: None,
            is_cached: false,
        }
    }

    /// Returns the token that the request asks for, and notes it. If it is cached, nothing is
    /// awaited.
    ///
    /// # Errors
    /// Refuses an API that is not listed and an unknown identity. Passes on the failure of the
    /// client.
    pub(super) async fn issue(&mut self, ask: Ask) -> Result<Issued<'a>, Refusal> {
        let issued = self.tokens.issue(self.ask.insert(ask)).await?;
        self.identity = Some(issued.identity.name());
        self.is_cached = issued.is_cached;
        Ok(issued)
    }

    /// Returns the audience of the API that the request asks a token for, in its spelling.
    pub(super) fn resource(&self) -> std::borrow::Cow<'_, str> {
        let audience = self.ask.as_ref().and_then(|ask| ask.target.audience().ok());
        audience.unwrap_or_default()
    }
}
