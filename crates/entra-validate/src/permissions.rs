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
/// The two are never compared with each other. A user passes by a scope in `scp`, whatever roles
/// the user has; an application without a user passes by an application role in `roles`. Where one
/// list is empty, callers of that kind are rejected.
///
/// Cheap to clone. A route with needs of its own calls [`check`](Self::check).
///
/// ```
/// use entra_validate::Permissions;
///
/// let read = Permissions::any_of(["ToDoList.Read", "ToDoList.ReadWrite"], ["ToDoList.Read.All"])?;
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
    /// At least one of these: a scope for a user, a role for an application. A name that is there
    /// twice counts once.
    ///
    /// # Errors
    /// Returns an error if both lists are empty, as where a setting could not be read, and if a
    /// name is blank, holds white space, or is longer than `scp` and `roles` can hold.
    pub fn any_of(
        scopes: impl IntoIterator<Item = impl AsRef<str>>,
        roles: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Error> {
        let scopes = names("scope", scopes)?;
        let roles = names("role", roles)?;
        if scopes.is_empty() && roles.is_empty() {
            return Err(InputError::new(Input::Other("permissions"), "are empty")
                .with_hint("name a scope or a role, or call Permissions::any_granted if each will do")
                .into());
        }
        Ok(Self(Arc::new(Needed::AnyOf { scopes, roles })))
    }

    /// Any scope for a user, any role for an application. A token without either is still rejected:
    /// an application of any tenant can get one.
    #[must_use]
    pub fn any_granted() -> Self {
        Self(Arc::new(Needed::AnyGranted))
    }

    /// Checks that a caller has one of these permissions.
    ///
    /// # Errors
    /// Returns [`Rejection::Permissions`] if not.
    pub fn check(&self, principal: &Principal) -> Result<(), Rejection> {
        self.allow(principal.is_user(), principal.scopes(), principal.roles())
    }

    /// The decision: by scopes where there is a user, by roles where there is none.
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

    /// The scopes of which a user needs one. Empty where users are not accepted, and where any will
    /// do.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scopes: &[Box<str>] = match &*self.0 {
            Needed::AnyOf { scopes, .. } => scopes,
            Needed::AnyGranted => &[],
        };
        scopes.iter().map(|scope| &**scope)
    }

    /// The roles of which an application needs one. Empty where applications are not accepted, and
    /// where any will do.
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
    let mut different: Vec<Box<str>> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names {
        let name = name.as_ref();
        // A scope-token of RFC 6749, appendix A.4: anything else can stand in no token and in no
        // challenge.
        let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_token) {
            return Err(Error::from(
                InputError::new(Input::Other(field), "is no name of a permission")
                    .with_hint("write the value as it stands in the API's registration, one in each entry"),
            ));
        }
        if seen.insert(name.to_owned()) {
            different.push(name.into());
        }
    }
    Ok(different.into())
}

/// The most characters of the value of a scope or a role in a registration.
const MAX_NAME: usize = 250;
