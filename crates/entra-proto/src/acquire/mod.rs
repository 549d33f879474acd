//! The acquisition of one token as a state machine without I/O.
//!
//! A driver holds a [`Step`], performs it, passes the outcome to the step, and gets the next step.
//! A step owns everything it needs, and its methods consume it, so that a call in the wrong order
//! does not compile.
//!
//! ```text
//!  TokenRequest::start
//!        │ certificate        ┌──────┐ signed
//!        ├───────────────────►│ Sign ├────────────┐
//!        │ federated          ├──────┤ with       ▼
//!        ├───────────────────►│Assert├───────►┌────────┐ respond: a token   ┌────┐
//!        │ anything else      └──────┘        │Exchange├───────────────────►│Done│
//!        └───────────────────────────────────►└─┬──────┘                    └────┘
//!               ▲                  ▲            │  │ respond: an error, failed
//!               │ resume         ┌─┴───┐        │  ▼
//!               └────────────────┤Pause│◄───────┘  the error is the outcome
//!                                └─────┘ it may pass
//! ```
//!
//! The steps:
//! - [`Sign`]: an assertion needs a signature by the key of the application's certificate.
//! - [`Assert`]: an assertion of another issuer must be fetched.
//! - [`Exchange`]: a request is ready to be sent. The next step depends on the response, or on the
//!   reason why no response arrived.
//! - [`Pause`]: the request failed temporarily. It is sent again after a wait; a certificate signs
//!   a new assertion for it.
//! - [`Done`](Step::Done): the token was acquired.
//!
//! # Requests for assertions
//! The credential of an application may itself be acquired
//! ([`AcquiredCredential`](crate::acquired::AcquiredCredential)): the token of one request is the
//! client assertion of the next. Each request of such a chain is a *leg*. The machine sends the
//! innermost leg first. To the driver, each leg is another exchange.
//!
//! [`max_attempts`](RetryPolicy::max_attempts) applies to each leg on its own, and
//! [`deadline`](RetryPolicy::deadline) to all legs together. An assertion is used for all attempts
//! of the next leg until shortly before it expires. It is acquired again, once, if the service
//! rejects it as expired or not yet valid. The error of a leg names the leg
//! ([`LegError`](crate::error::LegError)).
//!
//! A request for the token of an agent's user account contains two acquired tokens: the client
//! assertion of the agent, and the agent's own token, which the same assertion authenticates (see
//! [`agents`](crate::agents)). If one of them expires or is rejected as such, both are acquired
//! again.
//!
//! # Managed identities
//! A [`ManagedIdentityRequest`] starts the same machine. Its requests go to the platform under the
//! workload: see [`managed_identity`](crate::managed_identity) for the walk through them and the
//! schedules of its pauses. The token ends the acquisition, or it is the client assertion of a
//! waiting request. The variables and the key file of the machine are read through a
//! [`Host`](crate::managed_identity::Host), so a driver has no further step.
//!
//! # Walkthrough
//! ```
//! use entra_proto::acquire::{Delivery, RetryPolicy, Step};
//! use entra_proto::{Application, Body, ClientSecret, Guid, Target, Timestamp};
//! use std::time::Duration;
//!
//! let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
//! let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
//! let request =
//!     app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
//! let noon = Timestamp::from_secs(1_767_268_800);
//!
//! // A secret needs no signature: the request can be sent immediately.
//! let step =
//!     request.start(RetryPolicy::default(), Guid::from_random([7; 16]), noon)?;
//! let Step::Exchange(exchange) = step else { unreachable!() };
//! assert_eq!(exchange.request().method(), "POST");
//!
//! // The connection breaks, which is a temporary failure.
//! let step = exchange.failed(Delivery::MaybeSent, noon)?;
//! let Some(Step::Pause(pause)) = step else { unreachable!() };
//! let later = noon.plus(pause.duration());
//!
//! // After the pause the service responds.
//! let Step::Exchange(exchange) = pause.resume(later)? else { unreachable!() };
//! let body = r#"{"access_token":"t","expires_in":3599}"#.to_owned();
//! let response = http::Response::new(Body::from(body));
//! let Step::Done(token) = exchange.respond(&response, later)? else {
//!     unreachable!()
//! };
//! assert_eq!(token.access_token.authorization(), "Bearer t");
//! assert_eq!(token.lifetime.expires_at, later.plus(Duration::from_secs(3599)));
//! # Ok::<(), entra_proto::Error>(())
//! ```

mod assert;
mod budget;
mod exchange;
pub(crate) mod freshness;
mod leg;
mod retry;
mod sign;

pub use crate::body::MAX_RESPONSE;
pub use crate::retry_after::{MAX_RETRY_AFTER, retry_after, server_time};
pub use assert::Assert;
pub use exchange::{Exchange, Pause};
pub(crate) use freshness::Lifetime;
pub use retry::{Delivery, RetryPolicy, SendFailure};
pub use sign::Sign;

pub(crate) use budget::Budget;
pub(crate) use retry::{SLOW_DOWN, allows_another};

use std::time::Duration;

use crate::acquire::budget::PlatformBudget;
use crate::acquire::leg::{Current, IdentityLeg, Purpose, Run, TokenLeg};
use crate::credential::ClientCredential;
use crate::device::Polling;
use crate::error::Error;
use crate::guid::Guid;
use crate::managed_identity::ManagedIdentityRequest;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;
use crate::token_response::TokenResponse;

