//! The error of one request of an acquisition that takes several.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Diagnose, Error, ErrorClass, ServiceError};

/// One request of an acquisition that takes several: its number, and what it requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    number: usize,
    total: usize,
    requested: Arc<str>,
}

impl Leg {
    pub(crate) fn new(number: usize, total: usize, requested: Arc<str>) -> Self {
        Self {
            number,
            total,
            requested,
        }
    }

    /// Returns the number of the request. The first request that is sent is number 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns the number of requests that the acquisition takes.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total == 1 {
            return f.write_str(&self.requested);
        }
        write!(f, "request {} of {} ({})", self.number, self.total, self.requested)
    }
}

/// The failure of an inner request: one whose token would have been the client assertion of the
/// next.
///
/// An inner request is for an application and not for the user of the acquisition, so its error is
/// never a matter for that user: [`class`](Self::class) and [`hint`](Self::hint) are for the owner
/// of the application or an administrator, and [`service`](Self::service) has no claims challenge.
/// The unchanged error is the [`cause`](Self::cause).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LegError {
    leg: Leg,
    cause: Error,
    /// The error response of the cause without its claims, if it has claims.
    without_claims: Option<Arc<ServiceError>>,
    foreign: Option<Foreign>,
}

/// Facts about an error response of a service whose errors are not Entra's.
#[derive(Clone, Copy, Debug)]
struct Foreign {
    is_transient: bool,
    retry_after: Option<Duration>,
}

impl LegError {
    /// Adds the failed request to an error, if the request is one of several.
    pub(crate) fn of(leg: Option<Leg>, cause: Error) -> Error {
        match leg {
            Some(leg) => Self::new(leg, cause, None).into(),
            None => cause,
        }
    }

    pub(crate) fn foreign(leg: Leg, cause: Error, is_transient: bool, retry_after: Option<Duration>) -> Self {
        Self::new(
            leg,
            cause,
            Some(Foreign {
                is_transient,
                retry_after,
            }),
        )
    }

    fn new(leg: Leg, cause: Error, foreign: Option<Foreign>) -> Self {
        let without_claims = cause
            .service()
            .filter(|service| service.claims.is_some())
            .map(|service| {
                Arc::new(ServiceError {
                    claims: None,
                    ..service.clone()
                })
            });
        Self {
            leg,
            cause,
            without_claims,
            foreign,
        }
    }

    /// Returns the request that failed.
    #[must_use]
    pub fn leg(&self) -> &Leg {
        &self.leg
    }

    /// Returns the error of the request, unchanged.
    ///
    /// It may contain a claims challenge. Do not forward that to a user: it is about the
    /// application of the inner request.
    #[must_use]
    pub fn cause(&self) -> &Error {
        &self.cause
    }

    /// Returns the error response to the inner request, without its claims challenge.
    ///
    /// The user of the acquisition cannot satisfy that challenge.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        self.without_claims.as_deref().or_else(|| self.cause.service())
    }

    /// Returns the class of the error. If the cause is about a user or unknown, it is
    /// [`Credential`](ErrorClass::Credential), because no user takes part in an inner request.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if self.is_retryable() {
            return ErrorClass::Transient;
        }
        match self.cause.class() {
            ErrorClass::Unknown => ErrorClass::Credential,
            class if class.is_about_user() => ErrorClass::Credential,
            class => class,
        }
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.cause.is_retryable() || self.foreign.is_some_and(|foreign| foreign.is_transient)
    }

    /// Returns the pause before the next attempt that the service requires.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.foreign
            .and_then(|foreign| foreign.retry_after)
            .or_else(|| self.cause.retry_after())
    }

    /// Returns what to do about the error, if that is known. The hint never asks for a sign-in.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        if self.service().is_some_and(ServiceError::hint_is_about_user) {
            return self.class().hint();
        }
        self.cause.hint()
    }
}

impl fmt::Display for LegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.leg, self.cause)
    }
}

