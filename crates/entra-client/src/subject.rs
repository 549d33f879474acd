//! The subject of a token.

use crate::user::User;

/// The subject of a token: the party that the token is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The client's principal itself: an app-only token.
    Principal,
    /// A user, for whom the application acts.
    User(User),
}

impl Subject {
    /// Returns the user, if the subject is one.
    #[inline]
    pub(crate) fn user(&self) -> Option<&User> {
        match self {
            Self::Principal => None,
            Self::User(user) => Some(user),
        }
    }

    /// Returns true if other processes can recognize the subject.
    pub(crate) fn is_shareable(&self) -> bool {
        self.user().is_none_or(User::is_shareable)
    }

    /// Returns the approximate number of bytes that the subject holds.
    pub(crate) fn size(&self) -> usize {
        self.user().map_or(0, User::size)
    }
}
