use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Request, Response};

use crate::acquire::RetryPolicy;
use crate::acquire::polling::{Polling, is_unfinished};
use crate::application::Application;
use crate::application::ClientCredential;
use crate::assertion::UnsignedAssertion;
use crate::body::Body;
use crate::device_code::{DeviceAuthorization, DeviceCodeRequest};
use crate::error::{Error, Input, InputError, ServiceError};
use crate::guid::Guid;
use crate::retry_after::server_time;
use crate::secret::ClientAssertion;
use crate::signer::SignerError;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;
use crate::token_response::TokenResponse;

/// What an acquisition needs next. Whoever drives it does that, tells the state what came of it, and gets the next step.
///
/// Exhaustive on purpose: a driver is one total `match`, and a new kind of step must not pass it by. Each state's method takes the
/// state itself, so that a call in the wrong order does not compile.
///
/// ```
/// use entra_proto::{Application, Authority, Body, ClientSecret, Error, Guid, RetryPolicy, Step, Target, Timestamp};
/// # use http::{Request, Response};
/// # fn send(_: Request<Body>) -> Option<Response<Body>> {
/// #     Some(Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned())))
/// # }
/// # fn sleep(_: std::time::Duration) {}
/// # fn now() -> Timestamp { Timestamp::from_secs(1_767_225_600) }
///
/// let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse()?;
/// let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
/// let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
///
/// let mut step = request.start(RetryPolicy::default(), Guid::from_random([7; 16]), now());
/// let token = loop {
///     step = match step {
///         Step::Exchange(exchange) => match send(exchange.request()) {
///             Some(response) => exchange.respond(&response, now())?,
///             None => exchange.interrupted(now()).expect("the network is down"),
///         },
///         Step::Pause(pause) => {
///             sleep(pause.duration());
///             pause.resume(now())
///         }
///         Step::Sign(sign) => sign.sign()?,
///         Step::Assert(assert) => assert.fetch()?,
///         Step::ShowCode(show) => return Err(show.nobody()), // only where Application::device_code started it
///         Step::Done(token) => break token,
///     };
/// };
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub enum Step {
    /// Sign an assertion with the application's key.
    Sign(Sign),
    /// Fetch an assertion that somebody else issues.
    Assert(Assert),
    /// Send a request and hand in its answer.
    Exchange(Exchange),
    /// Show a code to a person, who types it in elsewhere: the device flow only.
    ShowCode(ShowCode),
    /// Wait.
    Pause(Pause),
    /// Nothing: here is the token.
    Done(TokenResponse),
}

/// An assertion that waits for its signature.
pub struct Sign {
    acquisition: Acquisition,
    unsigned: UnsignedAssertion,
}

impl Sign {
    /// What to sign, how, and with whose key: for an HSM or a vault that is called elsewhere.
    #[must_use]
    pub fn assertion(&self) -> &UnsignedAssertion {
        &self.unsigned
    }

    /// Takes the signature.
    #[must_use]
    pub fn signed(self, signature: &[u8]) -> Step {
        self.acquisition.exchange(self.unsigned.signed(signature))
    }

    /// Signs with the credential's own signer.
    ///
    /// # Errors
    /// The signer's.
    pub fn sign(self) -> Result<Step, Error> {
        let unsigned = &self.unsigned;
        let ClientCredential::Certificate(credential) = self.acquisition.credential() else {
            return Err(SignerError::new("the application has no certificate").into());
        };
        let signature = credential
            .signer()
            .sign(unsigned.certificate(), unsigned.algorithm(), unsigned.input())?;
        Ok(self.signed(&signature))
    }
}

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sign({:?})", self.unsigned)
    }
}

/// An assertion of another issuer that must be fetched.
pub struct Assert(Acquisition);

impl Assert {
    /// What the assertion must be for.
    #[must_use]
    pub fn audience(&self) -> &str {
        match self.0.credential() {
            ClientCredential::Federated(credential) => credential.audience(),
            _ => "",
        }
    }

    /// Takes the assertion.
    #[must_use]
    pub fn with(self, assertion: ClientAssertion) -> Step {
        self.0.exchange(assertion)
    }

