//! The steps that send a request: immediately, or after a pause.

use std::fmt;
use std::time::Duration;

use http::{Request, Response};

use crate::acquire::budget::Budget;
use crate::acquire::leg::{Current, ForeignLeg, IdentityLeg, Purpose, Run, TokenLeg};
use crate::acquire::retry::{self, SendFailure};
use crate::acquire::{Step, authenticate};
use crate::body::{Body, MAX_RESPONSE};
use crate::error::{Error, Leg, LegError};
use crate::managed_identity::{Failure, Turn};
use crate::retry_after::{is_transient_status, retry_after, server_time};
use crate::secret::ClientAssertion;
use crate::signer::SignerError;
use crate::time::Timestamp;
use crate::token_response::TokenResponse;

/// A request that is ready to be sent.
pub struct Exchange {
    run: Run,
    current: Current,
}

impl Exchange {
    pub(super) fn new(run: Run, current: Current) -> Self {
        Self { run, current }
    }

    /// Returns the request. Each call returns the same bytes.
    #[must_use]
    pub fn request(&self) -> Request<Body> {
        self.current.request(self.run.request_id)
    }

    /// Returns the client assertion in the request, if it contains one.
    #[must_use]
    pub fn assertion(&self) -> Option<&ClientAssertion> {
        match &self.current {
            Current::Token(leg) => leg.request.assertion(),
            Current::Foreign(_) | Current::Identity(_) => None,
        }
    }

    /// Returns the request's place in the acquisition, if another request waits for its token, or
    /// if it goes to the source of a managed identity's tokens.
    #[must_use]
    pub fn leg(&self) -> Option<Leg> {
        self.current.name(&self.run)
    }

    /// Handles the response, which arrived at `now`.
    ///
    /// # Errors
    /// Returns an error if the service rejected the request permanently, or if the attempts or the
    /// time of the [`RetryPolicy`](crate::acquire::RetryPolicy) are used up.
    pub fn respond(self, response: &Response<Body>, now: Timestamp) -> Result<Step, Error> {
        match self.current {
            Current::Token(leg) => token_response(self.run, leg, response, now),
            Current::Foreign(leg) => foreign_response(self.run, leg, response, now),
            Current::Identity(leg) => identity_response(self.run, leg, response, now),
        }
    }

    /// Handles a transport failure, which left the request without a response. Returns `Ok(None)`
    /// if the request must not be sent again or if no attempt or time is left; the outcome is then
    /// the transport's own error.
    ///
    /// An authorization code that may have been sent is not sent again. It may have been redeemed,
    /// and the service reacts to a second request by revoking the tokens of the first (RFC 6749,
    /// section 4.1.2).
    ///
    /// # Errors
    /// Returns an error if the failure decides the acquisition: a managed identity was looked for,
    /// and this machine has none.
    pub fn failed(self, failure: impl Into<SendFailure>, now: Timestamp) -> Result<Option<Step>, Error> {
        let failure = failure.into();
        if let Current::Identity(leg) = &self.current {
            if let Some(error) = leg.walk.foreign_failure(failure) {
                return Err(LegError::of(leg.name(&self.run), error.into()));
            }
        }
        if !failure.allows_another(self.current.is_single_use()) {
            return Ok(None);
        }
        match self.current {
            Current::Identity(mut leg) => {
                let name = leg.name(&self.run);
                leg.walk = leg.walk.failed().map_err(|error| LegError::of(name, error.into()))?;
                Ok(identity_pause(self.run, leg, Failure::Busy, None, now))
            }
            Current::Token(leg) => Ok(token_pause(self.run, leg, None, now)),
            Current::Foreign(leg) => Ok(foreign_pause(self.run, leg, None, now)),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({:?})", self.current)
    }
}

/// A wait before the next request: a back-off, a `Retry-After`, or the interval of the device flow.
pub struct Pause {
    run: Run,
    current: Current,
    duration: Duration,
}

impl Pause {
    pub(super) fn new(run: Run, current: Current, duration: Duration) -> Self {
        Self { run, current, duration }
    }

