//! Code that the examples with a server share: listening sockets, bounded connections, a
//! certificate that is reloaded, a log, and the shutdown signals.

#![allow(dead_code, reason = "each example uses its own part")]

pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod serve;
pub(crate) mod stop;
pub(crate) mod tls;
