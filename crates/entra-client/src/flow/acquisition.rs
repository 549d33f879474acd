//! The states of one acquisition, over the steps of entra-proto's own machine.

use std::time::Duration;

use entra_proto::acquire::{Exchange, Pause, Step};
use entra_proto::assertion::{
    CertificateCredential, ClientAssertion, FederatedCredential, SignerError, UnsignedAssertion,
};
use entra_proto::device::{DeviceAuthorization, DeviceExchange, DevicePause, DeviceStep};
use entra_proto::{TokenRequest, TokenResponse};
use entra_transport::{AcquireError, Request, Response, TransportError};
use tracing::Span;

use super::attempt::{Attempt, FirstStep, Remedies};
use super::{Effect, Load};
use crate::cache::Key;
use crate::clock::Moment;
use crate::command::{CommandError, CommandRun, CommandToken};
use crate::core::Core;
use crate::error::Error;
use crate::observer::EventKind;
use crate::request::InitialRequest;
use crate::token_store::StoredToken;

/// The purpose of an acquisition: it decides what follows a failure, a token, and the events
/// between.
pub(crate) trait Goal: Sized {
    /// The result that the driver gets at the end.
    type Output;

    fn key(&self) -> &Key;

    /// Records that a request is sent now.
    fn on_send(&mut self) {}

    /// Records that the acquisition waits until this moment of the monotonic clock, because the
    /// service or a failure requires it.
    fn on_pause(&mut self, _until: Duration) {}

    /// Shows the user a device code.
    fn on_device_code(&mut self, _code: &DeviceAuthorization) {}

    /// Continues with the entry of the shared store. By default, it begins the acquisition.
    fn on_loaded<D>(
        acquisition: Acquisition<'_, D, Self>,
        _key: entra_proto::cache::CacheKey,
        request: TokenRequest,
        _stored: Option<StoredToken>,
    ) -> Effect<'_, D, Self> {
        acquisition.begin(request.into())
    }

    /// Returns a different request to try after this failure, if there is one.
    fn remedy<D>(
        &self,
        core: &Core<D>,
        attempt: &Attempt,
        error: &Error,
        remedies: &mut Remedies,
    ) -> Option<InitialRequest>;

    /// Ends the acquisition with a token.
    fn complete<D>(
        acquisition: Acquisition<'_, D, Self>,
        attempt: Attempt,
        response: TokenResponse,
    ) -> Effect<'_, D, Self>;

    /// Ends the acquisition without a token, or continues with another credential.
    fn fail<'a, D>(
        acquisition: Acquisition<'a, D, Self>,
        attempt: Option<&Attempt>,
        error: Error,
    ) -> Effect<'a, D, Self>;
}

/// The data that all states of an acquisition share.
pub(crate) struct Acquisition<'a, D, G> {
    pub(super) core: &'a Core<D>,
    pub(super) span: &'a Span,
    pub(super) goal: G,
    remedies: Remedies,
}

impl<'a, D, G: Goal> Acquisition<'a, D, G> {
    pub(super) fn new(core: &'a Core<D>, span: &'a Span, goal: G) -> Self {
        Self {
            core,
            span,
            goal,
            remedies: Remedies::default(),
        }
    }

