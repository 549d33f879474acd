//! Who calls, and what the caller may do.
//!
//! A handler that takes a [`Reader`] or a [`Writer`] runs for callers with that permission alone: there is no other way to get a
//! [`Caller`], without which the store returns nothing.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use entra_proto::Guid;
use entra_validate::{Permissions, Principal, Validator, bearer_token};
use http::request::Parts;

use crate::common::note;
use crate::routes::App;

/// The validator, and the permissions for each kind of action.
pub(crate) struct Access {
    pub(crate) validator: Validator,
    pub(crate) read: Permissions,
    pub(crate) write: Permissions,
}

/// The to-dos that a caller may see and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Guid,
    pub(crate) reach: Reach,
    /// The user or the service principal that calls.
    pub(crate) object_id: Guid,
}

/// How far a caller reaches in the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To-dos of every owner: an application on its own behalf.
    Everyone,
    /// To-dos of the caller.
    Own,
}

impl Caller {
    fn of(principal: &Principal) -> Self {
        Self {
            tenant: principal.tenant(),
            object_id: principal.object_id(),
            reach: if principal.is_user() {
                Reach::Own
            } else {
                Reach::Everyone
            },
        }
    }

    /// The owner of the to-dos that the caller sees. None if they are everyone's.
    pub(crate) fn owner(&self) -> Option<Guid> {
        (self.reach == Reach::Own).then_some(self.object_id)
    }
}

/// A caller who may read.
pub(crate) struct Reader(pub(crate) Caller);

/// A caller who may write.
pub(crate) struct Writer(pub(crate) Caller);

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        app.access.caller(parts, &app.access.read).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Writer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        app.access.caller(parts, &app.access.write).await.map(Self)
    }
}

impl Access {
    async fn caller(&self, parts: &Parts, needed: &Permissions) -> Result<Caller, Response> {
        let validated = match bearer_token(&parts.headers, parts.uri.query()) {
            Ok(token) => self.validator.validate(token).await,
            Err(rejection) => Err(rejection),
        };
        let allowed = validated.and_then(|principal| needed.check(&principal).map(|()| Caller::of(&principal)));
        allowed.map_err(|rejection| {
            // The caller learns the status and the challenge, the log the reason.
            note(&format!("rejected: {rejection}; {}", rejection.hint()));
            self.validator
                .api()
                .response::<axum::body::Body>(&rejection)
                .into_response()
        })
    }
}
