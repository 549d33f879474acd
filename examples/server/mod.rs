//! What the examples with a server share: listening sockets, bounded connections, a certificate
//! that is read again, a log and an end.

#![allow(dead_code, reason = "each example uses its own part")]

pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod serve;
pub(crate) mod stop;
pub(crate) mod tls;
