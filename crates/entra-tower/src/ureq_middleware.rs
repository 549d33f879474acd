//! The layer's rules as a middleware of ureq.

use std::fmt;
use std::sync::Arc;

use entra_client::blocking::TokenSource;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode};
use ureq::config::RedirectAuthHeaders;
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Body, RequestExt, ResponseExt, SendBody};

use crate::error::{BearerError, OriginError};
use crate::layer::UnlistedOrigin;
use crate::origins::Origins;
use crate::rejection::is_rejection;
use crate::shared::Shared;

/// A middleware that adds the token of one API to the requests of a ureq agent, as
/// [`BearerLayer`](crate::BearerLayer) does for services.
///
/// ```
/// use entra_tower::BearerMiddleware;
/// # use entra_client::blocking::Client;
/// # use entra_proto::Target;
/// # fn agent(client: &Client) -> Result<ureq::Agent, Box<dyn std::error::Error>> {
///
/// let graph = client.source(&Target::resource("https://graph.microsoft.com")?)?;
/// let bearer = BearerMiddleware::new(graph, ["https://graph.microsoft.com"])?;
/// let agent = ureq::Agent::config_builder()
///     .middleware(bearer)
///     .http_status_as_error(false)
///     .build()
///     .new_agent();
/// // agent.get("https://graph.microsoft.com/v1.0/users").call()?
/// # Ok(agent)
/// # }
/// ```
///
/// The rules are the same, except for these:
///
/// - A middleware of ureq cannot send a request twice. If the API rejects the token, its `401` is
///   returned, and the next request for that path has another token: send the request again.
/// - ureq follows redirects after its middlewares have seen the request. It sends no token then,
///   whatever [`redirect_auth_headers`](ureq::config::ConfigBuilder::redirect_auth_headers) says.
/// - If ureq turns statuses into errors
///   ([`http_status_as_error`](ureq::config::ConfigBuilder::http_status_as_error), its default),
///   the challenge of the API is lost: its claims are ignored, and the next request has a new token
///   without them.
/// - The error of a request that is not sent is an [`ureq::Error::Other`] with a [`BearerError`] in
///   it.
pub struct BearerMiddleware {
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
}

impl BearerMiddleware {
    /// Creates a middleware that sends the tokens of `source` to `origins`: see
    /// [`BearerLayer::new`](crate::BearerLayer::new).
    ///
    /// # Errors
    /// As for [`BearerLayer::new`](crate::BearerLayer::new).
    pub fn new(source: TokenSource, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, OriginError> {
        let origins = Origins::parse(origins)?;
        Ok(Self {
            shared: Arc::new(Shared::new(source, origins)),
            unlisted_origin: UnlistedOrigin::default(),
        })
    }

    /// Sets how requests to other origins are handled: with an error by default.
    #[must_use]
    pub fn unlisted_origin(mut self, unlisted_origin: UnlistedOrigin) -> Self {
        self.unlisted_origin = unlisted_origin;
        self
    }
}

impl Middleware for BearerMiddleware {
    fn handle(
        &self,
        mut request: Request<SendBody<'_>>,
        next: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        if !self.shared.origins().admit(request.uri()) {
            return match self.unlisted_origin {
                UnlistedOrigin::Reject => Err(other(BearerError::unlisted_origin(request.uri()))),
                UnlistedOrigin::WithoutToken => next.handle(request),
            };
        }
        let fetched = self.shared.fetch(&request);
        let (token, mark, path_id) = fetched.map_err(|error| other(BearerError::Token(error)))?;
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let Some(config) = request.middleware_config() else {
            return Err(other(
                "a middleware before this one made another request, without the extensions of the first",
            ));
        };
        let request = config
            .redirect_auth_headers(RedirectAuthHeaders::Never)
            .save_redirect_history(true)
            .build();
        let response = next.handle(request);
        let none = HeaderMap::new();
        let (status, headers) = match &response {
            Ok(redirected) if is_redirected(redirected) => return response,
            Ok(response) => (response.status(), response.headers()),
            Err(ureq::Error::StatusCode(status)) => match StatusCode::from_u16(*status) {
                Ok(status) => (status, &none),
                Err(_) => return response,
            },
            Err(_) => return response,
        };
        if is_rejection(status, headers) {
            self.shared.rejected(path_id, mark, headers, false);
        } else if mark.trial.is_some() {
            self.shared.accepted(path_id, mark, status);
        }
        response
    }
}

impl fmt::Debug for BearerMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerMiddleware")
            .field("shared", &self.shared)
            .field("unlisted_origin", &self.unlisted_origin)
            .finish()
    }
}

/// Returns true if the response comes from another server, which never saw the token.
fn is_redirected(response: &Response<Body>) -> bool {
    response.get_redirect_history().is_some_and(|history| history.len() > 1)
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ureq::Error {
    ureq::Error::Other(error.into())
}
