//! The states of a device flow until its code is shown.

use std::fmt;
use std::time::Duration;

use http::{Request, Response};

use crate::acquire::{Budget, RetryPolicy, SendFailure, Step, allows_another, poll};
use crate::body::Body;
use crate::device::polling::Polling;
use crate::device::request::{DeviceAuthorization, DeviceCodeRequest};
use crate::error::Error;
use crate::guid::Guid;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;

/// The next step of a device flow until its code is shown. After that, it continues as an
/// acquisition: a [`Step`].
///
/// Exhaustive on purpose, as [`Step`] is.
///
/// ```
/// use entra_proto::acquire::{Delivery, RetryPolicy, Step};
/// use entra_proto::device::DeviceStep;
/// use entra_proto::{
///     Application, Body, ClientCredential, Guid, Target, Timestamp,
/// };
/// # use http::{Request, Response};
/// # fn send(_: Request<Body>) -> Option<Response<Body>> {
/// #     let codes = r#"{"device_code":"d", "user_code":"ABCD1234",
/// #         "verification_uri":"https://microsoft.com/devicelogin"}"#;
/// #     Some(Response::new(Body::from(codes.to_owned())))
/// # }
/// # fn sleep(_: std::time::Duration) {}
/// # fn now() -> Timestamp { Timestamp::from_secs(1_767_225_600) }
///
/// let organizations =
///     "https://login.microsoftonline.com/organizations".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(organizations, client_id, ClientCredential::Public);
/// let request = app.device_code(Target::scopes("User.Read")?)?;
///
/// let mut step =
///     request.start(RetryPolicy::default(), Guid::from_random([7; 16]), now());
/// let step: Step = loop {
///     step = match step {
///         DeviceStep::Exchange(exchange) => match send(exchange.request()) {
///             Some(response) => exchange.respond(&response, now())?,
///             None => exchange
///                 .failed(Delivery::MaybeSent, now())
///                 .ok_or("the network is down")?,
///         },
///         DeviceStep::Pause(pause) => {
///             sleep(pause.duration());
///             pause.resume()
///         }
///         DeviceStep::ShowCode(show) => {
///             println!("{}", show.authorization().message);
///             break show.shown();
///         }
///     };
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum DeviceStep {
    /// Send the request for the codes and pass its response back.
    Exchange(DeviceExchange),
    /// Wait before the request is sent again.
    Pause(DevicePause),
    /// Show the code to the user, who enters it on another device.
    ShowCode(ShowCode),
}

impl DeviceCodeRequest {
    /// Starts the device flow: it requests the codes, has one shown, and polls until the user
    /// finishes or declines or the code expires. The other parameters are those of
    /// [`TokenRequest::start`].
    ///
    /// The attempts and the deadline of the policy apply to the request for the codes. A poll that
    /// fails temporarily does not end the flow while the code is valid: the next one is sent later,
    /// with a wait that grows with each failure (RFC 8628, section 3.5). If `max_attempts` is 1,
    /// the first failed poll ends the flow.
    ///
    /// If the service reports "pending" and the code expires before the next poll, the outcome is
    /// `expired_token`, which the service would report then.
    #[must_use]
    pub fn start(self, policy: RetryPolicy, request_id: Guid, now: Timestamp) -> DeviceStep {
        DeviceStep::Exchange(DeviceExchange(CodeRequest {
            request: self,
            policy,
            request_id,
            budget: Budget::new(now),
        }))
    }
}

/// A request for codes with its remaining budget.
struct CodeRequest {
    request: DeviceCodeRequest,
    policy: RetryPolicy,
    request_id: Guid,
    budget: Budget,
}

impl CodeRequest {
    /// Returns the wait before the request is sent again, or `None` if no attempt or time is left.
    fn pause(mut self, requested: Option<Duration>, now: Timestamp) -> Option<DeviceStep> {
        let duration = self.budget.wait(&self.policy, requested, self.request_id, now)?;
        Some(DeviceStep::Pause(DevicePause {
            request: self,
            duration,
        }))
    }
}

/// A request for codes that is ready to be sent.
pub struct DeviceExchange(CodeRequest);

impl DeviceExchange {
    /// Returns the request. Each call returns the same bytes.
    #[must_use]
    pub fn request(&self) -> Request<Body> {
        self.0.request.encode(self.0.request_id)
    }

    /// Handles the response, which arrived at `now`.
    ///
    /// # Errors
    /// Returns an error if the service rejected the request permanently, or if the attempts or the
    /// time of the [`RetryPolicy`] are used up.
    pub fn respond(self, response: &Response<Body>, now: Timestamp) -> Result<DeviceStep, Error> {
        let CodeRequest {
            request,
            policy,
            request_id,
            ..
        } = &self.0;
        match request.decode(response, now) {
            Ok(authorization) => Ok(DeviceStep::ShowCode(ShowCode {
                poll: request.poll(&authorization)?,
                polling: Polling::new(authorization.interval, authorization.expires_at, now),
                policy: *policy,
                request_id: *request_id,
                authorization,
            })),
            Err(error) if allows_another(&error, false) => self.0.pause(error.retry_after(), now).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Handles a transport failure, as [`Exchange::failed`](crate::acquire::Exchange::failed) does.
    #[must_use]
    pub fn failed(self, failure: impl Into<SendFailure>, now: Timestamp) -> Option<DeviceStep> {
        if !failure.into().allows_another(false) {
            return None;
        }
        self.0.pause(None, now)
    }
}

impl fmt::Debug for DeviceExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceExchange({:?})", self.0.request)
    }
}

/// A wait before the request for codes is sent again: a back-off or a `Retry-After`.
pub struct DevicePause {
    request: CodeRequest,
    duration: Duration,
}

impl DevicePause {
    /// Returns the length of the wait.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Continues after the wait.
    #[must_use]
    pub fn resume(self) -> DeviceStep {
        DeviceStep::Exchange(DeviceExchange(self.request))
    }
}

impl fmt::Debug for DevicePause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevicePause({:?})", self.duration)
    }
}

/// A code that must be shown to a user.
pub struct ShowCode {
    authorization: DeviceAuthorization,
    poll: TokenRequest,
    polling: Polling,
    policy: RetryPolicy,
    request_id: Guid,
}

impl ShowCode {
    /// Returns the codes. Show the `message`, or the `verification_uri` and the `user_code`.
    #[must_use]
    pub fn authorization(&self) -> &DeviceAuthorization {
        &self.authorization
    }

    /// Continues after the code was shown. The first poll follows after one interval.
    #[must_use]
    pub fn shown(self) -> Step {
        let interval = self.authorization.interval;
        poll(self.poll, self.polling, interval, self.policy, self.request_id)
    }
}

impl fmt::Debug for ShowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShowCode({:?})", self.authorization)
    }
}
