//! Copies of requests, to send them again.

use std::fmt;

use http::Request;

/// A policy that copies requests before they are sent. A request that the API rejects can then be
/// sent again with another token.
///
/// Every request is copied, rejected or not. A custom policy may leave out those that must not be
/// sent twice:
///
/// ```
/// use entra_tower::Replay;
/// use http::Request;
///
/// #[derive(Clone)]
/// struct IdempotentOnly;
///
/// impl<B: Clone> Replay<B> for IdempotentOnly {
///     fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
///         request.method().is_idempotent().then(|| request.clone())
///     }
/// }
/// ```
pub trait Replay<B>: Clone {
    /// Returns a copy of the request, or `None` to return a rejection of it to the caller.
    fn copy(&self, request: &Request<B>) -> Option<Request<B>>;
}

/// A policy without copies: a rejected request is not sent again, but the next one has another
/// token.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplay;

impl<B> Replay<B> for NoReplay {
    fn copy(&self, _: &Request<B>) -> Option<Request<B>> {
        None
    }
}

/// A policy that copies every request: see [`BearerLayer::replay`](crate::BearerLayer::replay).
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneBody;

impl<B: Clone> Replay<B> for CloneBody {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

/// A policy that copies the requests whose body can be copied: see
/// [`BearerLayer::replay_with`](crate::BearerLayer::replay_with).
#[derive(Clone, Copy)]
pub struct CopyBody<F>(F);

impl<F> CopyBody<F> {
    pub(crate) fn new(copy: F) -> Self {
        Self(copy)
    }
}

impl<B, F: Fn(&B) -> Option<B> + Clone> Replay<B> for CopyBody<F> {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        let mut copy = Request::new(self.0(request.body())?);
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        *copy.version_mut() = request.version();
        copy.headers_mut().clone_from(request.headers());
        copy.extensions_mut().clone_from(request.extensions());
        Some(copy)
    }
}

impl<F> fmt::Debug for CopyBody<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CopyBody")
    }
}
