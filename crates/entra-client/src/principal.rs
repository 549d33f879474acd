//! The principal of a client: the party that its tokens are issued to.

use std::fmt;

use entra_proto::Application;
use entra_proto::error::{Input, InputError};

/// The principal of a client: the party that its tokens are issued to.
///
/// [`Client::builder`](crate::Client::builder) takes one. An [`Application`] converts into it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Principal {
    /// An application, with its credential.
    Application(Application),
}

impl Principal {
    /// Returns the application, if the principal is one.
    #[must_use]
    pub fn application(&self) -> Option<&Application> {
        match self {
            Self::Application(application) => Some(application),
        }
    }

    /// Returns true if the blocking client cannot use the credential.
    pub(crate) fn is_async(&self) -> bool {
        match self {
            Self::Application(application) => application.credential().is_async(),
        }
    }

    /// Returns the application, for a request that only an application can send.
    pub(crate) fn require_application(&self) -> Result<&Application, entra_proto::Error> {
        self.application().ok_or_else(|| {
            InputError::new(
                Input::Other("principal"),
                format!("is {self}, but only an application can do this"),
            )
            .with_hint("create the client with an application and its credential")
            .into()
        })
    }
}

/// The principal as a noun phrase.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(application) => write!(f, "the application {}", application.client_id()),
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({self})")
    }
}

impl From<Application> for Principal {
    fn from(application: Application) -> Self {
        Self::Application(application)
    }
}
