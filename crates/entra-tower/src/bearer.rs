//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use entra_client::{Token, TokenSource};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower_service::Service;

use crate::error::{BearerError, BoxError};
use crate::future::{Call, Fetch, ResponseFuture, Used};
use crate::layer::UnlistedOrigin;
use crate::place::Place;
use crate::replay::{NoReplay, Replay};
use crate::shared::{Candidate, Shared, Supply};
use crate::table::Mark;

/// A service that puts a token on the requests of another: made by [`BearerLayer`](crate::BearerLayer).
///
/// It is ready when the inner service is, and has its responses. The inner service's errors come through as
/// [`BearerError::Service`].
///
/// While it awaits a token it holds nothing of the inner service: a request without a token at hand gives its place (a permit of
/// `ConcurrencyLimit`, a slot of `Buffer`) back, and takes another one once the token is there. So one limited stack can serve
/// both the API and the token service.
#[derive(Clone)]
pub struct Bearer<S, R = NoReplay> {
    inner: S,
    /// Its own, with a copy of the token in it.
    supply: Supply<TokenSource>,
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
    replay: R,
}

impl<S, R> Bearer<S, R> {
    pub(crate) fn new(inner: S, shared: Arc<Shared<TokenSource>>, unlisted_origin: UnlistedOrigin, replay: R) -> Self {
        Self {
            inner,
            supply: shared.supply(),
            shared,
            unlisted_origin,
            replay,
        }
    }

    /// The inner service again.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The inner service.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S, B, A, R> Service<Request<B>> for Bearer<S, R>
where
    S: Service<Request<B>, Response = Response<A>> + Clone,
    S::Error: Into<BoxError>,
    R: Replay<B>,
{
    type Response = Response<A>;
    type Error = BearerError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BearerError>> {
        self.inner.poll_ready(cx).map_err(BearerError::service)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S, B> {
        if !self.shared.origins().admit(request.uri()) {
            return self.unlisted_origin(request);
        }
        if self.supply.is_outdated(&self.shared) {
            self.supply = self.shared.supply();
        }
        if !self.supply.is_uniform {
            return self.call_by_path(request);
        }
        let Some(token) = self.supply.source.current() else {
            return self.call_by_path(request);
        };
        let authorization = token.authorization();
        let place = self.shared.places().of(&request);
        self.send(request, authorization, place, self.supply.mark())
    }
}

impl<S, R> Bearer<S, R> {
    #[cold]
    fn unlisted_origin<B>(&mut self, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        match self.unlisted_origin {
            UnlistedOrigin::Refuse => ResponseFuture::refused(BearerError::unlisted_origin(request.uri())),
            UnlistedOrigin::WithoutToken => ResponseFuture::calling(self.inner.call(request), None, None),
        }
    }

    /// Sends the request with the kind of token that its path wants.
    #[cold]
    fn call_by_path<B>(&mut self, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        R: Replay<B>,
    {
        let place = self.shared.places().in_full(&request);
        let mut candidate = self.shared.candidate(&self.supply, place);
        match candidate.source.current().map(Token::authorization) {
            Some(authorization) => self.send(request, authorization, place, candidate.mark()),
            None => self.fetch(request, place, candidate),
        }
    }

    #[inline]
    fn send<B>(
        &mut self,
        mut request: Request<B>,
        authorization: HeaderValue,
        place: Place,
        mark: Mark,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        R: Replay<B>,
    {
        let spare = self.spare(&request).map(|mut spare| {
            spare.request.headers_mut().insert(AUTHORIZATION, authorization.clone());
            spare
        });
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let shared = Arc::clone(&self.shared);
        let used = Used { mark, place, shared };
        ResponseFuture::calling(self.inner.call(request), Some(used), spare)
    }

    /// Sends the request once there is a token.
    #[cold]
    fn fetch<B>(&mut self, request: Request<B>, place: Place, candidate: Candidate<TokenSource>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        R: Replay<B>,
    {
        let spare = self.spare(&request);
        // The ready service may hold the very permit that the token request needs.
        self.inner = self.inner.clone();
        let service = self.inner.clone();
        let call = Box::new(Call { service, request });
        let fetch = Fetch::new(&self.shared, place, |shared| {
            shared.fetch(candidate, self.supply.clone(), place)
        });
        ResponseFuture::fetching(fetch, call, spare)
    }

    /// A copy of the request, if the policy wants one and the body can be copied.
    fn spare<B>(&self, request: &Request<B>) -> Option<Box<Call<S, B>>>
    where
        S: Clone,
        R: Replay<B>,
    {
        let request = self.replay.copy(request)?;
        let service = self.inner.clone();
        Some(Box::new(Call { service, request }))
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Bearer<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("inner", &self.inner)
            .field("shared", &self.shared)
            .field("unlisted_origin", &self.unlisted_origin)
            .finish_non_exhaustive()
    }
}
