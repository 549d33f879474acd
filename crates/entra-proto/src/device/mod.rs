//! The device flow (RFC 8628): a user without a browser on this device signs in on another one.
//!
//! The flow is a small state machine in front of an acquisition ([`Step`](crate::acquire::Step)):
//! it requests the codes and has the user code shown. The acquisition that follows polls the token
//! endpoint until the user has finished.
//!
//! ```text
//!  DeviceCodeRequest::start
//!        │        ┌────────┐ respond: the codes ┌────────┐ shown
//!        ├───────►│Exchange├───────────────────►│ShowCode├──────► Step::Pause
//!        │        └───┬────┘                    └────────┘        (first poll
//!        │ resume     │ temporary failure                          follows)
//!        │        ┌───▼─┐
//!        └────────┤Pause│
//!                 └─────┘
//! ```
//!
//! The states:
//! - [`DeviceExchange`]: the request for the codes is ready to be sent.
//! - [`DevicePause`]: the request failed temporarily. It is sent again after a wait.
//! - [`ShowCode`]: the user code must be shown. The acquisition follows.

mod polling;
mod request;
mod step;

pub use crate::issued::DeviceCode;
pub use request::{DeviceAuthorization, DeviceCodeRequest};
pub use step::{DeviceExchange, DevicePause, DeviceStep, ShowCode};

pub(crate) use polling::Polling;