    /// Loads a token from the shared store before anything else.
    pub(super) fn load(self, key: entra_proto::cache::CacheKey, request: TokenRequest) -> Effect<'a, D, G> {
        Effect::Load(Load {
            acquisition: self,
            key,
            request,
        })
    }

    /// Begins after a wait.
    pub(super) fn begin_after(self, duration: Duration, request: InitialRequest) -> Effect<'a, D, G> {
        let after = AfterSleep::Begin(request);
        Effect::Sleep(Sleep {
            acquisition: self,
            duration,
            after,
        })
    }

    /// Begins the acquisition with its first request.
    pub(super) fn begin(self, request: InitialRequest) -> Effect<'a, D, G> {
        self.core.observe(self.goal.key(), EventKind::Requested, None);
        match Attempt::start(self.core, self.span, request, &self.remedies) {
            Ok((attempt, FirstStep::Token(step))) => self.follow(attempt, Ok(step)),
            Ok((attempt, FirstStep::Device(step))) => self.follow_device(attempt, Ok(step)),
            Ok((attempt, FirstStep::Command(run))) => Effect::Run(RunCommand {
                acquisition: self,
                attempt,
                run,
            }),
            Err(error) => G::fail(self, None, error.into()),
        }
    }

    /// Returns the effect of a step.
    fn follow(self, attempt: Attempt, step: Result<Step, AcquireError>) -> Effect<'a, D, G> {
        match step {
            Ok(Step::Sign(sign)) => Effect::Sign(Sign {
                begun: self.core.clock.now(),
                acquisition: self,
                attempt,
                sign,
            }),
            Ok(Step::Assert(assert)) => Effect::Assert(Assert {
                acquisition: self,
                attempt,
                assert,
            }),
            Ok(Step::Exchange(exchange)) => Effect::Send(SendRequest {
                acquisition: self,
                attempt,
                request: PendingRequest::Token(exchange),
            }),
            Ok(Step::Pause(pause)) => self.pause(pause.duration(), AfterSleep::Resume(attempt, pause)),
            Ok(Step::Done(response)) => self.complete(attempt, response),
            Err(error) => self.fail(attempt, error.into()),
        }
    }

    fn complete(self, mut attempt: Attempt, mut response: TokenResponse) -> Effect<'a, D, G> {
        let now = self.core.clock.now();
        attempt.shorten(&mut response.lifetime, now, self.core.policy.cool_down);
        G::complete(self, attempt, response)
    }

    /// Returns the effect of a step that leads to a device code.
    fn follow_device(mut self, attempt: Attempt, step: Result<DeviceStep, AcquireError>) -> Effect<'a, D, G> {
        match step {
            Ok(DeviceStep::Exchange(exchange)) => Effect::Send(SendRequest {
                acquisition: self,
                attempt,
                request: PendingRequest::Device(exchange),
            }),
            Ok(DeviceStep::Pause(pause)) => self.pause(pause.duration(), AfterSleep::ResumeDevice(attempt, pause)),
            Ok(DeviceStep::ShowCode(code)) => {
                self.goal.on_device_code(code.authorization());
                self.follow(attempt, Ok(code.shown()))
            }
            Err(error) => self.fail(attempt, error.into()),
        }
    }

    fn pause(mut self, duration: Duration, after: AfterSleep) -> Effect<'a, D, G> {
        tracing::debug!("waiting {} ms before the next attempt", duration.as_millis());
        let now = self.core.clock.now();
        self.goal.on_pause(now.monotonic.saturating_add(duration));
        Effect::Sleep(Sleep {
            acquisition: self,
            duration,
            after,
        })
    }

    /// Begins again with a different request, or ends without a token.
    fn fail(mut self, attempt: Attempt, error: Error) -> Effect<'a, D, G> {
        let remedy = self.goal.remedy(self.core, &attempt, &error, &mut self.remedies);
        let Some(request) = remedy else {
            return G::fail(self, Some(&attempt), error);
        };
        self.core
            .report_failure(self.span, self.goal.key(), Some(&attempt), &error, None);
        self.begin(request)
    }
}

/// A wait: before the acquisition begins, or before a request is sent again.
pub(crate) struct Sleep<'a, D, G> {
    acquisition: Acquisition<'a, D, G>,
    duration: Duration,
    after: AfterSleep,
}

#[expect(
    clippy::large_enum_variant,
    reason = "each is moved a few times, and a box would cost most of them an allocation"
)]
enum AfterSleep {
    Begin(InitialRequest),
    Resume(Attempt, Pause),
    ResumeDevice(Attempt, DevicePause),
}

impl<'a, D, G: Goal> Sleep<'a, D, G> {
    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }

    pub(crate) fn done(self) -> Effect<'a, D, G> {
        match self.after {
            AfterSleep::Begin(request) => self.acquisition.begin(request),
            AfterSleep::Resume(attempt, pause) => {
                let step = pause.resume(self.acquisition.core.clock.now().wall);
                self.acquisition.follow(attempt, step.map_err(AcquireError::from))
            }
            AfterSleep::ResumeDevice(attempt, pause) => self.acquisition.follow_device(attempt, Ok(pause.resume())),
        }
    }
}

