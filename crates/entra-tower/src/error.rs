use std::error::Error;
use std::fmt;

use entra_proto::Origin;
use http::Uri;

/// The error of a [`Bearer`](crate::Bearer): a [`BearerError`], or what the inner service's error boxes to.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request was not sent. The inner service's errors are none of these: they are handed on as they are.
#[non_exhaustive]
pub enum BearerError {
    /// Its URI is at none of the origins that the token may be sent to.
    Elsewhere {
        /// Where it is, `scheme://host[:port]`; none where the URI is relative.
        origin: Option<String>,
    },
    /// There is no token for it. What is to be done stands in the [source](Error::source), an [`entra_client::Error`].
    Token(entra_client::Error),
}

impl BearerError {
    /// The URI's path and query stay out of it: they are the caller's, and may be secret. So does its user.
    pub(crate) fn elsewhere(uri: &Uri) -> Self {
        let origin = uri.scheme_str().zip(uri.authority()).map(|(scheme, authority)| {
            let authority = authority.as_str();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}")
        });
        Self::Elsewhere { origin }
    }
}

impl fmt::Display for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere { origin: None } => {
                f.write_str("not sent: the request's URI is relative; write it with its scheme and host")
            }
            Self::Elsewhere { origin: Some(origin) } => write!(
                f,
                "not sent: {origin} is none of the origins that the token may go to; name it when the layer is made, or send the \
                 request without the layer"
            ),
            Self::Token(_) => f.write_str("not sent: there is no token"),
        }
    }
}

/// The text of `Display` and of what lies beneath: it is what a `main` that returns the error shows.
impl fmt::Debug for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self {
            Self::Elsewhere { .. } => Ok(()),
            Self::Token(error) => write!(f, ": {error:?}"),
        }
    }
}

impl Error for BearerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Elsewhere { .. } => None,
            Self::Token(error) => Some(error),
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

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrigin => f.write_str("there are no origins: name those of the API"),
            Self::Origin(error) => error.fmt(f),
            Self::PlainHttp(origin) => write!(
                f,
                "{} is plain http, which would send the token in the clear; write https",
                origin.as_str()
            ),
        }
    }
}

impl Error for BuildError {}