    /// Fetches it from the credential's own source.
    ///
    /// # Errors
    /// The source's.
    pub fn fetch(self) -> Result<Step, Error> {
        let ClientCredential::Federated(credential) = self.0.credential() else {
            return Err(SignerError::new("the application has no federated credential").into());
        };
        let assertion = credential.source().assertion(credential.audience())?;
        Ok(self.with(assertion))
    }
}

impl fmt::Debug for Assert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assert({})", self.audience())
    }
}

/// A request that waits to be sent.
pub struct Exchange(Acquisition);

impl Exchange {
    /// What to send. The same bytes however often it is called.
    #[must_use]
    pub fn request(&self) -> Request<Body> {
        match &self.0.asked {
            Asked::Token(request) => request.encode(self.0.request_id),
            Asked::DeviceCode(request) => request.encode(self.0.request_id),
        }
    }

    /// The assertion in the request, where one is.
    #[must_use]
    pub fn assertion(&self) -> Option<&ClientAssertion> {
        match &self.0.asked {
            Asked::Token(request) => request.assertion(),
            Asked::DeviceCode(_) => None,
        }
    }

    /// Takes the answer, which arrived at `now`.
    ///
    /// # Errors
    /// Where the service refused for good, or for now but too often or for too long: see [`RetryPolicy`].
    pub fn respond(self, response: &Response<Body>, now: Timestamp) -> Result<Step, Error> {
        let outcome = match &self.0.asked {
            Asked::Token(request) => request.decode(response, now).map(Ok),
            Asked::DeviceCode(request) => request.decode(response, now).map(Err),
        };
        match outcome {
            Ok(Ok(token)) => Ok(Step::Done(token)),
            Ok(Err(authorization)) => self.0.show(authorization, now),
            Err(error) if is_unfinished(&error) => self.0.poll_again(error, now),
            Err(error) if is_out_of_time(&error) => self.0.prove_anew(response.headers(), now).ok_or(error),
            Err(error) if error.is_retryable() && !self.0.is_spent(&error) => {
                self.0.pause(error.retry_after(), now).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// No answer came, for a reason that may pass, and the service may have the request: the connection broke, or time ran out.
    /// `None` where there must not be another try, or it is not worth one: the transport's own error is then the outcome. An
    /// authorization code is not sent again: it may be redeemed, and the service answers a second request by revoking what it gave
    /// for the first (RFC 6749, section 4.1.2).
    #[must_use]
    pub fn interrupted(self, now: Timestamp) -> Option<Step> {
        if self.0.is_for_one_try() {
            return None;
        }
        self.0.pause(None, now)
    }

    /// Nothing was sent, for a reason that may pass: no connection was had. As [`interrupted`](Self::interrupted) otherwise.
    #[must_use]
    pub fn unsent(self, now: Timestamp) -> Option<Step> {
        self.0.pause(None, now)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.asked {
            Asked::Token(request) => write!(f, "Exchange({request:?})"),
            Asked::DeviceCode(request) => write!(f, "Exchange({request:?})"),
        }
    }
}

/// A code that waits to be shown to a person.
pub struct ShowCode {
    acquisition: Acquisition,
    authorization: DeviceAuthorization,
}

impl ShowCode {
    /// What to show: its `message`, or its `verification_uri` and `user_code`.
    #[must_use]
    pub fn authorization(&self) -> &DeviceAuthorization {
        &self.authorization
    }

    /// It is shown: the polling begins, after the first interval.
    #[must_use]
    pub fn shown(self) -> Step {
        Step::Pause(Pause {
            duration: self.authorization.interval,
            acquisition: self.acquisition,
        })
    }

    /// The error of a driver that has nobody to show it to.
    #[must_use]
    pub fn nobody(self) -> Error {
        InputError::new(Input::Other("device flow"), "has nobody to show its code to")
            .with_hint("drive it with a function that shows the code")
            .into()
    }
}

impl fmt::Debug for ShowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShowCode({:?})", self.authorization)
    }
}

/// A wait: back-off, what `Retry-After` asked for, or the interval of the device flow.
pub struct Pause {
    acquisition: Acquisition,
    duration: Duration,
}

impl Pause {
    /// How long to wait.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Goes on, the wait being over at `now`.
    #[must_use]
    pub fn resume(self, now: Timestamp) -> Step {
        self.acquisition.prove(now)
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pause({:?})", self.duration)
    }
}

impl TokenRequest {
    /// Starts an acquisition: the request, and what to do where it fails in passing.
    ///
    /// `request_id` names the acquisition to the service and is the only randomness in it: the same inputs give the same bytes and
    /// the same waits. Assertions take their `jti` from it, another one for each try.
    ///
    /// A request that has its [assertion](TokenRequest::with_assertion) already is sent with that one, and signed for only where the
    /// service refuses it for its time: an assertion may prove many requests while it is valid.
    #[must_use]
    pub fn start(self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> Step {
        let given = self.assertion().is_some();
        Acquisition::new(Asked::Token(self), given, policy, request_id, now).prove(now)
    }
}

impl DeviceCodeRequest {
    /// Starts the device flow: the request for a code, the showing of it, and the polling until the person is done, declines, or the
    /// code expires. As [`TokenRequest::start`] otherwise.
    ///
    /// The policy's attempts and deadline hold for the request for a code. A poll that fails in passing ends nothing while the code
    /// lives: the next one is sent later, and later again where that fails too (RFC 8628, section 3.5). Only a policy of one attempt
    /// forgives nothing.
    ///
    /// Where the service says "pending" and the code's time is over before it may be asked again, the outcome is what it would say
    /// then: `expired_token`.
    #[must_use]
    pub fn start(self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> Step {
        Acquisition::new(Asked::DeviceCode(self), false, policy, request_id, now).prove(now)
    }
}

/// What the next request is for.
enum Asked {
    Token(TokenRequest),
    DeviceCode(DeviceCodeRequest),
}

/// What every state carries along.
struct Acquisition {
    asked: Asked,
    polling: Option<Polling>,
    policy: RetryPolicy,
    request_id: Guid,
    started_at: Timestamp,
    /// How many requests have failed.
    sent: u32,
    /// How many polls are over.
    polled: u32,
    /// Whether the next request has its attempts and its time anew.
    anew: bool,
    /// Whether the request came with an assertion that still stands.
    given: bool,
    /// The clock of the service and the clock here at one moment, where an assertion was refused for its time.
    server_ahead: Option<(Timestamp, Timestamp)>,
}

impl Acquisition {
    fn new(asked: Asked, given: bool, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> Self {
        Self {
            asked,
            polling: None,
            policy,
            request_id,
            started_at: now,
            sent: 0,
            polled: 0,
            anew: false,
            given,
            server_ahead: None,
        }
    }

    fn credential(&self) -> &ClientCredential {
        let application: &Application = match &self.asked {
            Asked::Token(request) => request.application(),
            Asked::DeviceCode(request) => request.application(),
        };
        application.credential()
    }

    /// The next step towards a request that proves who the application is.
    fn prove(mut self, now: Timestamp) -> Step {
        if std::mem::take(&mut self.anew) {
            self.sent = 0;
            self.started_at = now;
        }
        // By the service's clock, where that was seen to be another one.
        let now = self
            .server_ahead
            .map_or(now, |(there, here)| there.plus(now.since(here)));
        let request = match &self.asked {
            Asked::Token(request) if !self.given => request,
            // The device-code endpoint asks nobody who he is.
            _ => return Step::Exchange(Exchange(self)),
        };
        if let Some(unsigned) = request.unsigned_assertion(self.fresh_id(), now) {
            return Step::Sign(Sign {
                acquisition: self,
                unsigned,
            });
        }
        match self.credential() {
            ClientCredential::Federated(_) => Step::Assert(Assert(self)),
            _ => Step::Exchange(Exchange(self)),
        }
    }

    fn exchange(mut self, assertion: ClientAssertion) -> Step {
        if let Asked::Token(request) = self.asked {
            self.asked = Asked::Token(request.with_assertion(assertion));
        }
        Step::Exchange(Exchange(self))
    }

    /// A device flow has begun: from here on the token endpoint is asked.
    fn show(mut self, authorization: DeviceAuthorization, now: Timestamp) -> Result<Step, Error> {
        if let Asked::DeviceCode(request) = &self.asked {
            self.asked = Asked::Token(request.poll(&authorization)?);
        }
        self.polling = Some(Polling::new(&authorization, now));
        self.anew = true;
        Ok(Step::ShowCode(ShowCode {
            acquisition: self,
            authorization,
        }))
    }

    /// The wait before the person is asked after again. Nobody but the polling of a device flow waits for a person.
    fn poll_again(mut self, unfinished: Error, now: Timestamp) -> Result<Step, Error> {
        let Some(polling) = self.polling.as_mut() else {
            return Err(unfinished);
        };
        let duration = polling.next(unfinished, now)?;
        Ok(self.poll_after(duration))
    }

    /// A poll after this wait, which has its attempts and its time anew.
    fn poll_after(mut self, duration: Duration) -> Step {
        self.polled = self.polled.saturating_add(1);
        self.anew = true;
        Step::Pause(Pause {
            acquisition: self,
            duration,
        })
    }

    fn is_for_one_try(&self) -> bool {
        matches!(&self.asked, Asked::Token(request) if request.is_for_one_try())
    }

    /// Whether this answer may be that of a request whose code was redeemed. Who says why he refused, or that he is busy, has not
    /// redeemed it; any other failure may have come in between.
    fn is_spent(&self, error: &Error) -> bool {
        let refused = |service: &ServiceError| {
            !service.error.is_empty() || !service.codes.is_empty() || matches!(service.status, 408 | 429 | 503)
        };
        self.is_for_one_try() && !error.service().is_some_and(refused)
    }

    /// An id of its own for each try.
    fn fresh_id(&self) -> Guid {
        let id = u128::from_be_bytes(*self.request_id.as_bytes());
        let nth = (u128::from(self.polled) << 32) | u128::from(self.sent);
        Guid::from_bytes((id ^ nth).to_be_bytes())
    }

    /// A new proof in the place of one that was refused for its time: signed by the service's clock, or fetched again. Once only.
    fn prove_anew(mut self, headers: &HeaderMap, now: Timestamp) -> Option<Step> {
        let there = match self.credential() {
            ClientCredential::Certificate(_) => server_time(headers)?,
            ClientCredential::Federated(_) => now,
            _ => return None,
        };
        self.sent += 1;
        let late = now.since(self.started_at) >= self.policy.deadline;
        if self.server_ahead.is_some() || late || self.sent >= self.policy.max_attempts {
            return None;
        }
        self.server_ahead = Some((there, now));
        self.given = false;
        Some(self.prove(now))
    }

    /// The wait before the next try, or `None` where there is none left, or no time for it.
    fn pause(mut self, asked: Option<Duration>, now: Timestamp) -> Option<Step> {
        if self.policy.max_attempts <= 1 {
            return None;
        }
        if let Some(polling) = self.polling.as_mut() {
            // As long as the code lives, the person may still type it in.
            let duration = polling.later(asked, self.policy.delay(1, self.request_id), now)?;
            return Some(self.poll_after(duration));
        }
        self.sent += 1;
        if self.sent >= self.policy.max_attempts {
            return None;
        }
        // No less than the service asks for, and spread beyond it, so that those who were sent away together do not return so.
        let duration = asked
            .unwrap_or_default()
            .saturating_add(self.policy.delay(self.sent, self.request_id));
        let in_time = now.plus(duration).since(self.started_at) < self.policy.deadline;
        in_time.then_some(Step::Pause(Pause {
            acquisition: self,
            duration,
        }))
    }
}

/// Whether an assertion was refused because it had expired or was not valid yet, by the service's clock.
fn is_out_of_time(error: &Error) -> bool {
    error
        .service()
        .is_some_and(|service| !service.is_of_proxy() && service.codes.contains(&ASSERTION_OUT_OF_TIME))
}

const ASSERTION_OUT_OF_TIME: u32 = 700_024;