/// An assertion that needs a signature.
pub(crate) struct Sign<'a, D, G> {
    acquisition: Acquisition<'a, D, G>,
    attempt: Attempt,
    sign: entra_proto::acquire::Sign,
    /// The moment when the assertion was written. Its lifetime counts from then.
    begun: Moment,
}

impl<'a, D, G: Goal> Sign<'a, D, G> {
    pub(crate) fn credential(&self) -> &CertificateCredential {
        self.sign.credential()
    }

    pub(crate) fn assertion(&self) -> &UnsignedAssertion {
        self.sign.assertion()
    }

    /// Continues with the signature, or with the failure to get one.
    pub(crate) fn done(mut self, signature: Result<Vec<u8>, SignerError>) -> Effect<'a, D, G> {
        let step = self.attempt.signed(self.sign, self.begun, signature);
        self.acquisition.follow(self.attempt, step)
    }
}

/// An assertion of another issuer that must be fetched.
pub(crate) struct Assert<'a, D, G> {
    acquisition: Acquisition<'a, D, G>,
    attempt: Attempt,
    assert: entra_proto::acquire::Assert,
}

impl<'a, D, G: Goal> Assert<'a, D, G> {
    pub(crate) fn credential(&self) -> &FederatedCredential {
        self.assert.credential()
    }

    /// Continues with the assertion, or with the failure to get one.
    pub(crate) fn done(self, assertion: Result<ClientAssertion, entra_proto::Error>) -> Effect<'a, D, G> {
        let step = self.assert.done(assertion).map_err(AcquireError::from);
        self.acquisition.follow(self.attempt, step)
    }
}

/// A command that must be run.
pub(crate) struct RunCommand<'a, D, G> {
    acquisition: Acquisition<'a, D, G>,
    attempt: Attempt,
    run: CommandRun,
}

impl<'a, D, G: Goal> RunCommand<'a, D, G> {
    /// Returns the command. It counts as sent from this call on.
    pub(crate) fn command(&mut self) -> &CommandRun {
        self.acquisition.goal.on_send();
        &self.run
    }

    /// Continues with the token, or with the failure to get one.
    pub(crate) fn done(self, outcome: Result<CommandToken, CommandError>) -> Effect<'a, D, G> {
        let now = self.acquisition.core.clock.now().wall;
        match outcome.and_then(|token| token.into_response(now)) {
            Ok(response) => self.acquisition.complete(self.attempt, response),
            Err(error) => self.acquisition.fail(self.attempt, error.into()),
        }
    }
}

/// A request that is ready to be sent.
pub(crate) struct SendRequest<'a, D, G> {
    acquisition: Acquisition<'a, D, G>,
    attempt: Attempt,
    request: PendingRequest,
}

#[expect(
    clippy::large_enum_variant,
    reason = "each is moved a few times, and a box would cost most of them an allocation"
)]
enum PendingRequest {
    Token(Exchange),
    Device(DeviceExchange),
}

impl<'a, D, G: Goal> SendRequest<'a, D, G> {
    /// Returns the request. It counts as sent from this call on.
    pub(crate) fn request(&mut self) -> Request {
        self.attempt.sent = Some(self.acquisition.core.clock.now());
        self.acquisition.goal.on_send();
        match &self.request {
            PendingRequest::Token(exchange) => exchange.request(),
            PendingRequest::Device(exchange) => exchange.request(),
        }
    }

    /// Continues with the response, or with the failure to get one.
    pub(crate) fn done(self, outcome: Result<Response, TransportError>) -> Effect<'a, D, G> {
        let now = self.acquisition.core.clock.now().wall;
        match self.request {
            PendingRequest::Token(exchange) => {
                let step = match outcome {
                    Ok(response) => exchange.respond(&response, now).map_err(AcquireError::from),
                    Err(error) => error.next_step(exchange, now),
                };
                self.acquisition.follow(self.attempt, step)
            }
            PendingRequest::Device(exchange) => {
                let step = match outcome {
                    Ok(response) => exchange.respond(&response, now).map_err(AcquireError::from),
                    Err(error) => exchange.failed(error.failure(), now).ok_or_else(|| error.into()),
                };
                self.acquisition.follow_device(self.attempt, step)
            }
        }
    }
}
