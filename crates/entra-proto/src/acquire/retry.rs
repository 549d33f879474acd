//! The rules for sending a request again: what may be retried, and after which wait.

use std::time::Duration;

use crate::acquire::freshness::part;
use crate::error::{Error, ServiceError};
use crate::guid::Guid;

/// The number of attempts and the waits between them. Plain data: change the fields that differ
/// from the default.
///
/// Waits are drawn from zero to a bound that doubles with each attempt ("full jitter"), on top of
/// the full `Retry-After` if there is one. A wait that would end after the deadline is not started:
/// the error is returned immediately.
///
/// The endpoints of managed identities have schedules of their own: three more attempts, and seven
/// more while the instance metadata service is being upgraded, which takes up to 70 s (status 410).
/// A policy with fewer attempts or an earlier deadline than the default limits them as well.
///
/// An authorization code is sent again only if the service reported that it has not redeemed it, or
/// was never reached. The polls of a device flow do not count as attempts: they continue until the
/// code expires. If `max_attempts` is 1, the first failed poll ends the flow.
///
/// ```
/// use std::time::Duration;
/// use entra_proto::acquire::RetryPolicy;
///
/// let mut policy = RetryPolicy::default();
/// policy.max_attempts = 5;
/// policy.deadline = Duration::from_secs(120);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The largest number of requests, including the first: 3.
    pub max_attempts: u32,
    /// The bound of the wait before the second request: 1 s.
    pub first_delay: Duration,
    /// The bound of every wait: 10 s.
    pub max_delay: Duration,
    /// The time after the start in which another attempt may begin: 60 s. An attempt that has begun
    /// is not interrupted; the transport's timeout bounds it.
    pub deadline: Duration,
}

impl RetryPolicy {
    /// Returns a policy of one attempt. In a device flow, the first failed poll ends the flow.
    #[must_use]
    pub fn never() -> Self {
        Self {
            max_attempts: 1,
            ..Self::default()
        }
    }

    /// Returns the wait after `sent` requests if the response named none. It depends on the request
    /// ID and `sent` only.
    pub(crate) fn delay(&self, sent: u32, request_id: Guid) -> Duration {
        let bound = self
            .first_delay
            .saturating_mul(1 << sent.saturating_sub(1).min(16))
            .min(self.max_delay);
        part(bound, draw(request_id, sent))
    }

    /// Returns the random delay on top of a fixed wait after `sent` requests: at most a quarter of
    /// the first delay.
    pub(crate) fn spread(&self, sent: u32, request_id: Guid) -> Duration {
        part(self.first_delay / 4, draw(request_id, sent))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(10),
            deadline: Duration::from_secs(60),
        }
    }
}

/// Returns a number from 0 to 1 that depends on the request ID and the attempt only. It is as
/// random as the ID, and not a secret.
fn draw(request_id: Guid, sent: u32) -> f64 {
    let id = u128::from_be_bytes(*request_id.as_bytes());
    let (high, low) = ((id >> 64) as u64, id as u64);
    // The finalizer of SplitMix64 (Steele, Lea and Flood, 2014) spreads every bit over all others.
    let mut mixed = high
        .wrapping_mul(ODD)
        .wrapping_add(low)
        .wrapping_add(u64::from(sent).wrapping_mul(ODD));
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
}

/// The delivery of a request without a response. A transport reports it and makes no decision.
///
/// Exhaustive on purpose: a request that is not known to be unsent may have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No byte of the request was sent.
    NotSent,
    /// The service may have the request.
    MaybeSent,
}

/// A request without a response, as a transport reports it to
/// [`Exchange::failed`](crate::acquire::Exchange::failed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SendFailure {
    delivery: Delivery,
    is_transient: bool,
}

impl SendFailure {
    /// Creates a temporary failure: no route, a timeout, a broken connection.
    #[must_use]
    pub const fn transient(delivery: Delivery) -> Self {
        Self {
            delivery,
            is_transient: true,
        }
    }

    /// Creates a permanent failure: an untrusted certificate, a request that must not be sent.
    #[must_use]
    pub const fn permanent(delivery: Delivery) -> Self {
        Self {
            delivery,
            is_transient: false,
        }
    }

    /// Returns whether the transport rejected the response, as too long or not well-formed for
    /// example.
    pub(crate) fn is_of_response(self) -> bool {
        !self.is_transient && self.delivery == Delivery::MaybeSent
    }

    /// Returns whether the request may be sent again. A single-use request may be, if it was never
    /// sent.
    pub(crate) fn allows_another(self, is_single_use: bool) -> bool {
        self.is_transient && !(is_single_use && self.delivery == Delivery::MaybeSent)
    }
}

impl From<Delivery> for SendFailure {
    /// Creates a [transient](SendFailure::transient) failure.
    fn from(delivery: Delivery) -> Self {
        Self::transient(delivery)
    }
}

/// Returns whether a request may be sent again after this response.
///
/// A single-use request may be sent again if the service named a reason for the rejection, or
/// reported that it is busy: it has not redeemed the code then. Any other failure may come from an
/// intermediary.
pub(crate) fn allows_another(error: &Error, is_single_use: bool) -> bool {
    let is_rejection = |service: &ServiceError| {
        !service.error.is_empty() || !service.codes.is_empty() || matches!(service.status, 408 | 429 | 503)
    };
    error.is_retryable() && !is_unfinished(error) && (!is_single_use || error.service().is_some_and(is_rejection))
}

/// Returns whether a poll of a device flow came too early: the user has not finished, or the polls
/// are too frequent.
pub(crate) fn is_unfinished(error: &Error) -> bool {
    let service = error.service().filter(|service| !service.is_of_proxy());
    let code = service.map(|service| service.error.as_str());
    matches!(code, Some("authorization_pending" | SLOW_DOWN))
}

/// Returns whether an assertion was rejected as expired or not yet valid, by the service's clock.
pub(crate) fn is_out_of_time(error: &Error) -> bool {
    error
        .service()
        .is_some_and(|service| !service.is_of_proxy() && service.codes.contains(&ASSERTION_OUT_OF_TIME))
}

/// The error code of a poll that must become less frequent.
pub(crate) const SLOW_DOWN: &str = "slow_down";

const ASSERTION_OUT_OF_TIME: u32 = 700_024;

/// 2^64 divided by the golden ratio, made odd.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_bounds_and_are_spread() {
        let policy = RetryPolicy::default();
        for (sent, bound) in [(1, 1.0), (2, 2.0), (3, 4.0), (5, 10.0), (40, 10.0), (u32::MAX, 10.0)] {
            let waits: Vec<f64> = (0..=255u8)
                .map(|byte| policy.delay(sent, Guid::from_random([byte; 16])).as_secs_f64())
                .collect();
            assert!(waits.iter().all(|wait| (0.0..=bound).contains(wait)), "{sent}");
            let mean = waits.iter().sum::<f64>() / 256.0;
            assert!((bound * 0.4..bound * 0.6).contains(&mean), "{sent}: {mean}");
        }
    }
}
