//! One attempt at an acquisition: its data, and the remedies for its failure.

use std::mem;
use std::time::Duration;

use entra_proto::Guid;
use entra_proto::acquire::{Sign, Step};
use entra_proto::assertion::{ClientAssertion, SignerError};
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::Lifetime;
use entra_proto::device::DeviceStep;
use entra_proto::error::ErrorClass;
use entra_transport::AcquireError;
use tracing::Span;

use crate::assertions::AssertionKey;
use crate::cache::Key;
use crate::clock::Moment;
use crate::command::CommandRun;
use crate::core::Core;
use crate::error::Error;
use crate::random::random_guid;
use crate::request::InitialRequest;

/// The data of one attempt.
pub(crate) struct Attempt {
    pub(crate) request_id: Guid,
    /// The moment when the last request was sent, or `None` before the first one.
    pub(crate) sent: Option<Moment>,
    /// The key of its assertion in the assertion cache, if the assertion can be cached.
    pub(crate) assertion_key: Option<AssertionKey>,
    /// The assertion that was signed for this attempt, and the moment of its signature.
    pub(crate) signed: Option<(ClientAssertion, Moment)>,
    /// The user's refresh token that the attempt sends. It may be replaced in the meantime.
    pub(crate) refresh_token: Option<RefreshToken>,
    /// True if the response named no lifetime, or an empty one.
    pub(crate) has_no_lifetime: bool,
    /// True if a cached assertion was rejected, and this attempt signs a new one.
    pub(crate) is_signed_again: bool,
}

impl Attempt {
    /// Starts entra-proto's machine.
    pub(super) fn start<D>(
        core: &Core<D>,
        span: &Span,
        request: InitialRequest,
        remedies: &Remedies,
    ) -> Result<(Self, FirstStep), AcquireError> {
        let request_id = random_guid(&*core.random)?;
        span.record("correlation_id", tracing::field::display(request_id));
        let now = core.clock.now();
        let mut attempt = Self {
            request_id,
            sent: None,
            assertion_key: None,
            signed: None,
            refresh_token: None,
            has_no_lifetime: false,
            is_signed_again: remedies.signed_again,
        };
        let step = match request {
            InitialRequest::Token(request) => {
                attempt.refresh_token = request.refresh_token().cloned();
                let (request, key) = core.assertions.attach(request, now);
                attempt.assertion_key = key;
                FirstStep::Token(request.start(core.policy.retry, request_id, now.wall)?)
            }
            InitialRequest::DeviceCode(request) => {
                FirstStep::Device(request.start(core.policy.retry, request_id, now.wall))
            }
            InitialRequest::ManagedIdentity(request) => {
                FirstStep::Token(request.start(core.policy.retry, request_id, now.wall)?)
            }
            InitialRequest::Command(run) => FirstStep::Command(run),
        };
        Ok((attempt, step))
    }

    /// Shortens a lifetime so that it counts from the moment when the last request was sent.
    ///
    /// The service counted from its response, which was no earlier. The greater of the two clocks'
    /// differences applies, since a machine may sleep while a response is in transit. If the
    /// response names no lifetime, the token serves callers for `minimum`: a request for each of
    /// them would be a flood.
    pub(super) fn shorten(&mut self, lifetime: &mut Lifetime, now: Moment, minimum: Duration) {
        self.has_no_lifetime = lifetime.expires_at <= lifetime.received_at;
        if self.has_no_lifetime {
            lifetime.expires_at = lifetime.received_at.plus(minimum);
        } else if let Some(sent) = self.sent {
            let by_monotonic = now.monotonic.saturating_sub(sent.monotonic);
            let transit = by_monotonic.max(now.wall.since(sent.wall));
            lifetime.expires_at = lifetime.expires_at.minus(transit);
        }
    }

    /// Continues with the signature of an assertion that was written at `begun`.
    pub(super) fn signed(
        &mut self,
        sign: Sign,
        begun: Moment,
        signature: Result<Vec<u8>, SignerError>,
    ) -> Result<Step, AcquireError> {
        // The certificate may have been rotated since the key was made.
        let key = self.assertion_key.take();
        self.assertion_key = key.map(|key| key.with(sign.assertion().certificate()));
        let step = sign.done(signature)?;
        if let Step::Exchange(exchange) = &step {
            self.signed = exchange.assertion().map(|assertion| (assertion.clone(), begun));
        }
        Ok(step)
    }
}

/// The remedies that one acquisition has tried. Each is tried once.
#[derive(Default)]
pub(crate) struct Remedies {
    signed_again: bool,
    retried_refresh: bool,
}

impl Remedies {
    /// Returns true if a new assertion should be signed, because a cached one was rejected. A
    /// service may accept each assertion only once.
    pub(super) fn sign_again<D>(&mut self, core: &Core<D>, attempt: &Attempt, error: &Error) -> bool {
        let Some(key) = attempt.assertion_key.as_ref().filter(|_| attempt.signed.is_none()) else {
            return false;
        };
        let is_rejected = error.class() == ErrorClass::Credential && !error.is_retryable();
        if !is_rejected || mem::replace(&mut self.signed_again, true) {
            return false;
        }
        core.assertions.discard(key);
        true
    }

    /// Returns true if a rejected refresh token may have been replaced while the request was in
    /// flight, because another of the user's tokens was refreshed.
    pub(super) fn retry_refresh(&mut self, key: &Key, attempt: &Attempt, error: &Error) -> bool {
        let is_rejected = attempt.refresh_token.is_some() && error.class() == ErrorClass::Grant;
        key.subject.user().is_some() && is_rejected && !mem::replace(&mut self.retried_refresh, true)
    }
}

/// The first step of an acquisition.
pub(super) enum FirstStep {
    Token(Step),
    Device(DeviceStep),
    Command(CommandRun),
}
