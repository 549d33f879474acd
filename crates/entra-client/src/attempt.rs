//! One acquisition from its beginning to its end: what it begins with, what it carries along, and what is tried again.

use std::mem;
use std::time::Duration;

use entra_proto::{
    ClientAssertion, DeviceCodeRequest, DeviceStep, ErrorClass, Guid, Lifetime, RefreshToken, Sign, Step, TokenRequest,
};
use entra_transport::AcquireError;
use tracing::Span;

use crate::assertions::Name;
use crate::cache::{Key, Lead};
use crate::clock::Moment;
use crate::core::{Core, Driver};
use crate::error::Error;
use crate::observer::EventKind;
use crate::random::random_guid;

/// What a driver carries along while an acquisition is under way.
pub(crate) struct Attempt {
    pub(crate) request_id: Guid,
    /// When the last request was sent.
    pub(crate) sent: Moment,
    /// What its assertion is kept by, where it is one that is kept.
    pub(crate) kept_by: Option<Name>,
    /// An assertion that was signed for it, and when.
    pub(crate) signed: Option<(ClientAssertion, Moment)>,
    /// What it sends of a user who signed in, and what may be replaced while it is under way.
    pub(crate) refresh_token: Option<RefreshToken>,
    /// Whether the response named no lifetime, or none at all.
    pub(crate) is_lifeless: bool,
    /// Whether an assertion that was used before was rejected in its place.
    pub(crate) is_signed_anew: bool,
}

impl Attempt {
    /// Counts a life from when the last request was sent: the service counted from when it answered, and that was no earlier. By the
    /// clock that says more: a machine may sleep while the answer is under way.
    ///
    /// Where the response names no life, the token serves those who ask within `least`: a request for each of them would be a flood.
    pub(crate) fn shorten(&mut self, lifetime: &mut Lifetime, now: Moment, least: Duration) {
        self.is_lifeless = lifetime.expires_at <= lifetime.received_at;
        if self.is_lifeless {
            lifetime.expires_at = lifetime.received_at.plus(least);
            return;
        }
        let by_monotonic = now.monotonic.saturating_sub(self.sent.monotonic);
        let transit = by_monotonic.max(now.wall.since(self.sent.wall));
        lifetime.expires_at = lifetime.expires_at.minus(transit);
    }

    /// Signs what has to be signed, and takes note of it.
    pub(crate) fn sign(&mut self, sign: Sign, now: Moment) -> Result<Step, AcquireError> {
        // The certificate may have been rotated since the name was made.
        let name = self.kept_by.take();
        self.kept_by = name.map(|name| name.with(sign.assertion().certificate()));
        let step = sign.sign()?;
        if let Step::Exchange(exchange) = &step {
            self.signed = exchange.assertion().map(|assertion| (assertion.clone(), now));
        }
        Ok(step)
    }
}

impl<D: Driver> Core<D> {
    /// Begins an acquisition.
    pub(crate) fn begin(
        &self,
        span: &Span,
        key: &Key,
        wanted: impl Into<Wanted>,
        done: &Remedies,
    ) -> Result<(Attempt, Start), AcquireError> {
        self.observe(key, EventKind::Requested, None);
        let request_id = random_guid(&*self.random)?;
        span.record("correlation_id", tracing::field::display(request_id));
        let now = self.clock.now();
        let mut attempt = Attempt {
            request_id,
            sent: now,
            kept_by: None,
            signed: None,
            refresh_token: None,
            is_lifeless: false,
            is_signed_anew: done.signed_anew,
        };
        let step = match wanted.into() {
            Wanted::Token(request) => {
                attempt.refresh_token = request.refresh_token().cloned();
                let (request, kept_by) = self.assertions.prove(request, now);
                attempt.kept_by = kept_by;
                Start::Token(request.start(self.policy.retry, request_id, now.wall))
            }
            Wanted::DeviceCode(request) => Start::Device(request.start(self.policy.retry, request_id, now.wall)),
        };
        Ok((attempt, step))
    }

    /// The request to send once more after this failure of a flight, if there is one: with a user's newer refresh token, or with an
    /// assertion that is signed anew.
    pub(crate) fn once_more(
        &self,
        span: &Span,
        lead: &Lead,
        attempt: &Attempt,
        cause: &AcquireError,
        done: &mut Remedies,
    ) -> Option<TokenRequest> {
        let key = lead.slot().key();
        let error = Error::from(cause.clone());
        let request = if self.signs_anew(attempt, &error, done) {
            self.request(key).ok()
        } else if self.renews(key, attempt, &error, done) {
            let sent = attempt.refresh_token.as_ref()?;
            let newer = self.request(key).ok()?;
            newer
                .refresh_token()
                .is_some_and(|newer| newer.expose() != sent.expose())
                .then_some(newer)
        } else {
            None
        };
        if request.is_some() {
            self.report_failure(span, key, Some(attempt), &error, None);
        }
        request
    }

    /// Whether a rejected request is worth another one with an assertion that is signed anew: where it was proved by one that was used
    /// before. A service may accept each only once.
    pub(crate) fn signs_anew(&self, attempt: &Attempt, error: &Error, done: &mut Remedies) -> bool {
        let was_cached = attempt.kept_by.is_some() && attempt.signed.is_none();
        let is_rejected = error.class() == ErrorClass::Credential && !error.is_retryable();
        if !was_cached || !is_rejected || done.signed_anew {
            return false;
        }
        done.signed_anew = true;
        if let Some(name) = &attempt.kept_by {
            self.assertions.discard(name);
        }
        true
    }

    /// Whether a rejected refresh token may have been replaced while it was under way: another of the user's tokens was refreshed.
    fn renews(&self, key: &Key, attempt: &Attempt, error: &Error, done: &mut Remedies) -> bool {
        let is_rejected = attempt.refresh_token.is_some() && error.class() == ErrorClass::Grant;
        key.user.is_some() && is_rejected && !mem::replace(&mut done.renewed, true)
    }
}

/// What was done already about the rejections of one acquisition: each of it is done once.
#[derive(Default)]
pub(crate) struct Remedies {
    signed_anew: bool,
    renewed: bool,
}

/// What an acquisition begins with.
#[derive(Clone)]
pub(crate) enum Wanted {
    Token(TokenRequest),
    DeviceCode(DeviceCodeRequest),
}

/// The first step of an acquisition.
pub(crate) enum Start {
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
