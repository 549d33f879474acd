//! One attempt at an acquisition: what it begins with, what it carries along, and what may remedy its failure.

use std::mem;
use std::time::Duration;

use entra_proto::acquire::{Sign, Step};
use entra_proto::assertion::{ClientAssertion, SignerError};
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::Lifetime;
use entra_proto::device::{DeviceCodeRequest, DeviceStep};
use entra_proto::error::ErrorClass;
use entra_proto::{Guid, TokenRequest};
use entra_transport::{AcquireError, TransportError};
use tracing::Span;

use crate::assertions::Name;
use crate::cache::Key;
use crate::clock::Moment;
use crate::core::Core;
use crate::error::Error;
use crate::random::random_guid;

/// What an acquisition carries along.
pub(crate) struct Attempt {
    pub(crate) request_id: Guid,
    /// The moment at which the last request was sent. None before the first one.
    pub(crate) sent: Option<Moment>,
    /// The name by which its assertion is cached, if it is one that is cached.
    pub(crate) assertion_name: Option<Name>,
    /// An assertion that was signed for it, and when.
    pub(crate) signed: Option<(ClientAssertion, Moment)>,
    /// The user's refresh token that it sends, which may be replaced while it is under way.
    pub(crate) refresh_token: Option<RefreshToken>,
    /// The response named no lifetime, or an empty one.
    pub(crate) is_lifeless: bool,
    /// An assertion that was used before was rejected, and this attempt signs another one.
    pub(crate) is_signed_anew: bool,
}

impl Attempt {
    /// Starts entra-proto's machine.
    pub(super) fn start<D>(
        core: &Core<D>,
        span: &Span,
        wanted: Wanted,
        remedies: &Remedies,
    ) -> Result<(Self, Start), TransportError> {
        let request_id = random_guid(&*core.random)?;
        span.record("correlation_id", tracing::field::display(request_id));
        let now = core.clock.now();
        let mut attempt = Self {
            request_id,
            sent: None,
            assertion_name: None,
            signed: None,
            refresh_token: None,
            is_lifeless: false,
            is_signed_anew: remedies.signed_anew,
        };
        let step = match wanted {
            Wanted::Token(request) => {
                attempt.refresh_token = request.refresh_token().cloned();
                let (request, name) = core.assertions.prove(request, now);
                attempt.assertion_name = name;
                Start::Token(request.start(core.policy.retry, request_id, now.wall))
            }
            Wanted::DeviceCode(request) => Start::Device(request.start(core.policy.retry, request_id, now.wall)),
        };
        Ok((attempt, step))
    }

    /// Counts a life from the moment at which the last request was sent: the service counted from its response, which was no earlier.
    /// The clock that says more counts: a machine may sleep while the response is under way.
    ///
    /// If the response names no life, the token serves callers within `least`: a request for each of them would be a flood.
    pub(super) fn shorten(&mut self, lifetime: &mut Lifetime, now: Moment, least: Duration) {
        self.is_lifeless = lifetime.expires_at <= lifetime.received_at;
        if self.is_lifeless {
            lifetime.expires_at = lifetime.received_at.plus(least);
        } else if let Some(sent) = self.sent {
            let by_monotonic = now.monotonic.saturating_sub(sent.monotonic);
            let transit = by_monotonic.max(now.wall.since(sent.wall));
            lifetime.expires_at = lifetime.expires_at.minus(transit);
        }
    }

    /// Takes a signature of an assertion that was written at `begun`.
    pub(super) fn signed(
        &mut self,
        sign: Sign,
        begun: Moment,
        signature: Result<Vec<u8>, SignerError>,
    ) -> Result<Step, AcquireError> {
        // The certificate may have been rotated since the name was made.
        let name = self.assertion_name.take();
        self.assertion_name = name.map(|name| name.with(sign.assertion().certificate()));
        let step = sign.done(signature)?;
        if let Step::Exchange(exchange) = &step {
            self.signed = exchange.assertion().map(|assertion| (assertion.clone(), begun));
        }
        Ok(step)
    }
}

/// What was tried already after the rejections of one acquisition: each remedy is tried once.
#[derive(Default)]
pub(crate) struct Remedies {
    signed_anew: bool,
    renewed: bool,
}

impl Remedies {
    /// Returns whether to sign an assertion anew: if the request was rejected with one that was used before. A service may accept each
    /// only once.
    pub(super) fn sign_anew<D>(&mut self, core: &Core<D>, attempt: &Attempt, error: &Error) -> bool {
        let Some(name) = attempt.assertion_name.as_ref().filter(|_| attempt.signed.is_none()) else {
            return false;
        };
        let is_rejected = error.class() == ErrorClass::Credential && !error.is_retryable();
        if !is_rejected || mem::replace(&mut self.signed_anew, true) {
            return false;
        }
        core.assertions.discard(name);
        true
    }

    /// Returns whether a rejected refresh token may have been replaced while it was under way: another of the user's tokens was
    /// refreshed.
    pub(super) fn renew(&mut self, key: &Key, attempt: &Attempt, error: &Error) -> bool {
        let is_rejected = attempt.refresh_token.is_some() && error.class() == ErrorClass::Grant;
        key.user.is_some() && is_rejected && !mem::replace(&mut self.renewed, true)
    }
}

/// What an acquisition begins with.
#[derive(Clone)]
pub(crate) enum Wanted {
    Token(TokenRequest),
    DeviceCode(DeviceCodeRequest),
}

/// The first step of an acquisition.
pub(super) enum Start {
    Token(Step),
    Device(DeviceStep),
}

impl From<TokenRequest> for Wanted {
    fn from(request: TokenRequest) -> Self {
        Self::Token(request)
    }
}

impl From<DeviceCodeRequest> for Wanted {
    fn from(request: DeviceCodeRequest) -> Self {
        Self::DeviceCode(request)
    }
}
