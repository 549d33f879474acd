//! The layer's rules as a middleware of the crate reqwest-middleware.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use entra_client::TokenSource;
use http::header::AUTHORIZATION;
use http::{Extensions, Uri};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

use crate::error::{BearerError, OriginError};
use crate::layer::UnlistedOrigin;
use crate::origins::Origins;
use crate::rejection::is_rejection;
use crate::shared::Shared;

/// A middleware of the crate `reqwest-middleware` that adds the token of one API to the requests of
/// a reqwest client, as [`BearerLayer`](crate::BearerLayer) does for services.
///
/// ```
/// use entra_tower::ReqwestMiddleware;
/// use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
/// # use entra_client::Client;
/// # use entra_proto::Target;
/// # fn client(client: &Client, reqwest: reqwest::Client)
/// # -> Result<ClientWithMiddleware, Box<dyn std::error::Error>> {
///
/// let graph = client.source(&Target::resource("https://graph.microsoft.com")?)?;
/// let bearer = ReqwestMiddleware::new(graph, ["https://graph.microsoft.com"])?;
/// let http = ClientBuilder::new(reqwest).with(bearer.replay()).build();
/// // http.get("https://graph.microsoft.com/v1.0/users").send().await?
/// # Ok(http)
/// # }
/// ```
///
/// The rules are the same, except for these:
///
/// - reqwest follows redirects after its middlewares have seen the request. It sends the token
///   along to the same origin only, and the response of another origin is returned as it is.
/// - While another token is awaited, the rejection keeps its connection.
/// - The error of a request that is not sent is an [`Error::Middleware`] with a [`BearerError`] in
///   it.
///
/// Middlewares that are added after this one see the token in the request, and each of the two
/// requests if one is sent again. One that retries belongs before this one, so that each attempt
/// has the token of its time.
pub struct ReqwestMiddleware {
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
    replays: bool,
}

impl ReqwestMiddleware {
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
            replays: false,
        })
    }

    /// Sets how requests to other origins are handled: with an error by default.
    #[must_use]
    pub fn unlisted_origin(mut self, unlisted_origin: UnlistedOrigin) -> Self {
        self.unlisted_origin = unlisted_origin;
        self
    }

    /// Copies every request whose body is not a stream, to send it again with another token if the
    /// API rejects the first.
    #[must_use]
    pub fn replay(mut self) -> Self {
        self.replays = true;
        self
    }
}

#[async_trait]
impl Middleware for ReqwestMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        let head = head(&request);
        if !self.shared.origins().admit(head.uri()) {
            return match self.unlisted_origin {
                UnlistedOrigin::Reject => Err(Error::middleware(BearerError::unlisted_origin(head.uri()))),
                UnlistedOrigin::WithoutToken => next.run(request, extensions).await,
            };
        }
        let (path_id, snapshot) = (self.shared.path_ids().with_folder(&head), self.shared.snapshot());
        let first = self.shared.candidate(&snapshot, path_id);
        let fetched = Arc::clone(&self.shared).fetch(first, snapshot, path_id).await;
        let (mut token, mut mark) = fetched.map_err(|error| Error::middleware(BearerError::Token(error)))?;
        let mut copy = if self.replays { request.try_clone() } else { None };
        let origin = request.url().origin();
        loop {
            request.headers_mut().insert(AUTHORIZATION, token.authorization());
            let response = next.clone().run(request, extensions).await?;
            // Another server never saw the token.
            if response.url().origin() != origin {
                return Ok(response);
            }
            if !is_rejection(response.status(), response.headers()) {
                if mark.trial.is_some() {
                    self.shared.accepted(path_id, mark, response.status());
                }
                return Ok(response);
            }
            let candidate = self.shared.rejected(path_id, mark, response.headers(), copy.is_some());
            let (Some(candidate), Some(again)) = (candidate, copy.take()) else {
                return Ok(response);
            };
            // Without another token, the API's own response is worth more than an error.
            let Ok(another) = self.shared.obtain(candidate).await else {
                return Ok(response);
            };
            (token, mark) = another;
            request = again;
        }
    }
}

impl fmt::Debug for ReqwestMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestMiddleware")
            .field("shared", &self.shared)
            .field("unlisted_origin", &self.unlisted_origin)
            .field("replays", &self.replays)
            .finish()
    }
}

/// Returns the method and the URI of a request. A URL that is no URI of HTTP has no origin.
fn head(request: &Request) -> http::Request<()> {
    let mut head = http::Request::new(());
    head.method_mut().clone_from(request.method());
    *head.uri_mut() = Uri::try_from(request.url().as_str()).unwrap_or_default();
    head
}
