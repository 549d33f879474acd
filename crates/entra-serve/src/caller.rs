//! The program that sent a request, as far as the system tells.

use std::fmt;
use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// The number of the connection, counted from 1 in this server.
    pub connection: u64,
    /// The address, or `None` for a Unix socket.
    pub address: Option<SocketAddr>,
    /// The process, if the system tells.
    pub process: Option<Process>,
}

/// A process of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its ID, if known.
    pub pid: Option<u32>,
    /// The ID of its user.
    pub uid: u32,
}

impl Caller {
    /// Returns the other end of a TCP connection.
    #[must_use]
    pub fn tcp(connection: u64, address: SocketAddr) -> Self {
        Self {
            connection,
            address: Some(address),
            process: None,
        }
    }

    /// Returns true if the other end is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.address
            .is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("unix socket"),
        }
    }
}
