//! The acquisition of one token: the states between its beginning and its end, over the steps of entra-proto's machine.

use std::time::Duration;

use entra_proto::acquire::{Exchange, Pause, Step};
use entra_proto::assertion::{
    CertificateCredential, ClientAssertion, FederatedCredential, SignerError, UnsignedAssertion,
};
use entra_proto::device::{DeviceAuthorization, DeviceExchange, DevicePause, DeviceStep};
use entra_proto::{TokenRequest, TokenResponse};
use entra_transport::{AcquireError, Request, Response, TransportError};
use tracing::Span;

use super::attempt::{Attempt, Remedies, Start, Wanted};
use super::{Effect, Load};
use crate::cache::Key;
use crate::clock::Moment;
use crate::core::Core;
use crate::error::Error;
use crate::observer::EventKind;
use crate::token_store::StoredToken;

/// What an acquisition is for, and what follows its end.
pub(crate) trait Goal: Sized {
    /// What the driver gets in the end.
    type Output;

    fn key(&self) -> &Key;

    /// A request is sent now.
    fn departs(&mut self) {}

    /// The service, or a failure, makes the acquisition wait until this moment of the monotonic clock.
    fn pauses(&mut self, _until: Duration) {}

    /// A user should see this code.
    fn shows(&mut self, _code: &DeviceAuthorization) {}

    /// What the shared store had has arrived.
    fn loaded<D>(
        run: Run<'_, D, Self>,
        _key: entra_proto::cache::CacheKey,
        request: TokenRequest,
        _stored: Option<StoredToken>,
    ) -> Effect<'_, D, Self> {
        run.begin(request.into())
    }

    /// Returns what to acquire once more, another way, after this failure.
    fn remedy<D>(&self, core: &Core<D>, attempt: &Attempt, error: &Error, remedies: &mut Remedies) -> Option<Wanted>;

    /// Ends the acquisition with a token.
    fn complete<D>(run: Run<'_, D, Self>, attempt: Attempt, response: TokenResponse) -> Effect<'_, D, Self>;

    /// Ends the acquisition without one.
    fn fail<D>(run: Run<'_, D, Self>, attempt: Option<&Attempt>, error: Error) -> Self::Output;
}

/// What all states of an acquisition hold.
pub(crate) struct Run<'a, D, G> {
    pub(super) core: &'a Core<D>,
    pub(super) span: &'a Span,
    pub(super) goal: G,
    remedies: Remedies,
}

impl<'a, D, G: Goal> Run<'a, D, G> {
    pub(super) fn new(core: &'a Core<D>, span: &'a Span, goal: G) -> Self {
        Self {
            core,
            span,
            goal,
            remedies: Remedies::default(),
        }
    }

    /// Looks into the shared store before anything else.
    pub(super) fn load(self, key: entra_proto::cache::CacheKey, request: TokenRequest) -> Effect<'a, D, G> {
        Effect::Load(Load {
            run: self,
            key,
            request,
        })
    }

    /// Begins after this wait.
    pub(super) fn begin_after(self, duration: Duration, wanted: Wanted) -> Effect<'a, D, G> {
        let then = Then::Begin(wanted);
        Effect::Sleep(Sleep {
            run: self,
            duration,
            then,
        })
    }

    /// Begins an acquisition.
    pub(super) fn begin(self, wanted: Wanted) -> Effect<'a, D, G> {
        self.core.observe(self.goal.key(), EventKind::Requested, None);
        match Attempt::start(self.core, self.span, wanted, &self.remedies) {
            Ok((attempt, Start::Token(step))) => self.follow(attempt, Ok(step)),
            Ok((attempt, Start::Device(step))) => self.follow_device(attempt, Ok(step)),
            Err(error) => Effect::Done(G::fail(self, None, Error::from(AcquireError::from(error)))),
        }
    }

    /// The effect of a step.
    fn follow(self, mut attempt: Attempt, step: Result<Step, AcquireError>) -> Effect<'a, D, G> {
        match step {
            Ok(Step::Sign(sign)) => Effect::Sign(Sign {
                begun: self.core.clock.now(),
                run: self,
                attempt,
                sign,
            }),
            Ok(Step::Assert(assert)) => Effect::Assert(Assert {
                run: self,
                attempt,
                assert,
            }),
            Ok(Step::Exchange(exchange)) => Effect::Send(Sending {
                run: self,
                attempt,
                request: Unsent::Token(exchange),
            }),
            Ok(Step::Pause(pause)) => self.pause(pause.duration(), Then::Resume(attempt, pause)),
            Ok(Step::Done(mut response)) => {
                let now = self.core.clock.now();
                attempt.shorten(&mut response.lifetime, now, self.core.policy.cool_down);
                G::complete(self, attempt, response)
            }
            Err(error) => self.fail(attempt, error.into()),
        }
    }

    /// The effect of a step that leads to a device code.
    fn follow_device(mut self, attempt: Attempt, step: Result<DeviceStep, AcquireError>) -> Effect<'a, D, G> {
        match step {
            Ok(DeviceStep::Exchange(exchange)) => Effect::Send(Sending {
                run: self,
                attempt,
                request: Unsent::Device(exchange),
            }),
            Ok(DeviceStep::Pause(pause)) => self.pause(pause.duration(), Then::ResumeDevice(attempt, pause)),
            Ok(DeviceStep::ShowCode(code)) => {
                self.goal.shows(code.authorization());
                self.follow(attempt, Ok(code.shown()))
            }
            Err(error) => self.fail(attempt, error.into()),
        }
    }

    fn pause(mut self, duration: Duration, then: Then) -> Effect<'a, D, G> {
        tracing::debug!("waiting {} ms before the next try", duration.as_millis());
        let now = self.core.clock.now();
        self.goal.pauses(now.monotonic.saturating_add(duration));
        Effect::Sleep(Sleep {
            run: self,
            duration,
            then,
        })
    }

    /// Tries once more, another way, or ends without a token.
    fn fail(mut self, attempt: Attempt, error: Error) -> Effect<'a, D, G> {
        let remedy = self.goal.remedy(self.core, &attempt, &error, &mut self.remedies);
        let Some(wanted) = remedy else {
            return Effect::Done(G::fail(self, Some(&attempt), error));
        };
        self.core
            .report_failure(self.span, self.goal.key(), Some(&attempt), &error, None);
        self.begin(wanted)
    }
}

