//! The permissions that a caller must have been granted.

use std::collections::BTreeSet;
use std::sync::Arc;

use entra_proto::Error;
use entra_proto::error::{Input, InputError};

use crate::principal::Principal;
use crate::rejection::Rejection;

/// The permissions of which a caller must have been granted at least one: scopes for users, roles
/// for applications.
///
/// A user needs a scope in `scp`; the user's roles do not count. An application without a user
/// needs an application role in `roles`. If one list is empty, callers of that kind are rejected.
///
/// Cheap to clone. A route that requires other permissions calls [`check`](Self::check).
///
/// ```
/// use entra_validate::Permissions;
///
/// let scopes = ["ToDoList.Read", "ToDoList.ReadWrite"];
/// let read = Permissions::any_of(scopes, ["ToDoList.Read.All"])?;
/// let users_only = Permissions::any_of(["ToDoList.Read"], [""; 0])?;
/// assert!(Permissions::any_of([""; 0], [""; 0]).is_err());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(Arc<Needed>);

#[derive(Debug, PartialEq, Eq)]
enum Needed {
    AnyOf {
        scopes: Box<[Box<str>]>,
        roles: Box<[Box<str>]>,
    },
    AnyGranted,
}

impl Permissions {
    /// Requires at least one of these: a scope for a user, a role for an application. Duplicate
    /// names count once.
    ///
    /// # Errors
    /// Returns an error if both lists are empty (for example because a setting could not be read),
    /// or if a name is empty, is longer than 250 characters, or contains a character that a scope
    /// cannot have (RFC 6749, appendix A.4), such as a space.
    pub fn any_of(
        scopes: impl IntoIterator<Item = impl AsRef<str>>,
        roles: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Error> {
        let scopes = names("scope", scopes)?;
        let roles = names("role", roles)?;
        if scopes.is_empty() && roles.is_empty() {
            return Err(InputError::new(Input::Other("permissions"), "are empty")
                .with_hint("name a scope or a role, or call Permissions::any_granted if any of them is enough")
                .into());
        }
        Ok(Self(Arc::new(Needed::AnyOf { scopes, roles })))
    }

    /// Requires any scope for a user, any role for an application. A token with neither is still
    /// rejected: an application of any tenant can get such a token.
    #[must_use]
    pub fn any_granted() -> Self {
        Self(Arc::new(Needed::AnyGranted))
    }

    /// Checks that a caller has one of these permissions.
    ///
    /// # Errors
    /// Returns [`Rejection::Permissions`] if the caller has none of them.
    pub fn check(&self, principal: &Principal) -> Result<(), Rejection> {
        self.allow(principal.is_user(), principal.scopes(), principal.roles())
    }

    /// Decides by scopes if there is a user, and otherwise by roles.
    pub(crate) fn allow<'a>(
        &self,
        is_user: bool,
        scopes: impl Iterator<Item = &'a str>,
        roles: impl Iterator<Item = &'a str>,
    ) -> Result<(), Rejection> {
        let is_granted = match (&*self.0, is_user) {
            (Needed::AnyOf { scopes: needed, .. }, true) => has_one(needed, scopes),
            (Needed::AnyOf { roles: needed, .. }, false) => has_one(needed, roles),
            (Needed::AnyGranted, true) => scopes.count() > 0,
            (Needed::AnyGranted, false) => roles.count() > 0,
        };
        if is_granted {
            return Ok(());
        }
        Err(Rejection::Permissions { needed: self.clone() })
    }

    /// Returns the scopes of which a user needs one. Empty if users are not accepted, or if any
    /// scope is enough.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scopes: &[Box<str>] = match &*self.0 {
            Needed::AnyOf { scopes, .. } => scopes,
            Needed::AnyGranted => &[],
        };
        scopes.iter().map(|scope| &**scope)
    }

    /// Returns the roles of which an application needs one. Empty if applications are not accepted,
    /// or if any role is enough.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let roles: &[Box<str>] = match &*self.0 {
            Needed::AnyOf { roles, .. } => roles,
            Needed::AnyGranted => &[],
        };
        roles.iter().map(|role| &**role)
    }
}

fn has_one<'a>(needed: &[Box<str>], mut granted: impl Iterator<Item = &'a str>) -> bool {
    granted.any(|it| needed.iter().any(|needed| **needed == *it))
}

fn names(field: &'static str, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Box<[Box<str>]>, Error> {
    let mut unique: Vec<Box<str>> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names {
        let name = name.as_ref();
        // A scope-token of RFC 6749, appendix A.4. Tokens and challenges can hold nothing else.
        let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_token) {
            return Err(Error::from(
                InputError::new(Input::Other(field), "is not the name of a permission")
                    .with_hint("use the value from the API's registration, one value in each entry"),
            ));
        }
        if seen.insert(name.to_owned()) {
            unique.push(name.into());
        }
    }
    Ok(unique.into())
}

/// The largest length of a scope or a role in a registration, in characters.
const MAX_NAME: usize = 250;