/// The next step of an acquisition. Each variant tells the driver what to do. The driver passes the
/// outcome to the step and gets the next one.
///
/// Exhaustive on purpose: a driver is one total `match`, and a driver that does not handle a new
/// kind of step must not compile. The methods of each step consume it, so that a call in the wrong
/// order does not compile.
///
/// ```
/// use entra_proto::acquire::{Delivery, RetryPolicy, Step};
/// use entra_proto::{
///     Application, Authority, Body, ClientSecret, Guid, Target, Timestamp,
/// };
/// # use http::{Request, Response};
/// # fn send(_: Request<Body>) -> Option<Response<Body>> {
/// #     let body = r#"{"access_token":"t","expires_in":3599}"#.to_owned();
/// #     Some(Response::new(Body::from(body)))
/// # }
/// # fn sleep(_: std::time::Duration) {}
/// # fn now() -> Timestamp { Timestamp::from_secs(1_767_225_600) }
///
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.com".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
/// let request =
///     app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
///
/// let mut step =
///     request.start(RetryPolicy::default(), Guid::from_random([7; 16]), now())?;
/// let token = loop {
///     step = match step {
///         Step::Exchange(exchange) => match send(exchange.request()) {
///             Some(response) => exchange.respond(&response, now())?,
///             None => exchange
///                 .failed(Delivery::MaybeSent, now())?
///                 .ok_or("the network is down")?,
///         },
///         Step::Pause(pause) => {
///             sleep(pause.duration());
///             pause.resume(now())?
///         }
///         Step::Sign(sign) => sign.sign()?,
///         Step::Assert(assert) => assert.fetch()?,
///         Step::Done(token) => break token,
///     };
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Step {
    /// Sign an assertion with the key of the application's certificate.
    Sign(Sign),
    /// Fetch an assertion of another issuer.
    Assert(Assert),
    /// Send a request and pass its response back.
    Exchange(Exchange),
    /// Wait.
    Pause(Pause),
    /// The acquisition is complete.
    Done(TokenResponse),
}

impl TokenRequest {
    /// Starts an acquisition of the token, which retries temporary failures.
    ///
    /// `request_id` names the acquisition to the service and is its only source of randomness: the
    /// same inputs produce the same bytes and the same waits. The `jti` of each assertion is
    /// derived from it and differs per attempt.
    ///
    /// A request that already has its [assertion](TokenRequest::with_assertion) is sent with that
    /// one, because an assertion may authenticate many requests while it is valid. It gets a new
    /// one only if the service rejects the assertion as expired or not yet valid.
    ///
    /// # Errors
    /// Returns an error if the credential is acquired from a managed identity and the environment
    /// of this machine is invalid.
    pub fn start(self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> Result<Step, Error> {
        let run = Run::new(self.legs(), policy, request_id);
        authenticate(run, TokenLeg::new(self, Purpose::Token, Budget::new(now)), now)
    }
}

impl ManagedIdentityRequest {
    /// Starts an acquisition of the token, which retries temporary failures.
    ///
    /// It reads the variables of the host now, because the platform may have replaced their values
    /// since the last acquisition. `request_id` names the acquisition to the platform.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or invalid. The error does not repeat its value.
    pub fn start(&self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> Result<Step, Error> {
        let run = Run::new(1, policy, request_id);
        let leg = IdentityLeg::start(&run, self, PlatformBudget::new(now), None)?;
        Ok(Step::Exchange(Exchange::new(run, Current::Identity(leg))))
    }
}

/// Starts the polls of a device flow after this wait.
pub(crate) fn poll(request: TokenRequest, polling: Polling, wait: Duration, policy: RetryPolicy, id: Guid) -> Step {
    let run = Run::new(request.legs(), policy, id);
    // Each poll has its own budget, which starts after the wait.
    let leg = TokenLeg::new(request, Purpose::Polled(polling), Budget::new(Timestamp::default()));
    Step::Pause(Pause::new(run, Current::Token(leg), wait))
}

/// Returns the step that acquires the assertion of a request, or that sends it if it needs none.
fn authenticate(mut run: Run, mut leg: TokenLeg, now: Timestamp) -> Result<Step, Error> {
    loop {
        if leg.is_ready(now) {
            return Ok(Step::Exchange(Exchange::new(run, Current::Token(leg))));
        }
        if let Some(request) = leg.request_of_grant() {
            leg = leg.after_grant(request);
            continue;
        }
        match leg.request.application().credential() {
            ClientCredential::Certificate(credential) => {
                let credential = credential.clone();
                let unsigned = leg
                    .request
                    .prepare(&credential, run.fresh_id(), run.by_service(now))
                    .made_at(now);
                return Ok(Step::Sign(Sign {
                    run,
                    leg,
                    credential,
                    unsigned,
                }));
            }
            ClientCredential::Federated(credential) => {
                let credential = credential
                    .clone()
                    .for_cloud(leg.request.application().authority().cloud());
                return Ok(Step::Assert(Assert { run, leg, credential }));
            }
            ClientCredential::Acquired(credential) => {
                let credential = credential.clone();
                match Current::inner(&run, credential.source(), leg)? {
                    Current::Token(inner) => leg = inner,
                    other => return Ok(Step::Exchange(Exchange::new(run, other))),
                }
            }
            ClientCredential::Public
            | ClientCredential::Secret(_)
            | ClientCredential::BasicSecret(_)
            | ClientCredential::Assertion(_) => return Ok(Step::Exchange(Exchange::new(run, Current::Token(leg)))),
        }
    }
}
