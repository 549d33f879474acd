//! The ends of an acquisition, as far as flights and sign-ins have them in common.

use std::sync::Weak;
use std::time::Duration;

use entra_proto::TokenResponse;
use entra_proto::error::ErrorClass;
use tracing::Span;

use super::attempt::Attempt;
use crate::cache::{Key, Landing, Lead, Slot};
use crate::core::Core;
use crate::error::Error;
use crate::observer::{Event, EventKind};
use crate::token::Token;

impl<D> Core<D> {
    /// Takes a response: makes the token, and caches the assertion that the service accepted.
    pub(super) fn accept_response(
        &self,
        span: &Span,
        key: &Key,
        attempt: Attempt,
        response: TokenResponse,
        home: (Weak<Slot>, u64),
    ) -> Token {
        let now = self.clock.now();
        if let (Some(name), Some((assertion, signed))) = (attempt.assertion_name, attempt.signed) {
            // An assertion that was accepted right after a cached one was rejected may be accepted only once.
            self.assertions
                .keep(name, assertion, attempt.is_signed_anew, signed, now);
        }
        let id = attempt.request_id;
        let token = self.token(response.access_token, &response.lifetime, now, id, Some(id), home);
        span.record("source", "network");
        if let Some(observer) = &self.observer {
            let lifetime = Some(response.lifetime);
            let event = Event::new(EventKind::Acquired, &key.tenant, &key.target, None);
            observer.observe(&Event { lifetime, ..event });
        }
        token
    }

    /// Gives a token to all callers that wait for a flight, and caches it in the slot.
    pub(super) fn land(&self, lead: &mut Lead, token: &Token, from_service: bool) -> Landing {
        let now = self.clock.now();
        let pace = self.policy.refresh_interval.min(LEAST_PACE.max(token.life() / 4));
        let landing = lead.land(token, from_service, now, pace);
        self.make_room(lead.slot(), now);
        landing
    }

    /// Reports that an attempt failed: drops an assertion that the service rejects, and tells the log and the observer.
    pub(super) fn report_failure(
        &self,
        span: &Span,
        key: &Key,
        attempt: Option<&Attempt>,
        error: &Error,
        cool_down: Option<Duration>,
    ) {
        if let Some(name) = attempt.and_then(|attempt| attempt.assertion_name.as_ref()) {
            if error.class() == ErrorClass::Credential {
                self.assertions.discard(name);
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
            let event = Event::new(EventKind::Failed, &key.tenant, &key.target, Some(error));
            observer.observe(&Event { cool_down, ..event });
        }
    }
}

/// The least time between two refreshes of one slot.
const LEAST_PACE: Duration = Duration::from_secs(1);
