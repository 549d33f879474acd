//! The drivers of entra-proto's state machines over a transport: an async one and a blocking one.

use std::fmt;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::device::{DeviceAuthorization, DeviceCodeRequest, DeviceStep};
use entra_proto::{Guid, Timestamp, TokenRequest, TokenResponse};

use crate::{AcquireError, BlockingTransport, Request, Response, Transport, TransportError, TransportErrorKind};

/// The acquisition of one token over a transport: the requests, the pauses and the retries.
///
/// Every acquisition sends at least one request: there is no cache here.
///
/// ```
/// use entra_proto::{Application, ClientSecret, Target};
/// use entra_transport::{Acquisition, Body, Response, blocking_transport_fn};
///
/// # let transport = blocking_transport_fn(|_| {
/// #     let token = r#"{"access_token":"t","expires_in":3599}"#;
/// #     Ok(Response::new(Body::from(token.to_owned())))
/// # });
/// let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
/// let graph = Target::resource("https://graph.microsoft.com")?;
///
/// let acquisition = Acquisition::new(app.client_credentials(graph)?);
/// let token = acquisition.run_blocking(&transport)?;
/// assert_eq!(token.access_token.authorization(), "Bearer t");
/// # Ok::<(), entra_transport::AcquireError>(())
/// ```
#[must_use = "an acquisition sends nothing until it is run"]
pub struct Acquisition<R, C = fn() -> Timestamp> {
    request: R,
    policy: RetryPolicy,
    request_id: Option<Guid>,
    clock: C,
}

/// The request for the codes of a device flow, with the function that shows the user code.
pub struct ShownRequest<S> {
    request: DeviceCodeRequest,
    show: S,
}

impl Acquisition<TokenRequest> {
    /// Creates the acquisition of this request's token.
    pub fn new(request: TokenRequest) -> Self {
        Self::of(request)
    }
}

impl<S: FnMut(&DeviceAuthorization)> Acquisition<ShownRequest<S>> {
    /// Creates the sign-in of a user who has no browser on this machine: it requests a code, calls
    /// `show` with it, and polls until the user has entered it on another device (RFC 8628).
    ///
    /// `show` is called once, and polling begins when it returns. Polling may take 15 minutes.
    /// Dropping the future cancels the sign-in.
    ///
    /// ```
    /// use entra_proto::device::DeviceAuthorization;
    /// use entra_proto::{Application, ClientCredential, Target};
    /// use entra_transport::{AcquireError, Acquisition, Transport};
    ///
    /// # async fn sleep(_: std::time::Duration) {}
    /// # async fn doc(transport: impl Transport) -> Result<(), AcquireError> {
    /// let authority = "https://login.microsoftonline.com/organizations".parse()?;
    /// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
    /// let app = Application::new(authority, client_id, ClientCredential::Public);
    /// let request = app.device_code(Target::scopes("User.Read")?)?;
    ///
    /// let show = |code: &DeviceAuthorization| println!("{}", code.message);
    /// let sign_in = Acquisition::device_code(request, show);
    /// let token = sign_in.run(&transport, sleep).await?;
    /// let next = token.refresh_token; // for the next token: Application::refresh
    /// # Ok(())
    /// # }
    /// ```
    pub fn device_code(request: DeviceCodeRequest, show: S) -> Self {
        Self::of(ShownRequest { request, show })
    }
}

impl<R> Acquisition<R> {
    fn of(request: R) -> Self {
        Self {
            request,
            policy: RetryPolicy::default(),
            request_id: None,
            clock: now,
        }
    }
}

impl<R, C> Acquisition<R, C> {
    /// Sets the retry policy.
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the ID of the request, which is random otherwise. Use each ID only once.
    pub fn request_id(mut self, id: Guid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Sets the clock, which is the system's otherwise.
    pub fn clock<D: Fn() -> Timestamp>(self, clock: D) -> Acquisition<R, D> {
        Acquisition {
            request: self.request,
            policy: self.policy,
            request_id: self.request_id,
            clock,
        }
    }
}

impl<C: Fn() -> Timestamp> Acquisition<TokenRequest, C> {
    /// Acquires the token. `sleep` is that of the runtime, such as `tokio::time::sleep`.
    ///
    /// # Errors
    /// Returns an error if the service rejects the request, if its response cannot be used, or if
    /// the transport receives no response.
    pub async fn run<S, F>(self, transport: &(impl Transport + ?Sized), sleep: S) -> Result<TokenResponse, AcquireError>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let step = self.request.start(self.policy, id(self.request_id)?, (self.clock)())?;
        drive(transport, step, self.clock, sleep).await
    }

    /// Acquires the token and blocks the thread until then.
    ///
    /// # Errors
    /// Returns the errors of [`run`](Self::run), and an error if the credential is async.
    pub fn run_blocking(self, transport: &(impl BlockingTransport + ?Sized)) -> Result<TokenResponse, AcquireError> {
        self.run_blocking_with(transport, thread::sleep)
    }

    /// Acquires the token, blocks the thread until then, and calls `sleep` between two attempts.
    ///
    /// # Errors
    /// Returns the errors of [`run_blocking`](Self::run_blocking).
    pub fn run_blocking_with(
        self,
        transport: &(impl BlockingTransport + ?Sized),
        sleep: impl Fn(Duration),
    ) -> Result<TokenResponse, AcquireError> {
        let step = self.request.start(self.policy, id(self.request_id)?, (self.clock)())?;
        drive_blocking(transport, step, self.clock, sleep)
    }
}

