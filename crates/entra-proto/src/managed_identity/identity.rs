//! The identity that a token is requested for.

use std::fmt;
use std::sync::Arc;

use crate::client_id::ClientId;
use crate::error::{Error, Input, InputError};
use crate::guid::Guid;

/// A managed identity of the machine or service that runs the program.
///
/// ```
/// use entra_proto::managed_identity::Identity;
///
/// let system = Identity::system();
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let user_assigned = Identity::client_id(client_id);
/// assert_ne!(system, user_assigned);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity(Kind);

/// The kinds of identity, each with its identifier.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    System,
    ClientId(ClientId),
    ObjectId(Guid),
    ResourceId(Arc<str>),
}

impl Kind {
    /// Returns the name of the identifier.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::ClientId(_) => "client ID",
            Self::ObjectId(_) => "object ID",
            Self::ResourceId(_) => "resource ID",
        }
    }

    /// Returns the identifier, if the identity needs one.
    pub(super) fn value(&self) -> Option<String> {
        match self {
            Self::System => None,
            Self::ClientId(id) => Some(id.to_string()),
            Self::ObjectId(id) => Some(id.to_string()),
            Self::ResourceId(id) => Some(id.to_string()),
        }
    }
}

impl Identity {
    /// Returns the system-assigned identity: the one that the platform uses if a request names
    /// none.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// Returns the user-assigned identity with this client ID.
    #[must_use]
    pub fn client_id(id: ClientId) -> Self {
        Self(Kind::ClientId(id))
    }

    /// Returns the user-assigned identity with this object (principal) ID.
    #[must_use]
    pub fn object_id(id: Guid) -> Self {
        Self(Kind::ObjectId(id))
    }

    /// Returns the user-assigned identity with this resource ID:
    /// `/subscriptions/<id>/resourcegroups/<name>/providers/Microsoft.ManagedIdentity/...`.
    ///
    /// # Errors
    /// Returns an error if the text does not begin with `/`, has control characters or spaces, or
    /// is longer than 1,024 bytes.
    pub fn resource_id(id: &str) -> Result<Self, Error> {
        let is_valid = id.starts_with('/')
            && id.len() <= MAX_RESOURCE_ID
            && !id.chars().any(|c| c.is_whitespace() || c.is_control());
        if !is_valid {
            return Err(
                InputError::new(Input::Identity, "is not the resource ID of an identity")
                    .value(id)
                    .with_hint(
                        "copy \"Resource ID\" from the properties of the identity: it begins with /subscriptions/",
                    )
                    .into(),
            );
        }
        Ok(Self(Kind::ResourceId(id.into())))
    }

    /// Returns whether this is the system-assigned identity.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == Kind::System
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::System => f.write_str("the system-assigned identity"),
            Kind::ClientId(id) => write!(f, "the identity with client ID {id}"),
            Kind::ObjectId(id) => write!(f, "the identity with object ID {id}"),
            Kind::ResourceId(id) => write!(f, "the identity with resource ID {id}"),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

/// The maximum length of a resource ID in bytes, several times that of the longest one.
const MAX_RESOURCE_ID: usize = 1024;
