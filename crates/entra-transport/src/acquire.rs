use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};

use entra_proto::{Error, Guid, RetryPolicy, ServiceError, ShowCode, Step, Timestamp, TokenRequest, TokenResponse};

use crate::{BlockingTransport, Transport, TransportError, TransportErrorKind};

/// Gets a token: sends the request, waits and tries again as [`RetryPolicy`] has it.
///
/// Every call goes to the service: there is no cache here. `sleep` is the runtime's: `tokio::time::sleep`, say.
///
/// # Errors
/// [`AcquireError`]: the service's refusal, an answer that nobody can use, or the transport's failure.
pub async fn acquire<S, F>(
    transport: &(impl Transport + ?Sized),
    request: TokenRequest,
    sleep: S,
) -> Result<TokenResponse, AcquireError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    drive(transport, start(request, RetryPolicy::default())?, now, sleep).await
}

/// Gets a token, as [`acquire`] does, and blocks the thread meanwhile.
///
/// ```
/// use entra_proto::{Application, ClientSecret, Target};
/// use entra_transport::{Body, Response, acquire_blocking, blocking_transport_fn};
///
/// # let transport = blocking_transport_fn(|_| Ok(Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned()))));
/// let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
/// let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
/// let token = acquire_blocking(&transport, app.client_credentials(Target::resource("https://graph.microsoft.com")?)?)?;
/// assert_eq!(token.access_token.authorization(), "Bearer t");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As for [`acquire`].
pub fn acquire_blocking(
    transport: &(impl BlockingTransport + ?Sized),
    request: TokenRequest,
) -> Result<TokenResponse, AcquireError> {
    drive_blocking(
        transport,
        start(request, RetryPolicy::default())?,
        now,
        std::thread::sleep,
    )
}

/// Starts an acquisition under a policy of the caller's, with the system's clock and a fresh id.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn start(request: TokenRequest, policy: RetryPolicy) -> Result<Step, TransportError> {
    Ok(request.start(policy, request_id()?, now()))
}

/// A fresh id for an acquisition, of the system's randomness.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn request_id() -> Result<Guid, TransportError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        TransportError::new(TransportErrorKind::Other, "the system gave no random bytes").because(error.to_string())
    })?;
    Ok(Guid::from_random(bytes))
}

/// The time by the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Drives an acquisition to its end, with a clock and a sleep of the caller's.
///
/// # Errors
/// As for [`acquire`]; and for a device flow, whose code nobody would see: that is for [`drive_device_code`](crate::drive_device_code).
pub async fn drive<S, F>(
    transport: &(impl Transport + ?Sized),
    step: Step,
    now: impl Fn() -> Timestamp,
    sleep: S,
) -> Result<TokenResponse, AcquireError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    run(transport, step, now, sleep, nobody).await
}

/// Drives an acquisition to its end, as [`drive`] does, and blocks the thread meanwhile.
///
/// # Errors
/// As for [`drive`].
pub fn drive_blocking(
    transport: &(impl BlockingTransport + ?Sized),
    step: Step,
    now: impl Fn() -> Timestamp,
    sleep: impl Fn(Duration),
) -> Result<TokenResponse, AcquireError> {
    run_blocking(transport, step, now, sleep, nobody)
}

/// The driver; `show` is told a code that a person has to be shown, and says how it goes on.
pub(crate) async fn run<S, F>(
    transport: &(impl Transport + ?Sized),
    mut step: Step,
    now: impl Fn() -> Timestamp,
    sleep: S,
    mut show: impl FnMut(ShowCode) -> Result<Step, Error>,
) -> Result<TokenResponse, AcquireError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    loop {
        step = match step {
            Step::Exchange(exchange) => match transport.send(exchange.request()).await {
                Ok(response) => exchange.respond(&response, now())?,
                Err(error) => error.next_step(exchange, now())?,
            },
            Step::Pause(pause) => {
                sleep(pause.duration()).await;
                pause.resume(now())
            }
            Step::Sign(sign) => sign.sign()?,
            Step::Assert(assert) => assert.fetch()?,
            Step::ShowCode(code) => show(code)?,
            Step::Done(token) => return Ok(token),
        }
    }
}

/// The same driver, which blocks its thread.
pub(crate) fn run_blocking(
    transport: &(impl BlockingTransport + ?Sized),
    mut step: Step,
    now: impl Fn() -> Timestamp,
    sleep: impl Fn(Duration),
    mut show: impl FnMut(ShowCode) -> Result<Step, Error>,
) -> Result<TokenResponse, AcquireError> {
    loop {
        step = match step {
            Step::Exchange(exchange) => match transport.send(exchange.request()) {
                Ok(response) => exchange.respond(&response, now())?,
                Err(error) => error.next_step(exchange, now())?,
            },
            Step::Pause(pause) => {
                sleep(pause.duration());
                pause.resume(now())
            }
            Step::Sign(sign) => sign.sign()?,
            Step::Assert(assert) => assert.fetch()?,
            Step::ShowCode(code) => show(code)?,
            Step::Done(token) => return Ok(token),
        }
    }
}

fn nobody(code: ShowCode) -> Result<Step, Error> {
    Err(code.nobody())
}

/// Why there is no token.
#[derive(Clone)]
#[non_exhaustive]
pub enum AcquireError {
    /// The service refused, or its answer cannot be used.
    Protocol(Error),
    /// No whole answer came.
    Transport(TransportError),
}

impl AcquireError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Protocol(error) => error.is_retryable(),
            Self::Transport(error) => error.is_retryable(),
        }
    }

    /// How long the service asked to be left alone, at most [`MAX_RETRY_AFTER`](entra_proto::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Protocol(error) => error.retry_after(),
            Self::Transport(_) => None,
        }
    }

    /// Returns what went wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Protocol(error) => error.problem(),
            Self::Transport(error) => error.problem(),
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Protocol(error) => error.hint(),
            Self::Transport(error) => error.hint(),
        }
    }

    /// The service's own account, where it gave one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Protocol(error) => error.service(),
            Self::Transport(_) => None,
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

/// What a `main` that returns the error shows: the error, and all that lies beneath.
impl fmt::Debug for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl StdError for AcquireError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Protocol(error) => error.source(),
            Self::Transport(error) => error.source(),
        }
    }
}

impl From<Error> for AcquireError {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<TransportError> for AcquireError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}
