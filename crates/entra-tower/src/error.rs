//! The errors of the layer and of its services.

use std::error::Error;
use std::fmt;

use entra_proto::endpoint::Origin;
use entra_proto::error::{Diagnose, ServiceError};
use entra_proto::report::ReportFor;
use http::Uri;

/// Any error, boxed as tower's own services do.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The error of a [`Bearer`](crate::Bearer).
///
/// It converts by `?` to `Box<dyn Error>` and to `Box<dyn Error + Send + Sync>`, from which
/// `downcast_ref::<BearerError>()` recovers it. Its [source](Error::source) is the cause.
///
/// ```
/// use entra_tower::BearerError;
///
/// /// Returns the status of a gateway whose request to an API failed.
/// fn status(error: &BearerError) -> u16 {
///     match error {
///         BearerError::Token(error) if error.is_retryable() => 503,
///         _ => 502,
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BearerError {
    /// The URI of the request is at none of the origins that the token may be sent to. Nothing was
    /// sent.
    UnlistedOrigin {
        /// The origin of the URI, `scheme://host[:port]`, or `None` if the URI is relative.
        origin: Option<String>,
    },
    /// There is no token for the request, which was not sent. The [source](Error::source) has
    /// advice.
    Token(entra_client::Error),
    /// The inner service failed. [`inner`](Self::inner) returns its error by type.
    Service(Box<dyn Error + Send + Sync>),
}

impl BearerError {
    /// Returns advice on how to fix the error, if there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::UnlistedOrigin { origin: None } => Some("use a URI with scheme and host"),
            Self::UnlistedOrigin { origin: Some(_) } => {
                Some("add the origin to the layer, or send the request without the layer")
            }
            Self::Token(error) => error.hint(),
            Self::Service(_) => None,
        }
    }

    /// Returns the error of the inner service, if it is of this type.
    #[must_use]
    pub fn inner<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Service(error) => error.downcast_ref(),
            Self::UnlistedOrigin { .. } | Self::Token(_) => None,
        }
    }

    /// Creates an error without the path, query and user of the URI, which may be secret.
    pub(crate) fn unlisted_origin(uri: &Uri) -> Self {
        let origin = uri.scheme_str().zip(uri.authority()).map(|(scheme, authority)| {
            let authority = authority.as_str();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}")
        });
        Self::UnlistedOrigin { origin }
    }

    /// Creates the error of an inner service. The error of an inner `Bearer` is returned unchanged.
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
                write!(f, "not sent: {origin} is not among the origins of the token")
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

/// The reason why the origins of a layer or middleware are rejected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OriginError {
    /// There are no origins, so the token could not be sent anywhere.
    NoOrigin,
    /// A text is not a valid origin.
    Invalid(entra_proto::Error),
    /// An origin is plain `http` to another machine, where the token could be read in transit.
    PlainHttp(Origin),
}

impl OriginError {
    /// Returns advice on how to fix the error, if there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoOrigin => Some("name the origins of the API"),
            Self::Invalid(error) => error.hint(),
            Self::PlainHttp(_) => Some("use https"),
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrigin => f.write_str("there are no origins"),
            Self::Invalid(error) => error.fmt(f),
            Self::PlainHttp(origin) => write!(
                f,
                "{} is plain http, which would send the token in the clear",
                origin.as_str()
            ),
        }
    }
}

impl Error for OriginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Invalid(error) => error.source(),
            Self::NoOrigin | Self::PlainHttp(_) => None,
        }
    }
}

impl Diagnose for OriginError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The error types of this crate and of the crates below it, for a [`ReportFor`].
pub type Errors = (BearerError, OriginError, entra_client::Errors);

/// An error in the form that a user should read, of this crate or of any other:
/// `fn main() -> Result<(), entra_tower::Report>`.
pub type Report = ReportFor<Errors>;
