//! The errors of the layer and of its services.

use std::error::Error;
use std::fmt;

use entra_proto::endpoint::Origin;
use entra_proto::error::{Diagnose, ServiceError};
use entra_proto::report::ReportFor;
use http::Uri;

/// Any error, as tower's own services box theirs.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The error of a [`Bearer`](crate::Bearer).
///
/// It converts by `?` to `Box<dyn Error>` and to `Box<dyn Error + Send + Sync>`, out of which `downcast_ref::<BearerError>()` gets it
/// again. The cause is its [source](Error::source).
#[derive(Debug)]
#[non_exhaustive]
pub enum BearerError {
    /// The request's URI is at none of the origins that the token may be sent to. Nothing was sent.
    UnlistedOrigin {
        /// The URI's origin, `scheme://host[:port]`; none if the URI is relative.
        origin: Option<String>,
    },
    /// There is no token for the request, which was not sent. The [source](Error::source) says what to do.
    Token(entra_client::Error),
    /// The inner service failed. [`inner`](Self::inner) finds its error by type.
    Service(Box<dyn Error + Send + Sync>),
}

impl BearerError {
    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::UnlistedOrigin { origin: None } => Some("write it with its scheme and host"),
            Self::UnlistedOrigin { origin: Some(_) } => {
                Some("name it when the layer is made, or send the request without the layer")
            }
            Self::Token(error) => error.hint(),
            Self::Service(_) => None,
        }
    }

    /// The inner service's error, if it is of this type.
    #[must_use]
    pub fn inner<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Service(error) => error.downcast_ref(),
            Self::UnlistedOrigin { .. } | Self::Token(_) => None,
        }
    }

    /// An error that leaves out the URI's path, query and user, which may be secret.
    pub(crate) fn unlisted_origin(uri: &Uri) -> Self {
        let origin = uri.scheme_str().zip(uri.authority()).map(|(scheme, authority)| {
            let authority = authority.as_str();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}")
        });
        Self::UnlistedOrigin { origin }
    }

    /// The error of an inner service; that of a `Bearer` further in comes through as it is.
    #[cold]
    pub(crate) fn service(error: impl Into<BoxError>) -> Self {
        error.into().downcast().map_or_else(Self::Service, |own| *own)
    }
}

impl fmt::Display for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnlistedOrigin { origin: None } => f.write_str("not sent: the request's URI is relative"),
            Self::UnlistedOrigin { origin: Some(origin) } => {
                write!(f, "not sent: {origin} is none of the origins that the token may go to")
            }
            Self::Token(_) => f.write_str("not sent: there is no token"),
            Self::Service(_) => f.write_str("the request failed"),
        }
    }
}

impl Error for BearerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::UnlistedOrigin { .. } => None,
            Self::Token(error) => Some(error),
            Self::Service(error) => Some(&**error),
        }
    }
}

impl Diagnose for BearerError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Token(error) => error.service(),
            Self::UnlistedOrigin { .. } | Self::Service(_) => None,
        }
    }
}

/// Why there is no layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// There are no origins, so that the token could go nowhere.
    NoOrigin,
    /// This is no origin.
    Origin(entra_proto::Error),
    /// This one is plain `http` to another machine, where everybody on the way could read the token.
    PlainHttp(Origin),
}

impl BuildError {
    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoOrigin => Some("name those of the API"),
            Self::Origin(error) => error.hint(),
            Self::PlainHttp(_) => Some("write https"),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrigin => f.write_str("there are no origins"),
            Self::Origin(error) => error.fmt(f),
            Self::PlainHttp(origin) => write!(
                f,
                "{} is plain http, which would send the token in the clear",
                origin.as_str()
            ),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Origin(error) => error.source(),
            Self::NoOrigin | Self::PlainHttp(_) => None,
        }
    }
}

impl Diagnose for BuildError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The error types of this crate and of those below it, for a [`ReportFor`].
pub type Errors = (BearerError, BuildError, entra_client::Errors);

/// An error as a user should read it, of this crate or of any other: `fn main() -> Result<(), entra_tower::Report>`.
pub type Report = ReportFor<Errors>;
