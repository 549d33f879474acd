use std::future::Future;
use std::time::Duration;

use entra_proto::{
    DeviceAuthorization, DeviceCodeRequest, Error, RetryPolicy, ShowCode, Step, Timestamp, TokenResponse,
};

use crate::acquire::{now, request_id, run, run_blocking};
use crate::{AcquireError, BlockingTransport, Transport, TransportError};

/// Signs a person in who has no browser here: gets a code, has `show` show it, and asks until he has typed it in elsewhere
/// (RFC 8628).
///
/// `show` is called once, and the waiting begins when it returns: it prints the `message`, say. `sleep` is the runtime's:
/// `tokio::time::sleep`, say. Dropping the future gives the sign-in up.
///
/// ```
/// use entra_proto::{Application, ClientCredential, Target};
/// use entra_transport::{Transport, acquire_device_code};
///
/// # async fn sleep(_: std::time::Duration) {}
/// # async fn doc(transport: impl Transport) -> Result<(), Box<dyn std::error::Error>> {
/// let organizations = "https://login.microsoftonline.com/organizations".parse()?;
/// let app = Application::new(organizations, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientCredential::Public);
/// let request = app.device_code(Target::scopes("User.Read")?)?;
/// let token = acquire_device_code(&transport, request, sleep, |code| println!("{}", code.message)).await?;
/// let next = token.refresh_token; // for the next time: Application::refresh
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As for [`acquire`](crate::acquire()); [`AcquireError::Protocol`] too where the person declined, or the code expired.
pub async fn acquire_device_code<S, F>(
    transport: &(impl Transport + ?Sized),
    request: DeviceCodeRequest,
    sleep: S,
    show: impl FnMut(&DeviceAuthorization),
) -> Result<TokenResponse, AcquireError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let step = start_device_code(request, RetryPolicy::default())?;
    drive_device_code(transport, step, now, sleep, show).await
}

/// Signs a person in, as [`acquire_device_code`] does, and blocks the thread meanwhile: for up to a quarter of an hour, while the
/// person takes his time.
///
/// ```no_run
/// use entra_proto::{Application, ClientCredential, Target};
/// use entra_transport::{BlockingTransport, acquire_device_code_blocking};
///
/// # fn doc(transport: impl BlockingTransport) -> Result<(), Box<dyn std::error::Error>> {
/// let organizations = "https://login.microsoftonline.com/organizations".parse()?;
/// let app = Application::new(organizations, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientCredential::Public);
/// let request = app.device_code(Target::scopes("User.Read")?)?;
/// let token = acquire_device_code_blocking(&transport, request, |code| println!("{}", code.message))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As for [`acquire_device_code`].
pub fn acquire_device_code_blocking(
    transport: &(impl BlockingTransport + ?Sized),
    request: DeviceCodeRequest,
    show: impl FnMut(&DeviceAuthorization),
) -> Result<TokenResponse, AcquireError> {
    let step = start_device_code(request, RetryPolicy::default())?;
    drive_device_code_blocking(transport, step, now, std::thread::sleep, show)
}

/// Starts a device flow under a policy of the caller's, with the system's clock and a fresh id.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn start_device_code(request: DeviceCodeRequest, policy: RetryPolicy) -> Result<Step, TransportError> {
    Ok(request.start(policy, request_id()?, now()))
}

/// Drives a device flow to its end, with a clock and a sleep of the caller's.
///
/// # Errors
/// As for [`acquire_device_code`].
pub async fn drive_device_code<S, F>(
    transport: &(impl Transport + ?Sized),
    step: Step,
    now: impl Fn() -> Timestamp,
    sleep: S,
    show: impl FnMut(&DeviceAuthorization),
) -> Result<TokenResponse, AcquireError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    run(transport, step, now, sleep, showing(show)).await
}

/// Drives a device flow to its end, as [`drive_device_code`] does, and blocks the thread meanwhile.
///
/// # Errors
/// As for [`acquire_device_code`].
pub fn drive_device_code_blocking(
    transport: &(impl BlockingTransport + ?Sized),
    step: Step,
    now: impl Fn() -> Timestamp,
    sleep: impl Fn(Duration),
    show: impl FnMut(&DeviceAuthorization),
) -> Result<TokenResponse, AcquireError> {
    run_blocking(transport, step, now, sleep, showing(show))
}

fn showing(mut show: impl FnMut(&DeviceAuthorization)) -> impl FnMut(ShowCode) -> Result<Step, Error> {
    move |code| {
        show(code.authorization());
        Ok(code.shown())
    }
}
