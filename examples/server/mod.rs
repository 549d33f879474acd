//! What the examples with a server share: listening sockets, bounded connections, and a certificate that is read again.

pub(crate) mod listen;
pub(crate) mod serve;
pub(crate) mod tls;
