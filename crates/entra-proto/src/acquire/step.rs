use std::fmt;
use std::time::Duration;

use http::{Request, Response};

use crate::acquire::RetryPolicy;
use crate::body::Body;
use crate::error::Error;
use crate::guid::Guid;
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
///         Step::Sign(never) => match never {},
///         Step::Assert(never) => match never {},
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
    /// Wait.
    Pause(Pause),
    /// Nothing: here is the token.
    Done(TokenResponse),
}

/// No credential needs a signature made here yet, so no value of this type exists.
#[derive(Debug)]
pub enum Sign {}

/// No credential needs an assertion fetched yet, so no value of this type exists.
#[derive(Debug)]
pub enum Assert {}

/// A request that waits to be sent.
pub struct Exchange(Acquisition);

impl Exchange {
    /// What to send. The same bytes however often it is called.
    #[must_use]
    pub fn request(&self) -> Request<Body> {
        self.0.request.encode(self.0.request_id)
    }

    /// Takes the answer, which arrived at `now`.
    ///
    /// # Errors
    /// Where the service refused for good, or for now but too often or for too long: see [`RetryPolicy`].
    pub fn respond(self, response: &Response<Body>, now: Timestamp) -> Result<Step, Error> {
        match self.0.request.decode(response, now) {
            Ok(token) => Ok(Step::Done(token)),
            Err(error) if error.is_retryable() => self.0.pause(error.retry_after(), now).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// No answer came, for a reason that may pass: the connection broke, or time ran out. `None` where it is not worth another
    /// try: the transport's own error is then the outcome.
    #[must_use]
    pub fn interrupted(self, now: Timestamp) -> Option<Step> {
        self.0.pause(None, now)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({:?})", self.0.request)
    }
}

/// A wait: back-off, or what `Retry-After` asked for.
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
    pub fn resume(self, _now: Timestamp) -> Step {
        Step::Exchange(Exchange(self.acquisition))
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
    /// the same waits.
    #[must_use]
    pub fn start(self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> Step {
        Step::Exchange(Exchange(Acquisition {
            request: self,
            policy,
            request_id,
            started_at: now,
            sent: 0,
        }))
    }
}

/// What every state carries along.
struct Acquisition {
    request: TokenRequest,
    policy: RetryPolicy,
    request_id: Guid,
    started_at: Timestamp,
    /// How many requests have failed.
    sent: u32,
}

impl Acquisition {
    /// The wait before the next try, or `None` where there is none left, or no time for it.
    fn pause(mut self, asked: Option<Duration>, now: Timestamp) -> Option<Step> {
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
