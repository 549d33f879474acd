//! The principal of a client: the party that its tokens are issued to.

use std::fmt;
use std::sync::Arc;

use entra_proto::Application;

use crate::chain::{Chain, Selection};

/// The principal of a client: the party that its tokens are issued to.
///
/// [`Client::builder`](crate::Client::builder) takes one. An [`Application`] and a [`Chain`] convert
/// into it. Clones of a chain's principal share the choice of the chain.
#[derive(Clone)]
pub struct Principal(pub(crate) Kind);

/// The kinds of principals.
#[derive(Clone)]
pub(crate) enum Kind {
    Application(Application),
    /// The first credential of a chain that is not absent.
    Chain(Arc<Selection>),
}

impl Principal {
    /// Returns the application, if the principal or the chosen member of its chain is one.
    pub(crate) fn application(&self) -> Option<&Application> {
        match &self.0 {
            Kind::Application(application) => Some(application),
            Kind::Chain(selection) => selection.application(),
        }
    }

    /// Returns the choice of the chain, if the principal is one.
    pub(crate) fn selection(&self) -> Option<&Arc<Selection>> {
        match &self.0 {
            Kind::Chain(selection) => Some(selection),
            Kind::Application(_) => None,
        }
    }

    /// Returns true if the blocking client cannot use the credential.
    pub(crate) fn is_async(&self) -> bool {
        match &self.0 {
            Kind::Application(application) => application.credential().is_async(),
            Kind::Chain(selection) => selection.is_async(),
        }
    }
}

/// The principal as a noun phrase.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Application(application) => write!(f, "the application {}", application.client_id()),
            Kind::Chain(selection) => selection.fmt(f),
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
        Self(Kind::Application(application))
    }
}

impl From<Chain> for Principal {
    fn from(chain: Chain) -> Self {
        Self(Kind::Chain(Selection::new(chain)))
    }
}
