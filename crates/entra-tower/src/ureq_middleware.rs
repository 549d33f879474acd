//! The layer's rules for threads.

use std::fmt;
use std::sync::Arc;

use entra_client::blocking::TokenSource;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode};
use ureq::config::RedirectAuthHeaders;
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Body, RequestExt, ResponseExt, SendBody};

use crate::error::{BearerError, BuildError};
use crate::layer::UnlistedOrigin;
use crate::origins::Origins;
use crate::refusal::is_refusal;
use crate::shared::Shared;

/// Puts one API's token on the requests of a ureq agent: what [`BearerLayer`](crate::BearerLayer) is for services, for threads.
///
/// ```
/// use entra_tower::BearerMiddleware;
/// # use entra_client::blocking::Client;
/// # use entra_proto::Target;
/// # fn agent(client: &Client) -> Result<ureq::Agent, Box<dyn std::error::Error>> {
///
/// let graph = client.source(&Target::resource("https://graph.microsoft.com")?)?;
/// let bearer = BearerMiddleware::new(graph, ["https://graph.microsoft.com"])?;
/// let agent = ureq::Agent::config_builder().middleware(bearer).http_status_as_error(false).build().new_agent();
/// // agent.get("https://graph.microsoft.com/v1.0/users").call()?
/// # Ok(agent)
/// # }
/// ```
///
/// The rules are the same, but for this:
/// - A middleware of ureq cannot send a request twice. If the API rejects the token, its `401` is returned, and the next request for
///   that path has another token: send it again.
/// - ureq follows redirects after its middlewares have seen the request. It does so without the token, whatever
///   [`redirect_auth_headers`](ureq::config::ConfigBuilder::redirect_auth_headers) says.
/// - If ureq makes errors of statuses ([`http_status_as_error`](ureq::config::ConfigBuilder::http_status_as_error), its default), the
///   API's challenge is lost: the claims in it are not noticed, and the next request has a new token without them.
/// - A request that is not sent has an [`ureq::Error::Other`] with a [`BearerError`] in it.
pub struct BearerMiddleware {
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
}

impl BearerMiddleware {
    /// A middleware that sends the tokens of `source` to `origins`: see [`BearerLayer::new`](crate::BearerLayer::new).
    ///
    /// # Errors
    /// As for [`BearerLayer::new`](crate::BearerLayer::new).
    pub fn new(source: TokenSource, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, BuildError> {
        let origins = Origins::parse(origins)?;
        Ok(Self {
            shared: Arc::new(Shared::new(source, origins)),
            unlisted_origin: UnlistedOrigin::default(),
        })
    }

    /// Says what becomes of requests to other origins. They are refused unless said otherwise.
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
                UnlistedOrigin::Refuse => Err(other(BearerError::unlisted_origin(request.uri()))),
                UnlistedOrigin::WithoutToken => next.handle(request),
            };
        }
        let fetched = self.shared.fetch(&request);
        let (token, mark, place) = fetched.map_err(|error| other(BearerError::Token(error)))?;
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
        if is_refusal(status, headers) {
            self.shared.rejected(place, mark, headers, false);
        } else if mark.trial.is_some() {
            self.shared.accepted(place, mark, status);
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

/// Whether the answer is that of another server, which never saw the token.
fn is_redirected(answer: &Response<Body>) -> bool {
    answer.get_redirect_history().is_some_and(|history| history.len() > 1)
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ureq::Error {
    ureq::Error::Other(error.into())
}