impl std::error::Error for LegError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl Diagnose for LegError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        self.service()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Aadsts;

    fn response(error: &str, codes: &[u32]) -> ServiceError {
        ServiceError {
            status: 400,
            error: error.into(),
            codes: codes.into(),
            claims: Some(r#"{"access_token":{"capolids":{"essential":true,"values":["c"]}}}"#.into()),
            trace_id: Some("t".into()),
            ..ServiceError::default()
        }
    }

    fn rejection(error: &str, codes: &[u32]) -> Error {
        response(error, codes).into()
    }

    fn of_leg(cause: Error) -> Error {
        LegError::of(Some(Leg::new(1, 2, "a token".into())), cause)
    }

    #[test]
    fn claims_of_inner_request_are_not_claims_of_the_error() {
        let cause = rejection("interaction_required", &[50_076]);
        for error in [of_leg(cause.clone()), of_leg(of_leg(cause.clone()))] {
            let service = error.service().unwrap();
            assert_eq!(service.claims, None);
            assert_eq!(
                (&service.codes[..], service.trace_id.as_deref()),
                (&[50_076][..], Some("t"))
            );
            let diagnosed = Diagnose::service(&error).unwrap();
            assert_eq!(diagnosed.claims, None);
        }
        let Error::Leg(leg) = of_leg(cause.clone()) else {
            panic!("it is of a leg");
        };
        assert!(leg.cause().service().unwrap().claims.is_some());
        assert!(Diagnose::service(&*leg).unwrap().claims.is_none());
        // The last request is the user's own.
        let own = LegError::of(None, cause);
        assert!(own.service().unwrap().claims.is_some());
    }

    #[test]
    fn hint_of_inner_request_asks_for_no_sign_in() {
        for cause in [
            rejection("interaction_required", &[50_076]),
            rejection("invalid_grant", &[70_008]),
            rejection("invalid_grant", &[]),
        ] {
            assert!(cause.hint().unwrap().contains("sign"), "{cause}");
            let error = of_leg(cause);
            assert_eq!(error.class(), ErrorClass::Credential, "{error}");
            assert_eq!(error.hint(), ErrorClass::Credential.hint(), "{error}");
        }
        let secret = rejection("invalid_client", &[7_000_215]);
        assert_eq!(of_leg(secret.clone()).hint(), secret.hint());
        let busy = rejection("temporarily_unavailable", &[]);
        assert_eq!(of_leg(busy.clone()).hint(), busy.hint());
    }
    #[test]
    fn no_hint_of_inner_request_asks_for_a_sign_in() {
        let of_families = [500_139, 501_059, 530_039, 650_059, 700_089, 700_219, 900_949];
        let codes = Aadsts::all().iter().map(|row| row.code).chain(of_families);
        for code in codes {
            for status in [400, 429] {
                let row = Aadsts::find(code).unwrap();
                let error = of_leg(
                    ServiceError {
                        status,
                        ..response(row.error, &[code])
                    }
                    .into(),
                );
                // Not a sign-in of a user: logs of the tenant, and a kind of federated credential.
                let hint = error
                    .hint()
                    .unwrap()
                    .replace("sign-in logs", "")
                    .replace("claims matching expression", "");
                for asked in ["sign in", "sign-in", "claims", "ask the user"] {
                    assert!(!hint.contains(asked), "{code} {status}: {hint}");
                }
            }
        }
    }

    #[test]
    fn hint_about_a_user_is_replaced_by_the_one_of_the_class() {
        for (code, class) in [
            (53_003, ErrorClass::Policy),
            (530_036, ErrorClass::Policy),
            (65_004, ErrorClass::Consent),
            (501_481, ErrorClass::Request),
        ] {
            let error = of_leg(rejection("invalid_grant", &[code]));
            assert_eq!((error.class(), error.hint()), (class, class.hint()), "{code}");
        }
        // Hints for an administrator stay.
        for code in [53_000, 530_032, 65_001, 50_053] {
            let cause = rejection("invalid_grant", &[code]);
            assert_eq!(of_leg(cause.clone()).hint(), cause.hint(), "{code}");
        }
        // A busy service is not about a user.
        let busy = ServiceError {
            status: 429,
            ..response("invalid_grant", &[70_008])
        };
        assert_eq!(of_leg(busy.into()).hint(), ErrorClass::Transient.hint());
        let proxy = ServiceError {
            status: 407,
            ..response("invalid_grant", &[70_008])
        };
        assert_eq!(of_leg(proxy.clone().into()).hint(), proxy.hint());
    }
}
