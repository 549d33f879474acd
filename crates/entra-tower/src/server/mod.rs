//! The web API's side: requests without a valid token do not reach the handlers.

#[cfg(feature = "axum")]
mod caller;
mod layer;
mod metadata;
mod permissions;
mod protected;

#[cfg(feature = "axum")]
pub use caller::Caller;
pub use layer::RequireToken;
pub use metadata::{Publish, Published, Unpublished};
pub use permissions::{Permitted, PermittedFuture, RequirePermissions};
pub use protected::{Protected, ProtectedFuture};

use entra_validate::{Api, Rejection};
use http::{Response, StatusCode};

/// Shows inner layers and extractors that [`RequireToken`] was there, and how the API rejects requests.
#[derive(Clone)]
pub(crate) struct Guard(pub(crate) Api);

/// Rejects a request, and logs why: the rule, never the token.
pub(crate) fn reject<B: Default>(api: &Api, rejection: &Rejection) -> Response<B> {
    let (rule, hint) = (rejection.rule().map(|rule| rule.name()), rejection.hint());
    match rejection {
        Rejection::KeysUnavailable { .. } => tracing::warn!(rule, hint, "token not validated: {rejection}"),
        // Of the usual kind: a client that asks what it needs.
        Rejection::NoToken => tracing::debug!(hint, "request rejected: {rejection}"),
        _ => tracing::info!(rule, hint, "request rejected: {rejection}"),
    }
    api.response(rejection)
}

/// The response where the program is put together wrongly: nothing may be served then.
pub(crate) fn unguarded<B: Default>(who: &str) -> Response<B> {
    tracing::error!("{who} has no principal: put the layer RequireToken around the route; the request is rejected");
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
