//! The device flow (RFC 8628): a user without a browser at hand signs in on another device.
//!
//! A machine of its own before the one of an acquisition ([`Step`](crate::acquire::Step)): it requests the codes and has one of them shown; then
//! the token is acquired as any other, only that the token endpoint is polled until the user has finished.
//!
//! ```text
//!  DeviceCodeRequest::start
//!        │        ┌────────┐ respond: the codes ┌────────┐ shown
//!        ├───────►│Exchange├───────────────────►│ShowCode├──────► Step::Pause, which polls after the first interval
//!        │        └───┬────┘                    └────────┘
//!        │ resume     │ it may pass
//!        │        ┌───▼─┐
//!        └────────┤Pause│
//!                 └─────┘
//! ```

mod polling;
mod request;
mod step;

pub use crate::issued::DeviceCode;
pub use request::{DeviceAuthorization, DeviceCodeRequest};
pub use step::{DeviceExchange, DevicePause, DeviceStep, ShowCode};

pub(crate) use polling::Polling;
