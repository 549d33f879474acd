//! How far a caller reaches.

use axum::body::Body;
use axum::extract::FromRequestParts;
use entra_proto::Guid;
use entra_tower::Caller;
use entra_validate::Principal;
use http::Response;
use http::request::Parts;

/// The to-dos that a caller may see and change. The store returns nothing without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) tenant: Guid,
    /// The user or the service principal that calls.
    pub(crate) object_id: Guid,
    whose: Whose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// To-dos of every owner: an application on its own behalf.
    Everyone,
    /// To-dos of the caller: a user.
    Own,
}

impl Reach {
    fn of(principal: &Principal) -> Self {
        Self {
            tenant: principal.tenant(),
            object_id: principal.object_id(),
            whose: if principal.is_user() {
                Whose::Own
            } else {
                Whose::Everyone
            },
        }
    }

    /// Returns the owner of the to-dos that the caller sees. None if they are everyone's.
    pub(crate) fn owner(&self) -> Option<Guid> {
        (self.whose == Whose::Own).then_some(self.object_id)
    }
}

/// A handler with this argument runs for callers whose token was validated, see [`Caller`].
impl<S: Sync> FromRequestParts<S> for Reach {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response<Body>> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self::of(&caller))
    }
}