    /// Returns the length of the wait.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Continues after the wait, at `now`.
    ///
    /// # Errors
    /// Returns an error if the next request cannot be created: see [`TokenRequest::start`].
    ///
    /// [`TokenRequest::start`]: crate::TokenRequest::start
    pub fn resume(self, now: Timestamp) -> Result<Step, Error> {
        match self.current {
            Current::Token(mut leg) => {
                if leg.polling().is_some() {
                    // Each poll has its own budget.
                    leg.budget = Budget::new(now);
                }
                authenticate(self.run, leg, now)
            }
            current @ (Current::Foreign(_) | Current::Identity(_)) => {
                Ok(Step::Exchange(Exchange::new(self.run, current)))
            }
        }
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pause({:?})", self.duration)
    }
}

/// Returns the step after the response to a token request.
fn token_response(mut run: Run, mut leg: TokenLeg, response: &Response<Body>, now: Timestamp) -> Result<Step, Error> {
    let error = match leg.request.decode(response, now) {
        Ok(token) => return issued(run, leg, token),
        Err(error) => error,
    };
    if retry::is_out_of_time(&error) && run.renew(&mut leg, server_time(response.headers()), now) {
        return authenticate(run, leg, now);
    }
    if retry::is_unfinished(&error) {
        if let Some(polling) = leg.polling() {
            let duration = polling.next(error, now)?;
            return Ok(Step::Pause(Pause::new(run, Current::Token(leg), duration)));
        }
    }
    let error = LegError::of(leg.name(&run), error);
    if !retry::allows_another(&error, leg.request.is_for_one_try()) {
        return Err(error);
    }
    token_pause(run, leg, error.retry_after(), now).ok_or(error)
}

/// Returns the step after a token was issued.
fn issued(run: Run, leg: TokenLeg, token: TokenResponse) -> Result<Step, Error> {
    let name = leg.name(&run);
    let assertion = || assertion_in(&token, name);
    let outer = match leg.purpose {
        Purpose::Token | Purpose::Polled(_) => return Ok(Step::Done(token)),
        Purpose::Assertion(outer) => outer.authenticated(assertion()?),
        Purpose::Grant(outer) => outer.granted(&leg.request, leg.assertion_use, assertion()?),
    };
    Ok(Step::Exchange(Exchange::new(run, Current::Token(outer))))
}

/// Returns the token as an assertion. An error names the request that acquired it.
fn assertion_in(token: &TokenResponse, name: Option<Leg>) -> Result<ClientAssertion, Error> {
    match ClientAssertion::new(token.access_token.expose()) {
        Ok(assertion) => Ok(assertion.with_expiry(token.lifetime.expires_at)),
        Err(error) => Err(LegError::of(name, error)),
    }
}

/// Returns the step after the response of the platform under the workload.
fn identity_response(run: Run, leg: IdentityLeg, response: &Response<Body>, now: Timestamp) -> Result<Step, Error> {
    let name = leg.name(&run);
    match leg.walk.respond(response, now) {
        Ok(Turn::Next(walk)) => {
            let current = Current::Identity(IdentityLeg { walk, ..leg });
            Ok(Step::Exchange(Exchange::new(run, current)))
        }
        Ok(Turn::Issued(token)) => {
            let Some(outer) = leg.outer else {
                return Ok(Step::Done(token));
            };
            let outer = outer.authenticated(assertion_in(&token, name)?);
            Ok(Step::Exchange(Exchange::new(run, Current::Token(outer))))
        }
        Ok(Turn::Failed(walk, failure, error)) => {
            let requested = error.retry_after();
            let next = identity_pause(run, IdentityLeg { walk, ..leg }, failure, requested, now);
            next.ok_or_else(|| LegError::of(name, error.into()))
        }
        Err(error) => Err(LegError::of(name, error.into())),
    }
}

/// Returns the step after the response of a service other than the token service.
fn foreign_response(run: Run, leg: ForeignLeg, response: &Response<Body>, now: Timestamp) -> Result<Step, Error> {
    let error = match assertion_of(&leg, response, now) {
        Ok(assertion) => {
            let outer = leg.outer.authenticated(assertion);
            return Ok(Step::Exchange(Exchange::new(run, Current::Token(outer))));
        }
        Err(error) => error,
    };
    let is_transient = is_transient_status(response.status().as_u16());
    let error = LegError::foreign(
        leg.name(&run),
        error,
        is_transient,
        retry_after(response.headers(), now),
    );
    if !error.is_retryable() {
        return Err(error.into());
    }
    foreign_pause(run, leg, error.retry_after(), now).ok_or_else(|| error.into())
}

fn assertion_of(leg: &ForeignLeg, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error> {
    if response.status().is_redirection() {
        let error = SignerError::new("the response is a redirect, which is not followed");
        return Err(match leg.exchange.redirect_hint() {
            Some(hint) => error.with_hint(hint).into(),
            None => error.into(),
        });
    }
    if response.body().len() > MAX_RESPONSE {
        return Err(SignerError::new(format!("the response is longer than {MAX_RESPONSE} bytes")).into());
    }
    leg.exchange.decode(response, now)
}

/// Returns the wait before the request is sent again, or `None` if no attempt or time is left.
fn token_pause(run: Run, mut leg: TokenLeg, requested: Option<Duration>, now: Timestamp) -> Option<Step> {
    let duration = match leg.polling() {
        // The user may still enter the code until it expires.
        Some(polling) if run.policy.max_attempts > 1 => {
            polling.later(requested, run.policy.delay(1, run.request_id), now)
        }
        Some(_) => None,
        None => leg.budget.wait(&run.policy, requested, run.request_id, now),
    };
    Some(Step::Pause(Pause::new(run, Current::Token(leg), duration?)))
}

/// Returns the wait before the request to another service is sent again.
fn foreign_pause(run: Run, mut leg: ForeignLeg, requested: Option<Duration>, now: Timestamp) -> Option<Step> {
    let duration = leg.budget.wait(&run.policy, requested, run.request_id, now)?;
    Some(Step::Pause(Pause::new(run, Current::Foreign(leg), duration)))
}

/// Returns the wait before the requests to the platform begin again.
fn identity_pause(
    run: Run,
    mut leg: IdentityLeg,
    failure: Failure,
    requested: Option<Duration>,
    now: Timestamp,
) -> Option<Step> {
    let failure = (leg.walk.source(), failure);
    let duration = leg.budget.wait(failure, &run.policy, requested, run.request_id, now)?;
    Some(Step::Pause(Pause::new(run, Current::Identity(leg), duration)))
}
