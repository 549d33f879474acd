//! The error of creating or starting an emulator.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// The reason why an emulator could not be created or started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is inconsistent or cannot be read; the text says where.
    Config(String),
    /// A name of this machine is neither a host name nor an IP address.
    Name(String),
    /// A socket cannot listen at this address.
    Listen {
        /// The address, with the requested port.
        address: SocketAddr,
        /// The error of the operating system.
        error: Arc<io::Error>,
    },
    /// The server's thread or runtime could not be created.
    Io(Arc<io::Error>),
    /// The certificate authority could not be created.
    #[cfg(feature = "tls")]
    Tls(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => write!(f, "emulator configuration: {what}"),
            Self::Name(name) => write!(f, "{name:?} is neither a host name nor an IP address"),
            Self::Listen { address, error } => {
                write!(f, "the emulator cannot listen on {address}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(": another program listens there"),
                    io::ErrorKind::AddrNotAvailable => f.write_str(": this machine has no such address"),
                    io::ErrorKind::PermissionDenied => f.write_str(": this user may not use that port"),
                    _ => Ok(()),
                }
            }
            Self::Io(_) => f.write_str("the emulator's server cannot start"),
            #[cfg(feature = "tls")]
            Self::Tls(what) => write!(f, "the emulator's certificate authority: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } | Self::Io(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
