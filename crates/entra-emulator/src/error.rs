//! The error of an emulator that cannot be built or started.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// The error of an emulator that cannot be built or started.
///
/// `Display` shows the problem; [`hint`](Self::hint) returns what to do about it.
///
/// ```
/// use entra_emulator::Emulator;
///
/// let builder = Emulator::builder().reached_as("https://login.example");
/// let error = builder.try_start().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#""https://login.example" is neither a host name nor an IP address"#,
/// );
/// assert!(error.hint().is_some_and(|hint| hint.contains("login.example")));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is inconsistent or cannot be read. The text names the place.
    Config(String),
    /// A name of this machine is neither a host name nor an IP address.
    Name(String),
    /// No socket can listen at this address.
    Listen {
        /// The address with the requested port.
        address: SocketAddr,
        /// The error of the system.
        error: Arc<io::Error>,
    },
    /// The thread or the runtime of the server cannot be created.
    Io(Arc<io::Error>),
    /// The certificate authority cannot be created.
    #[cfg(feature = "tls")]
    Tls(String),
}

impl Error {
    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::Name(_) => "use a host name or an IP address, without a scheme and a port: login.example",
            Self::Listen { error, .. } => match error.kind() {
                io::ErrorKind::AddrInUse => "stop that program, or use another port; port 0 is any free port",
                io::ErrorKind::AddrNotAvailable => "use an address of this machine, such as 127.0.0.1",
                io::ErrorKind::PermissionDenied => "use a port of 1024 or above",
                _ => return None,
            },
            Self::Config(_) | Self::Io(_) => return None,
            #[cfg(feature = "tls")]
            Self::Tls(_) => return None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(problem) => write!(f, "emulator configuration: {problem}"),
            Self::Name(name) => write!(f, "{name:?} is neither a host name nor an IP address"),
            Self::Listen { address, error } => {
                write!(f, "the emulator cannot listen on {address}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(": another program listens there"),
                    io::ErrorKind::AddrNotAvailable => f.write_str(": this machine has no such address"),
                    io::ErrorKind::PermissionDenied => f.write_str(": this user is not allowed to use the port"),
                    _ => Ok(()),
                }
            }
            Self::Io(_) => f.write_str("the server of the emulator cannot start"),
            #[cfg(feature = "tls")]
            Self::Tls(problem) => write!(f, "certificate authority of the emulator: {problem}"),
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
