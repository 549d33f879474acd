//! The principal of a client: the party that its tokens are issued to.

use std::fmt;
use std::sync::Arc;

use entra_proto::Application;
use entra_proto::managed_identity::{Identity, ManagedIdentity};
use entra_transport::LocalHost;

use crate::chain::{Chain, ChainReport, Selection};

/// The principal of a client: the party that its tokens are issued to.
///
/// [`Client::builder`](crate::Client::builder) takes one. The following convert into it:
///
/// - an [`Application`] with its credential,
/// - a [`ManagedIdentity`], or the [`Identity`] of the machine that the program runs on
///   ([`LocalHost`]),
/// - a [`Chain`] of these. Clones of its principal share the choice of the chain.
#[derive(Clone)]
pub struct Principal(pub(crate) Kind);

/// The kinds of principals.
#[derive(Clone)]
pub(crate) enum Kind {
    Application(Application),
    ManagedIdentity(ManagedIdentity),
    /// The first credential of a chain that is not absent.
    Chain(Arc<Selection>),
}

impl Principal {
    /// Returns the state of the chain. `None` if the principal is not a chain.
    #[must_use]
    pub fn chain(&self) -> Option<ChainReport> {
        Some(self.selection()?.report())
    }

    /// Returns the application, if the principal or the chosen member of its chain is one.
    pub(crate) fn application(&self) -> Option<&Application> {
        match &self.0 {
            Kind::Application(application) => Some(application),
            Kind::ManagedIdentity(_) => None,
            Kind::Chain(selection) => selection.application(),
        }
    }

    /// Returns the choice of the chain, if the principal is one.
    pub(crate) fn selection(&self) -> Option<&Arc<Selection>> {
        match &self.0 {
            Kind::Chain(selection) => Some(selection),
            Kind::Application(_) | Kind::ManagedIdentity(_) => None,
        }
    }

    /// Returns true if the blocking client cannot use the credential.
    pub(crate) fn is_async(&self) -> bool {
        match &self.0 {
            Kind::Application(application) => application.credential().is_async(),
            Kind::ManagedIdentity(_) => false,
            Kind::Chain(selection) => selection.is_async(),
        }
    }
}

/// The principal as a noun phrase.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Application(application) => write!(f, "the application {}", application.client_id()),
            Kind::ManagedIdentity(managed) => managed.identity().fmt(f),
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

impl From<ManagedIdentity> for Principal {
    fn from(managed: ManagedIdentity) -> Self {
        Self(Kind::ManagedIdentity(managed))
    }
}

impl From<Identity> for Principal {
    fn from(identity: Identity) -> Self {
        ManagedIdentity::new(identity, LocalHost).into()
    }
}

impl From<Chain> for Principal {
    fn from(chain: Chain) -> Self {
        Self(Kind::Chain(Selection::new(chain)))
    }
}
