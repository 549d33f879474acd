//! Why an emulator could not be made.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Why an emulator could not be made or started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration contradicts itself or cannot be read; the text says where.
    Config(String),
    /// The listening socket or its thread could not be made.
    Io(Arc<io::Error>),
    /// The certificate authority could not be made.
    #[cfg(feature = "tls")]
    Tls(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => write!(f, "emulator configuration: {what}"),
            Self::Io(_) => f.write_str("the emulator cannot listen; choose another address or port"),
            #[cfg(feature = "tls")]
            Self::Tls(what) => write!(f, "the emulator's certificate authority: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
