//! The errors of the layer and of its services.

use std::error::Error;
use std::fmt;

use entra_proto::Origin;
use http::Uri;

/// Any error, as tower's own services box theirs.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The error of a [`Bearer`](crate::Bearer).
///
/// It converts by `?` to `Box<dyn Error>` and to `Box<dyn Error + Send + Sync>`, out of which `downcast_ref::<BearerError>()` gets it
/// again. The cause is its [source](Error::source).
#[non_exhaustive]
pub enum BearerError {
    /// The request's URI is at none of the origins that the token may be sent to. Nothing was sent.
    Elsewhere {
        /// The URI's origin, `scheme://host[:port]`; none if the URI is relative.
        origin: Option<String>,
    },
    /// There is no token for the request, which was not sent. The [source](Error::source) says what to do.
    Token(entra_client::Error),
    /// The inner service failed. [`inner`](Self::inner) finds its error by type.
    Service(Box<dyn Error + Send + Sync>),
}

impl BearerError {
    /// Returns what went wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Elsewhere { origin: None } => "not sent: the request's URI is relative".to_owned(),
            Self::Elsewhere { origin: Some(origin) } => {
                format!("not sent: {origin} is none of the origins that the token may go to")
            }
            Self::Token(_) => "not sent: there is no token".to_owned(),
            Self::Service(_) => "the request failed".to_owned(),
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Elsewhere { origin: None } => Some("write it with its scheme and host"),
            Self::Elsewhere { origin: Some(_) } => {
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
            Self::Elsewhere { .. } | Self::Token(_) => None,
        }
    }

    /// An error that leaves out the URI's path, query and user, which may be secret.
    pub(crate) fn elsewhere(uri: &Uri) -> Self {
        let origin = uri.scheme_str().zip(uri.authority()).map(|(scheme, authority)| {
            let authority = authority.as_str();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}")
        });
        Self::Elsewhere { origin }
    }

    /// The error of an inner service; that of a `Bearer` further in comes through as it is.
    #[cold]
    pub(crate) fn service(error: impl Into<BoxError>) -> Self {
        error.into().downcast().map_or_else(Self::Service, |own| *own)
    }
}

impl fmt::Display for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hint of a token's error stands in that error's own text.
        match (self, self.hint()) {
            (Self::Elsewhere { .. }, Some(hint)) => write!(f, "{}; {hint}", self.problem()),
            _ => f.write_str(&self.problem()),
        }
    }
}

/// The text of `Display` and of the cause: a `main` that returns the error shows it.
impl fmt::Debug for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self {
            Self::Elsewhere { .. } => Ok(()),
            Self::Token(error) => write!(f, ": {error:?}"),
            Self::Service(error) => write!(f, ": {error:?}"),
        }
    }
}

impl Error for BearerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Elsewhere { .. } => None,
            Self::Token(error) => Some(error),
            Self::Service(error) => Some(&**error),
        }
    }
}

/// Why there is no layer.
#[derive(Clone)]
#[non_exhaustive]
pub enum BuildError {
    /// There are no origins, so that the token could go nowhere.
    NoOrigin,
    /// This is no origin.
    Origin(entra_proto::Error),
    /// This one is plain `http` to another machine, where everybody on the way could read the token.
    PlainHttp(Origin),
}

/// The text of `Display`: it is what a `main` that returns the error shows.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BuildError {
    /// Returns what is wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::NoOrigin => "there are no origins".to_owned(),
            Self::Origin(error) => error.problem(),
            Self::PlainHttp(origin) => format!(
                "{} is plain http, which would send the token in the clear",
                origin.as_str()
            ),
        }
    }

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
        match self.hint() {
            Some(hint) => write!(f, "{}; {hint}", self.problem()),
            None => f.write_str(&self.problem()),
        }
    }
}

impl Error for BuildError {}