/// A wait: before the acquisition begins, or before a request is sent again.
pub(crate) struct Sleep<'a, D, G> {
    run: Run<'a, D, G>,
    duration: Duration,
    then: Then,
}

enum Then {
    Begin(Wanted),
    Resume(Attempt, Pause),
    ResumeDevice(Attempt, DevicePause),
}

impl<'a, D, G: Goal> Sleep<'a, D, G> {
    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }

    pub(crate) fn done(self) -> Effect<'a, D, G> {
        match self.then {
            Then::Begin(wanted) => self.run.begin(wanted),
            Then::Resume(attempt, pause) => {
                let step = pause.resume(self.run.core.clock.now().wall);
                self.run.follow(attempt, Ok(step))
            }
            Then::ResumeDevice(attempt, pause) => self.run.follow_device(attempt, Ok(pause.resume())),
        }
    }
}

/// An assertion that waits for its signature.
pub(crate) struct Sign<'a, D, G> {
    run: Run<'a, D, G>,
    attempt: Attempt,
    sign: entra_proto::acquire::Sign,
    /// When the assertion was written: its life counts from then.
    begun: Moment,
}

impl<'a, D, G: Goal> Sign<'a, D, G> {
    pub(crate) fn credential(&self) -> &CertificateCredential {
        self.sign.credential()
    }

    pub(crate) fn assertion(&self) -> &UnsignedAssertion {
        self.sign.assertion()
    }

    /// Takes the signature, or the failure to get one.
    pub(crate) fn done(mut self, signature: Result<Vec<u8>, SignerError>) -> Effect<'a, D, G> {
        let step = self.attempt.signed(self.sign, self.begun, signature);
        self.run.follow(self.attempt, step)
    }
}

/// An assertion of another issuer that must be fetched.
pub(crate) struct Assert<'a, D, G> {
    run: Run<'a, D, G>,
    attempt: Attempt,
    assert: entra_proto::acquire::Assert,
}

impl<'a, D, G: Goal> Assert<'a, D, G> {
    pub(crate) fn credential(&self) -> &FederatedCredential {
        self.assert.credential()
    }

    /// Takes the assertion, or the failure to get one.
    pub(crate) fn done(self, assertion: Result<ClientAssertion, entra_proto::Error>) -> Effect<'a, D, G> {
        let step = self.assert.done(assertion).map_err(AcquireError::from);
        self.run.follow(self.attempt, step)
    }
}

/// A request that waits to be sent.
pub(crate) struct Sending<'a, D, G> {
    run: Run<'a, D, G>,
    attempt: Attempt,
    request: Unsent,
}

enum Unsent {
    Token(Exchange),
    Device(DeviceExchange),
}

impl<'a, D, G: Goal> Sending<'a, D, G> {
    /// Returns the request. It counts as sent from now on.
    pub(crate) fn request(&mut self) -> Request {
        self.attempt.sent = Some(self.run.core.clock.now());
        self.run.goal.departs();
        match &self.request {
            Unsent::Token(exchange) => exchange.request(),
            Unsent::Device(exchange) => exchange.request(),
        }
    }

    /// Takes the response, or the failure to get one.
    pub(crate) fn done(self, outcome: Result<Response, TransportError>) -> Effect<'a, D, G> {
        let now = self.run.core.clock.now().wall;
        match self.request {
            Unsent::Token(exchange) => {
                let step = match outcome {
                    Ok(response) => exchange.respond(&response, now).map_err(AcquireError::from),
                    Err(error) => error.next_step(exchange, now).map_err(AcquireError::from),
                };
                self.run.follow(self.attempt, step)
            }
            Unsent::Device(exchange) => {
                let step = match outcome {
                    Ok(response) => exchange.respond(&response, now).map_err(AcquireError::from),
                    Err(error) => exchange.failed(error.failure(), now).ok_or_else(|| error.into()),
                };
                self.run.follow_device(self.attempt, step)
            }
        }
    }
}