impl<W: FnMut(&DeviceAuthorization), C: Fn() -> Timestamp> Acquisition<ShownRequest<W>, C> {
    /// Signs the user in. `sleep` is that of the runtime, such as `tokio::time::sleep`.
    ///
    /// # Errors
    /// Returns an error if the service rejects a request, if a response cannot be used, if the
    /// transport receives no response, if the user declines, or if the code expires.
    pub async fn run<S, F>(self, transport: &(impl Transport + ?Sized), sleep: S) -> Result<TokenResponse, AcquireError>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let step = self.request.start(self.policy, id(self.request_id)?, (self.clock)());
        let shown = show_code(step, |request| transport.send(request), &self.clock, &sleep);
        drive(transport, shown.await?, self.clock, sleep).await
    }

    /// Signs the user in and blocks the thread until then.
    ///
    /// # Errors
    /// Returns the errors of [`run`](Self::run), and an error if the credential is async.
    pub fn run_blocking(self, transport: &(impl BlockingTransport + ?Sized)) -> Result<TokenResponse, AcquireError> {
        self.run_blocking_with(transport, thread::sleep)
    }

    /// Signs the user in, blocks the thread until then, and calls `sleep` between two requests.
    ///
    /// # Errors
    /// Returns the errors of [`run_blocking`](Self::run_blocking).
    pub fn run_blocking_with(
        self,
        transport: &(impl BlockingTransport + ?Sized),
        sleep: impl Fn(Duration),
    ) -> Result<TokenResponse, AcquireError> {
        let step = self.request.start(self.policy, id(self.request_id)?, (self.clock)());
        let send = |request| ready(transport.send(request));
        let wait = |duration| {
            sleep(duration);
            ready(())
        };
        let shown = show_code(step, send, &self.clock, wait);
        drive_blocking(transport, output_of_ready(shown)?, self.clock, sleep)
    }
}

impl<R, C> fmt::Debug for Acquisition<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acquisition({:?})", self.policy)
    }
}

/// A device flow until its code is shown.
struct UntilShown<W> {
    step: DeviceStep,
    show: W,
}

impl<W: FnMut(&DeviceAuthorization)> ShownRequest<W> {
    fn start(self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> UntilShown<W> {
        UntilShown {
            step: self.request.start(policy, request_id, now),
            show: self.show,
        }
    }
}

/// Drives a device flow until its code is shown, and returns the acquisition that follows.
///
/// Both drivers use it. The futures of the blocking one are always ready.
async fn show_code<W, R, S>(
    UntilShown { mut step, mut show }: UntilShown<W>,
    send: impl Fn(Request) -> R,
    now: impl Fn() -> Timestamp,
    sleep: impl Fn(Duration) -> S,
) -> Result<Step, AcquireError>
where
    W: FnMut(&DeviceAuthorization),
    R: Future<Output = Result<Response, TransportError>>,
    S: Future<Output = ()>,
{
    loop {
        step = match step {
            DeviceStep::Exchange(exchange) => match send(exchange.request()).await {
                Ok(response) => exchange.respond(&response, now())?,
                Err(error) => exchange.failed(error.failure(), now()).ok_or(error)?,
            },
            DeviceStep::Pause(pause) => {
                sleep(pause.duration()).await;
                pause.resume()
            }
            DeviceStep::ShowCode(code) => {
                show(code.authorization());
                return Ok(code.shown());
            }
        }
    }
}

/// Returns the output of a future that only awaits ready futures.
fn output_of_ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the futures of a blocking driver are ready"),
    }
}

/// Drives an acquisition to its end.
async fn drive<S, F>(
    transport: &(impl Transport + ?Sized),
    mut step: Step,
    now: impl Fn() -> Timestamp,
    sleep: S,
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
                pause.resume(now())?
            }
            Step::Sign(sign) => {
                let signature = sign.credential().sign_async(sign.assertion()).await;
                sign.done(signature)?
            }
            Step::Assert(assert) => {
                let assertion = assert.credential().assertion_async().await;
                assert.done(assertion)?
            }
            Step::Done(token) => return Ok(token),
        }
    }
}

/// Drives an acquisition to its end, as [`drive`] does, and blocks the thread until then.
fn drive_blocking(
    transport: &(impl BlockingTransport + ?Sized),
    mut step: Step,
    now: impl Fn() -> Timestamp,
    sleep: impl Fn(Duration),
) -> Result<TokenResponse, AcquireError> {
    loop {
        step = match step {
            Step::Exchange(exchange) => match transport.send(exchange.request()) {
                Ok(response) => exchange.respond(&response, now())?,
                Err(error) => error.next_step(exchange, now())?,
            },
            Step::Pause(pause) => {
                sleep(pause.duration());
                pause.resume(now())?
            }
            Step::Sign(sign) => sign.sign()?,
            Step::Assert(assert) => assert.fetch()?,
            Step::Done(token) => return Ok(token),
        }
    }
}

/// Creates a random ID for an acquisition, from the system's source of randomness.
///
/// # Errors
/// Returns an error if the system provides no random bytes.
pub fn request_id() -> Result<Guid, TransportError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        TransportError::new(TransportErrorKind::Other, "the system provides no random bytes").because(error.to_string())
    })?;
    Ok(Guid::from_random(bytes))
}

fn id(given: Option<Guid>) -> Result<Guid, TransportError> {
    given.map_or_else(request_id, Ok)
}

/// Returns the time of the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
