//! The extractor of axum for the caller of a request.

use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use entra_validate::{Principal, Rejection};
use http::Response;
use http::request::Parts;

use crate::server::{Guard, reject, unguarded};

/// The caller of a request, as an argument of a handler of axum.
///
/// A handler with this argument runs only if a caller's token was validated. If the layer
/// [`RequireToken`](crate::RequireToken) is missing, the response is status 500, and an error is
/// logged. On an open path, it is status 401.
///
/// ```
/// use axum::Router;
/// use axum::routing::{get, post};
/// use entra_tower::{Caller, RequirePermissions, RequireToken};
/// use entra_validate::{Principal, Validator};
///
/// async fn list(Caller(caller): Caller) -> String {
///     match caller {
///         Principal::User(_) => format!("tasks of {}", caller.object_id()),
///         _ => "all tasks".to_owned(),
///     }
/// }
///
/// fn app(validator: Validator) -> Result<Router, entra_proto::Error> {
///     let read = RequirePermissions::any_of(["Tasks.Read"], ["Tasks.Read.All"])?;
///     let write =
///         RequirePermissions::any_of(["Tasks.Write"], ["Tasks.Write.All"])?;
///     let add = post(|| async { "added" }).layer(write);
///     Ok(Router::new()
///         .route("/tasks", get(list).layer(read).merge(add))
///         .route("/healthz", get(|| async { "ok" }))
///         .layer(RequireToken::new(validator).with_open_path("/healthz")?))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub Principal);

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response<Body>> {
        let extensions = &parts.extensions;
        match (extensions.get::<Guard>(), extensions.get::<Principal>()) {
            (None, _) => Err(unguarded("a handler")),
            (Some(_), Some(principal)) => Ok(Self(principal.clone())),
            (Some(Guard(api)), None) => Err(reject(api, &Rejection::NoToken)),
        }
    }
}
