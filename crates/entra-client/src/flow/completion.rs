//! The ends of an acquisition that flights and sign-ins share.

use std::time::Duration;

use entra_proto::TokenResponse;
use entra_proto::error::ErrorClass;
use tracing::Span;

use super::attempt::Attempt;
use crate::cache::{Completion, FlightOwner, Key};
use crate::core::Core;
use crate::error::Error;
use crate::observer::{Event, EventKind};
use crate::token::{Origin, Token};

impl<D> Core<D> {
    /// Accepts a response: makes the token, and caches the assertion that the service accepted.
    pub(super) fn accept_response(
        &self,
        span: &Span,
        key: &Key,
        attempt: Attempt,
        response: TokenResponse,
        origin: Origin,
    ) -> Token {
        let now = self.clock.now();
        if let (Some(assertion_key), Some((assertion, signed))) = (attempt.assertion_key, attempt.signed) {
            // An assertion that was accepted right after a cached one was rejected may be valid for
            // one use only.
            self.assertions
                .cache(assertion_key, assertion, attempt.is_signed_again, signed, now);
        }
        let id = attempt.request_id;
        let token = self.token(response.access_token, &response.lifetime, now, id, Some(id), origin);
        span.record("source", "network");
        if let Some(observer) = &self.observer {
            let lifetime = Some(response.lifetime);
            let event = Event::new(EventKind::Acquired, key.view(), None);
            observer.observe(&Event { lifetime, ..event });
        }
        token
    }

    /// Completes a flight: caches the token in the slot and reports it to all waiting callers.
    pub(super) fn publish(&self, owner: &mut FlightOwner, token: &Token, from_service: bool) -> Completion {
        let now = self.clock.now();
        let interval = MIN_REFRESH_INTERVAL.max(token.life() / 4);
        let interval = self.policy.refresh_interval.min(interval);
        let completion = owner.complete(token, from_service, now, interval);
        self.make_room(owner.slot(), now);
        completion
    }

    /// Reports that an attempt failed to the log and the observer, and drops an assertion that the
    /// service rejected.
    pub(super) fn report_failure(
        &self,
        span: &Span,
        key: &Key,
        attempt: Option<&Attempt>,
        error: &Error,
        cool_down: Option<Duration>,
    ) {
        if let Some(key) = attempt.and_then(|attempt| attempt.assertion_key.as_ref()) {
            if error.class() == ErrorClass::Credential {
                self.assertions.discard(key);
            }
        }
        if attempt.is_some_and(|attempt| attempt.sent.is_some()) {
            span.record("source", "network");
        }
        if let Some(code) = error.service().and_then(|error| error.codes.last()) {
            span.record("code", code);
        }
        span.in_scope(|| tracing::warn!(%error, "no token for {}", key.target));
        self.observe_failure(key, error, cool_down);
    }

    pub(super) fn observe_failure(&self, key: &Key, error: &Error, cool_down: Option<Duration>) {
        if let Some(observer) = &self.observer {
            let event = Event::new(EventKind::Failed, key.view(), Some(error));
            observer.observe(&Event { cool_down, ..event });
        }
    }
}

/// The shortest time between two refreshes of one slot.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(1);
