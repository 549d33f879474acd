//! The driver of entra-proto's machines over a transport: one that awaits, and one that blocks its thread.

use std::fmt;
use std::future::Future;
use std::thread;
use std::time::{Duration, SystemTime};

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::device::{DeviceAuthorization, DeviceCodeRequest, DeviceStep};
use entra_proto::{Guid, Timestamp, TokenRequest, TokenResponse};

use crate::{AcquireError, BlockingTransport, Transport, TransportError, TransportErrorKind};

/// The acquisition of one token over a transport: requests, waits and further attempts.
///
/// Every acquisition goes to the service: there is no cache here.
///
/// ```
/// use entra_proto::{Application, ClientSecret, Target};
/// use entra_transport::{Acquisition, Body, Response, blocking_transport_fn};
///
/// # let transport = blocking_transport_fn(|_| Ok(Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned()))));
/// let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
/// let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
/// let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
///
/// let token = Acquisition::new(request).run_blocking(&transport)?;
/// assert_eq!(token.access_token.authorization(), "Bearer t");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an acquisition sends nothing until it is run"]
pub struct Acquisition<R, C = fn() -> Timestamp> {
    request: R,
    policy: RetryPolicy,
    request_id: Option<Guid>,
    clock: C,
}

/// The request for a device flow's codes, with the function that shows the user one of them.
pub struct ShownRequest<S> {
    request: DeviceCodeRequest,
    show: S,
}

impl Acquisition<TokenRequest> {
    /// Acquires the token of this request.
    pub fn new(request: TokenRequest) -> Self {
        Self::of(request)
    }
}

impl<S: FnMut(&DeviceAuthorization)> Acquisition<ShownRequest<S>> {
    /// Signs in a user who has no browser here: gets a code, has `show` show it, and polls until the user has entered it on another
    /// device (RFC 8628).
    ///
    /// `show` is called once, and the waiting begins when it returns. The waiting may take a quarter of an hour. Dropping the future
    /// gives the sign-in up.
    ///
    /// ```
    /// use entra_proto::{Application, ClientCredential, Target};
    /// use entra_transport::{Acquisition, Transport};
    ///
    /// # async fn sleep(_: std::time::Duration) {}
    /// # async fn doc(transport: impl Transport) -> Result<(), Box<dyn std::error::Error>> {
    /// let organizations = "https://login.microsoftonline.com/organizations".parse()?;
    /// let app = Application::new(organizations, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientCredential::Public);
    /// let request = app.device_code(Target::scopes("User.Read")?)?;
    /// let acquisition = Acquisition::device_code(request, |code| println!("{}", code.message));
    /// let token = acquisition.run(&transport, sleep).await?;
    /// let next = token.refresh_token; // for the next time: Application::refresh
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
    /// Follows this policy instead of the default one.
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sends this ID to the service instead of a random one: never use one twice.
    pub fn request_id(mut self, id: Guid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Reads this clock instead of the system's.
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
    /// Acquires the token. `sleep` is the runtime's, such as `tokio::time::sleep`.
    ///
    /// # Errors
    /// Returns an error if the service rejects the request, if its response cannot be used, or if the transport gets none.
    pub async fn run<S, F>(self, transport: &(impl Transport + ?Sized), sleep: S) -> Result<TokenResponse, AcquireError>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let step = self.request.start(self.policy, id(self.request_id)?, (self.clock)());
        drive(transport, step, self.clock, sleep).await
    }

    /// Acquires the token, and blocks the thread meanwhile.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_blocking(self, transport: &(impl BlockingTransport + ?Sized)) -> Result<TokenResponse, AcquireError> {
        self.run_blocking_with(transport, thread::sleep)
    }

    /// Acquires the token, and blocks the thread meanwhile: with `sleep` between two attempts.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_blocking_with(
        self,
        transport: &(impl BlockingTransport + ?Sized),
        sleep: impl Fn(Duration),
    ) -> Result<TokenResponse, AcquireError> {
        let step = self.request.start(self.policy, id(self.request_id)?, (self.clock)());
        drive_blocking(transport, step, self.clock, sleep)
    }
}

impl<W: FnMut(&DeviceAuthorization), C: Fn() -> Timestamp> Acquisition<ShownRequest<W>, C> {
    /// Signs the user in. `sleep` is the runtime's, such as `tokio::time::sleep`.
    ///
    /// # Errors
    /// As for [`Acquisition::new`]'s `run`; [`AcquireError::Protocol`] too if the user declines, or the code expires.
    pub async fn run<S, F>(self, transport: &(impl Transport + ?Sized), sleep: S) -> Result<TokenResponse, AcquireError>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let ShownRequest { request, mut show } = self.request;
        let mut step = request.start(self.policy, id(self.request_id)?, (self.clock)());
        let step = loop {
            step = match step {
                DeviceStep::Exchange(exchange) => match transport.send(exchange.request()).await {
                    Ok(response) => exchange.respond(&response, (self.clock)())?,
                    Err(error) => exchange.failed(error.failure(), (self.clock)()).ok_or(error)?,
                },
                DeviceStep::Pause(pause) => {
                    sleep(pause.duration()).await;
                    pause.resume()
                }
                DeviceStep::ShowCode(code) => {
                    show(code.authorization());
                    break code.shown();
                }
            }
        };
        drive(transport, step, self.clock, sleep).await
    }

    /// Signs the user in, and blocks the thread meanwhile.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_blocking(self, transport: &(impl BlockingTransport + ?Sized)) -> Result<TokenResponse, AcquireError> {
        self.run_blocking_with(transport, thread::sleep)
    }

    /// Signs the user in, and blocks the thread meanwhile: with `sleep` between two requests.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_blocking_with(
        self,
        transport: &(impl BlockingTransport + ?Sized),
        sleep: impl Fn(Duration),
    ) -> Result<TokenResponse, AcquireError> {
        let ShownRequest { request, mut show } = self.request;
        let mut step = request.start(self.policy, id(self.request_id)?, (self.clock)());
        let step = loop {
            step = match step {
                DeviceStep::Exchange(exchange) => match transport.send(exchange.request()) {
                    Ok(response) => exchange.respond(&response, (self.clock)())?,
                    Err(error) => exchange.failed(error.failure(), (self.clock)()).ok_or(error)?,
                },
                DeviceStep::Pause(pause) => {
                    sleep(pause.duration());
                    pause.resume()
                }
                DeviceStep::ShowCode(code) => {
                    show(code.authorization());
                    break code.shown();
                }
            }
        };
        drive_blocking(transport, step, self.clock, sleep)
    }
}

impl<R, C> fmt::Debug for Acquisition<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acquisition({:?})", self.policy)
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
                pause.resume(now())
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

/// Drives an acquisition to its end, as [`drive`] does, and blocks the thread meanwhile.
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
                pause.resume(now())
            }
            Step::Sign(sign) => sign.sign()?,
            Step::Assert(assert) => assert.fetch()?,
            Step::Done(token) => return Ok(token),
        }
    }
}

/// Creates an ID for an acquisition from the system's randomness.
///
/// # Errors
/// Returns an error if the system gives no random bytes.
pub fn request_id() -> Result<Guid, TransportError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        TransportError::new(TransportErrorKind::Other, "the system gave no random bytes").because(error.to_string())
    })?;
    Ok(Guid::from_random(bytes))
}

fn id(given: Option<Guid>) -> Result<Guid, TransportError> {
    given.map_or_else(request_id, Ok)
}

/// Returns the time by the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
