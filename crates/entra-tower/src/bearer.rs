//! The service that the layer makes.

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
use crate::path_id::PathId;
use crate::replay::{NoReplay, Replay};
use crate::shared::{Candidate, Shared, Snapshot};
use crate::table::Mark;

/// A service that adds a token to the requests of another service: made by
/// [`BearerLayer`](crate::BearerLayer).
///
/// It is ready when the inner service is, and returns its responses. Errors of the inner service
/// become [`BearerError::Service`].
///
/// While it awaits a token, it holds no resource of the inner service: a request without a cached
/// token returns its permit of a `ConcurrencyLimit` or its slot of a `Buffer`, and takes another
/// one once the token has arrived. So one limited stack can serve both the API and the token
/// service.
#[derive(Clone)]
pub struct Bearer<S, R = NoReplay> {
    inner: S,
    /// The token table as this service saw it last, with a local copy of the token.
    snapshot: Snapshot<TokenSource>,
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
    replay: R,
}

impl<S, R> Bearer<S, R> {
    pub(crate) fn new(inner: S, shared: Arc<Shared<TokenSource>>, unlisted_origin: UnlistedOrigin, replay: R) -> Self {
        Self {
            inner,
            snapshot: shared.snapshot(),
            shared,
            unlisted_origin,
            replay,
        }
    }

    /// Returns the inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Returns a reference to the inner service.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
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
        if self.snapshot.is_stale(&self.shared) {
            self.snapshot = self.shared.snapshot();
        }
        if !self.snapshot.is_uniform {
            return self.call_by_path(request);
        }
        let Some(token) = self.snapshot.source.current() else {
            return self.call_by_path(request);
        };
        let authorization = token.authorization();
        let path_id = self.shared.path_ids().of(&request);
        self.send(request, authorization, path_id, self.snapshot.mark())
    }
}

impl<S, R> Bearer<S, R> {
    #[cold]
    fn unlisted_origin<B>(&mut self, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        match self.unlisted_origin {
            UnlistedOrigin::Reject => ResponseFuture::rejected(BearerError::unlisted_origin(request.uri())),
            UnlistedOrigin::WithoutToken => ResponseFuture::calling(self.inner.call(request), None, None),
        }
    }

    /// Sends the request with the kind of token that its path requires.
    #[cold]
    fn call_by_path<B>(&mut self, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        R: Replay<B>,
    {
        let path_id = self.shared.path_ids().with_folder(&request);
        let mut candidate = self.shared.candidate(&self.snapshot, path_id);
        match candidate.source.current().map(Token::authorization) {
            Some(authorization) => self.send(request, authorization, path_id, candidate.mark()),
            None => self.fetch(request, path_id, candidate),
        }
    }

    #[inline]
    fn send<B>(
        &mut self,
        mut request: Request<B>,
        authorization: HeaderValue,
        path_id: PathId,
        mark: Mark,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        R: Replay<B>,
    {
        let copy = self.copy(&request).map(|mut copy| {
            copy.request.headers_mut().insert(AUTHORIZATION, authorization.clone());
            copy
        });
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let shared = Arc::clone(&self.shared);
        let used = Used { mark, path_id, shared };
        ResponseFuture::calling(self.inner.call(request), Some(used), copy)
    }

    /// Sends the request once there is a token.
    #[cold]
    fn fetch<B>(
        &mut self,
        request: Request<B>,
        path_id: PathId,
        candidate: Candidate<TokenSource>,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        R: Replay<B>,
    {
        let copy = self.copy(&request);
        // The ready service may hold the permit that the token request needs.
        self.inner = self.inner.clone();
        let service = self.inner.clone();
        let call = Box::new(Call { service, request });
        let fetch = Fetch::new(&self.shared, path_id, |shared| {
            shared.fetch(candidate, self.snapshot.clone(), path_id)
        });
        ResponseFuture::fetching(fetch, call, copy)
    }

    /// Returns a copy of the request, if the policy makes one.
    fn copy<B>(&self, request: &Request<B>) -> Option<Box<Call<S, B>>>
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
