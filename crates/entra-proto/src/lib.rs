//! The Microsoft Entra token protocol as data in, data out: no IO, no clock, no randomness.

mod body;
mod loopback;

pub use body::Body;
pub use loopback::is_loopback_host;
