//! The part of the list that a caller may access.

use axum::body::Body;
use axum::extract::FromRequestParts;
use entra_proto::Guid;
use entra_tower::Caller;
use entra_validate::Principal;
use http::Response;
use http::request::Parts;

/// The to-dos that a caller may see and change. The store requires one for each access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) tenant: Guid,
    /// The user or the service principal that calls.
    pub(crate) object_id: Guid,
    owners: Owners,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    /// All owners: the caller is an application that acts on its own behalf.
    Everyone,
    /// The caller alone: the caller is a user.
    Own,
}

impl Reach {
    fn of(principal: &Principal) -> Self {
        Self {
            tenant: principal.tenant(),
            object_id: principal.object_id(),
            owners: if principal.is_user() {
                Owners::Own
            } else {
                Owners::Everyone
            },
        }
    }

    /// Returns the owner of the to-dos that the caller sees, or `None` if the caller sees those of
    /// all owners.
    pub(crate) fn owner(&self) -> Option<Guid> {
        (self.owners == Owners::Own).then_some(self.object_id)
    }
}

/// A handler with this argument runs only for callers with a valid token, see [`Caller`].
impl<S: Sync> FromRequestParts<S> for Reach {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response<Body>> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self::of(&caller))
    }
}
