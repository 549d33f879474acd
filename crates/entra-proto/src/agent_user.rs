//! The user accounts of agent identities.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::unwrapped;

/// The user account of an agent identity, by its object ID or its name.
///
/// ```
/// use entra_proto::agents::AgentUser;
///
/// let by_name: AgentUser = "assistant@contoso.com".parse()?;
/// let by_id: AgentUser = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// assert_ne!(by_name, by_id);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AgentUser {
    kind: Kind,
    text: Arc<str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    ObjectId,
    Name,
}

impl AgentUser {
    /// Returns the user with this object ID.
    #[must_use]
    pub fn object_id(id: Guid) -> Self {
        Self {
            kind: Kind::ObjectId,
            text: id.to_string().into(),
        }
    }

    /// Returns the user with this user principal name, such as `assistant@contoso.com`.
    ///
    /// # Errors
    /// Returns an error if the text is not of the form `name@domain`.
    pub fn name(name: &str) -> Result<Self, Error> {
        let is_valid = name.split_once('@').is_some_and(|(user, domain)| {
            !user.is_empty() && !domain.is_empty() && !domain.contains('@') && name.len() <= LONGEST_NAME
        }) && !name.chars().any(|c| c.is_whitespace() || c.is_control());
        if !is_valid {
            return Err(
                InputError::new(Input::User, "is neither an object ID nor a user principal name")
                    .value(name)
                    .with_hint("write the object ID of the agent's user account, or its name as assistant@contoso.com")
                    .into(),
            );
        }
        Ok(Self {
            kind: Kind::Name,
            text: name.into(),
        })
    }

    /// Returns the object ID or the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the parameter that names the user.
    pub(crate) fn parameter(&self) -> (&'static str, &str) {
        match self.kind {
            Kind::ObjectId => ("user_id", &self.text),
            Kind::Name => ("username", &self.text),
        }
    }
}

impl FromStr for AgentUser {
    type Err = Error;

    /// Parses an object ID, which is a GUID, or a user principal name. White space and quotation
    /// marks around it are ignored.
    ///
    /// # Errors
    /// Returns an error if the text is neither.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = unwrapped(text);
        text.parse().map(Self::object_id).or_else(|_| Self::name(text))
    }
}

impl fmt::Display for AgentUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for AgentUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentUser({self})")
    }
}

/// The maximum length of a name in bytes, several times that of the longest user principal name.
const LONGEST_NAME: usize = 512;
