//! The server side, for web APIs: requests without a valid token do not reach the handlers.

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

/// A request extension that shows inner layers and extractors that [`RequireToken`] is present,
/// with the API whose rules apply to rejections.
#[derive(Clone)]
pub(crate) struct Guard(pub(crate) Api);

/// Returns the response to a rejected request, and logs the rule that rejected it, never the token.
pub(crate) fn reject<B: Default>(api: &Api, rejection: &Rejection) -> Response<B> {
    let (rule, hint) = (rejection.rule().map(|rule| rule.name()), rejection.hint());
    match rejection {
        Rejection::KeysUnavailable { .. } => tracing::warn!(rule, hint, "token not validated: {rejection}"),
        // This is common: clients send a request without a token to get the challenge.
        Rejection::NoToken => tracing::debug!(hint, "request rejected: {rejection}"),
        _ => tracing::info!(rule, hint, "request rejected: {rejection}"),
    }
    api.response(rejection)
}

/// Returns the response for a program that lacks [`RequireToken`]: status 500, so that nothing is
/// served.
pub(crate) fn unguarded<B: Default>(who: &str) -> Response<B> {
    tracing::error!("{who} has no principal: add the layer RequireToken around the route; the request is rejected");
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
