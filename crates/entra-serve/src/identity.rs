//! The parties that tokens are issued to, and how requests choose one.

use std::fmt;

use entra_client::Client;
use entra_proto::{ClientId, Guid};

use crate::error::SetupError;

/// A party that tokens are issued to, and the IDs by which a request chooses it.
///
/// The client is that of an application, an agent, a user, a managed identity or a chain.
#[derive(Clone)]
pub struct Identity {
    name: String,
    client: Client,
    client_id: Option<ClientId>,
    object_id: Option<Guid>,
    resource_id: Option<String>,
}

impl Identity {
    /// Creates an identity. Requests choose it by this name, and by the client ID of the client's
    /// application.
    #[must_use]
    pub fn new(name: impl Into<String>, client: Client) -> Self {
        Self {
            name: name.into(),
            client_id: client.application().map(|application| application.client_id()),
            client,
            object_id: None,
            resource_id: None,
        }
    }

    /// Sets the client ID by which requests choose it.
    #[must_use]
    pub fn with_client_id(mut self, id: ClientId) -> Self {
        self.client_id = Some(id);
        self
    }

    /// Sets the object (principal) ID by which requests choose it.
    #[must_use]
    pub fn with_object_id(mut self, id: Guid) -> Self {
        self.object_id = Some(id);
        self
    }

    /// Sets the resource ID by which requests choose it, which begins with `/subscriptions/`.
    #[must_use]
    pub fn with_resource_id(mut self, id: impl Into<String>) -> Self {
        self.resource_id = Some(id.into());
        self
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the client ID by which requests choose it.
    #[must_use]
    pub fn client_id(&self) -> Option<ClientId> {
        self.client_id
    }

    fn is(&self, choice: &Choice) -> bool {
        match choice {
            Choice::Default => false,
            Choice::Name(name) => self.name == *name,
            Choice::ClientId(id) => self.client_id.is_some_and(|own| own == *id),
            Choice::ObjectId(id) => self.object_id.is_some_and(|own| own == *id),
            Choice::ResourceId(id) => self
                .resource_id
                .as_ref()
                .is_some_and(|own| own.eq_ignore_ascii_case(id)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .field("client_id", &self.client_id)
            .field("object_id", &self.object_id)
            .field("resource_id", &self.resource_id)
            .finish_non_exhaustive()
    }
}

/// The identity that a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The default: the request names none.
    Default,
    /// The one with this name.
    Name(String),
    /// The one with this client ID.
    ClientId(ClientId),
    /// The one with this object (principal) ID.
    ObjectId(Guid),
    /// The one with this resource ID.
    ResourceId(String),
}

/// The identities of a server. The first one is the default, for requests that name none.
///
/// A request that names another ID gets no token: never that of the default.
#[derive(Clone, Debug)]
pub struct Identities(Vec<Identity>);

impl Identities {
    /// Creates the list with its default.
    #[must_use]
    pub fn new(default: Identity) -> Self {
        Self(vec![default])
    }

    /// Adds an identity.
    ///
    /// # Errors
    /// Returns an error if another one has the same name or ID.
    pub fn with(mut self, identity: Identity) -> Result<Self, SetupError> {
        let same = |own: &Identity| {
            own.name == identity.name
                || (own.client_id.is_some() && own.client_id == identity.client_id)
                || (own.object_id.is_some() && own.object_id == identity.object_id)
                || (own.resource_id.is_some() && own.resource_id == identity.resource_id)
        };
        if let Some(own) = self.0.iter().find(|own| same(own)) {
            return Err(SetupError::new(
                format!(
                    "the identities {:?} and {:?} have the same name or ID",
                    own.name, identity.name
                ),
                "give each identity a name and IDs of its own",
            ));
        }
        self.0.push(identity);
        Ok(self)
    }

    /// Returns the identities, the default first.
    pub fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.0.iter()
    }

    /// Returns the identity that a request means, and its place, if there is one.
    pub(crate) fn choose(&self, choice: &Choice) -> Option<(usize, &Identity)> {
        match choice {
            Choice::Default => self.0.first().map(|identity| (0, identity)),
            _ => self.0.iter().enumerate().find(|(_, identity)| identity.is(choice)),
        }
    }
}
