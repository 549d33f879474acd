//! The future of a call, with its replay.
//!
//! Its states are **Calling** (the inner service has the request), and on the slow path
//! **Rejected** (nothing is sent), **Fetching** (there is no token yet), **Replacing** (the API
//! rejected the token, and another one is requested), **Preparing** (the service becomes ready for
//! a request with its token) and **Done**.

use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use entra_client::runtime::BoxFuture;
use entra_client::{Error, Token, TokenSource};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::{BearerError, BoxError};
use crate::path_id::PathId;
use crate::rejection::is_rejection;
use crate::shared::Shared;
use crate::table::Mark;

pin_project! {
    /// The future of a response of a [`Bearer`](crate::Bearer).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateOf]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// The inner service has the request. Almost all requests are in this state from beginning
        /// to end, so it is small.
        Calling {
            #[pin]
            future: S::Future,
            used: Option<Used>,
            copy: Option<Box<Call<S, B>>>,
        },
        /// Any other state.
        SlowPath { slow_path: Box<SlowPath<S, B>> },
    }
}

/// The states of a request that has no cached token, or whose token the API rejects.
enum SlowPath<S, B>
where
    S: Service<Request<B>>,
{
    /// Nothing is sent.
    Rejected(BearerError),
    /// There is no token yet. No service is ready.
    Fetching {
        fetch: Fetch,
        call: Box<Call<S, B>>,
        copy: Option<Box<Call<S, B>>>,
    },
    /// The API rejected the token, and another one is requested.
    Replacing {
        fetch: Fetch,
        /// The copy of the request, with the rejected token.
        copy: Box<Call<S, B>>,
        /// The rejection, until the token had to be awaited: a response may hold a connection that
        /// the token request needs.
        rejection: Option<S::Response>,
    },
    /// The service becomes ready for a request that has its token.
    Preparing {
        call: Box<Call<S, B>>,
        used: Option<Used>,
        copy: Option<Box<Call<S, B>>>,
    },
    Done,
}

/// The next state, or the end of the call.
type Next<S, B, A> = ControlFlow<End<A>, State<S, B>>;

/// The result that the caller gets.
type End<A> = Result<Response<A>, BearerError>;

/// A request with the service to send it to.
pub(crate) struct Call<S, B> {
    pub(crate) service: S,
    pub(crate) request: Request<B>,
}

/// The token that was sent with a request.
pub(crate) struct Used {
    pub(crate) mark: Mark,
    pub(crate) path_id: PathId,
    pub(crate) shared: Arc<Shared<TokenSource>>,
}

/// A token that is awaited.
pub(crate) struct Fetch {
    token: BoxFuture<Result<(Token, Mark), Error>>,
    path_id: PathId,
    shared: Arc<Shared<TokenSource>>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn calling(future: S::Future, used: Option<Used>, copy: Option<Box<Call<S, B>>>) -> Self {
        Self {
            state: State::Calling { future, used, copy },
        }
    }

    pub(crate) fn rejected(error: BearerError) -> Self {
        Self {
            state: SlowPath::Rejected(error).into(),
        }
    }

    pub(crate) fn fetching(fetch: Fetch, call: Box<Call<S, B>>, copy: Option<Box<Call<S, B>>>) -> Self {
        Self {
            state: SlowPath::Fetching { fetch, call, copy }.into(),
        }
    }
}

impl<S, B, A> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Error: Into<BoxError>,
{
    type Output = End<A>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<A>> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateOf::Calling { future, used, copy } => {
                    let response = ready!(future.poll(cx)).map_err(BearerError::service)?;
                    if is_rejection(response.status(), response.headers()) {
                        rejected(response, used.take(), copy.take())
                    } else {
                        if let Some(used) = used.take_if(|used| used.mark.trial.is_some()) {
                            used.shared.accepted(used.path_id, used.mark, response.status());
                        }
                        return Poll::Ready(Ok(response));
                    }
                }
                StateOf::SlowPath { slow_path } => ready!(slow_path.poll(cx)),
            };
            match next {
                Continue(next) => state.set(next),
                Break(end) => return Poll::Ready(end),
            }
        }
    }
}

/// Handles a rejection by the API, also of a request that had no token of this layer.
#[cold]
fn rejected<S, B, A>(rejection: Response<A>, used: Option<Used>, copy: Option<Box<Call<S, B>>>) -> Next<S, B, A>
where
    S: Service<Request<B>, Response = Response<A>>,
{
    let Some(Used { mark, path_id, shared }) = used else {
        return Break(Ok(rejection));
    };
    let path_id = match &copy {
        Some(copy) => shared.path_ids().with_folder(&copy.request),
        None => path_id,
    };
    let candidate = shared.rejected(path_id, mark, rejection.headers(), copy.is_some());
    match (candidate, copy) {
        (Some(candidate), Some(copy)) => {
            let fetch = Fetch::new(&shared, path_id, |shared| async move { shared.obtain(candidate).await });
            let rejection = Some(rejection);
            Continue(SlowPath::Replacing { fetch, copy, rejection }.into())
        }
        _ => Break(Ok(rejection)),
    }
}

impl<S, B, A> SlowPath<S, B>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Error: Into<BoxError>,
{
    #[cold]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next<S, B, A>> {
        // First await what the state needs.
        let fetched = match self {
            Self::Fetching { fetch, .. } => Some(ready!(fetch.poll(cx))),
            Self::Replacing { fetch, rejection, .. } => match fetch.poll(cx) {
                Poll::Ready(fetched) => Some(fetched),
                Poll::Pending => {
                    *rejection = None;
                    return Poll::Pending;
                }
            },
            Self::Preparing { call, .. } => match ready!(call.service.poll_ready(cx)) {
                Ok(()) => None,
                Err(error) => return Poll::Ready(Break(Err(BearerError::service(error)))),
            },
            Self::Rejected(_) | Self::Done => None,
        };
        // Then take the next step.
        Poll::Ready(match (mem::replace(self, Self::Done), fetched) {
            (Self::Fetching { call, copy, .. }, Some(Ok((token, used)))) => {
                let (call, copy) = (call.sign(&token), copy.map(|copy| copy.sign(&token)));
                let used = Some(used);
                Continue(Self::Preparing { call, used, copy }.into())
            }
            (Self::Fetching { .. }, Some(Err(error))) => Break(Err(BearerError::Token(error))),
            (Self::Replacing { copy, rejection, .. }, Some(Ok((token, used)))) => {
                // The service may not become ready before this response ends.
                drop(rejection);
                let (call, used) = (copy.sign(&token), Some(used));
                let next = Self::Preparing { call, used, copy: None };
                Continue(next.into())
            }
            // Without another token, the API's own response is worth more than an error. If it was
            // dropped, the request is sent again.
            (
                Self::Replacing {
                    rejection: Some(rejection),
                    ..
                },
                Some(Err(_)),
            ) => Break(Ok(rejection)),
            (Self::Replacing { copy: call, .. }, Some(Err(_))) => {
                let (used, copy) = (None, None);
                Continue(Self::Preparing { call, used, copy }.into())
            }
            (Self::Preparing { call, used, copy }, None) => Continue(call.send(used, copy)),
            (Self::Rejected(error), None) => Break(Err(error)),
            _ => panic!("polled after completion"),
        })
    }
}

impl<S, B> From<SlowPath<S, B>> for State<S, B>
where
    S: Service<Request<B>>,
{
    fn from(slow_path: SlowPath<S, B>) -> Self {
        Self::SlowPath {
            slow_path: Box::new(slow_path),
        }
    }
}

impl<S, B> Call<S, B>
where
    S: Service<Request<B>>,
{
    fn sign(mut self: Box<Self>, token: &Token) -> Box<Self> {
        self.request.headers_mut().insert(AUTHORIZATION, token.authorization());
        self
    }

    fn send(mut self, used: Option<Used>, copy: Option<Box<Self>>) -> State<S, B> {
        State::Calling {
            future: self.service.call(self.request),
            used,
            copy,
        }
    }
}

impl Fetch {
    pub(crate) fn new<F>(
        shared: &Arc<Shared<TokenSource>>,
        path_id: PathId,
        start: impl FnOnce(Arc<Shared<TokenSource>>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(Token, Mark), Error>> + Send + 'static,
    {
        Self {
            token: Box::pin(start(Arc::clone(shared))),
            path_id,
            shared: Arc::clone(shared),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Token, Used), Error>> {
        let fetched = ready!(self.token.as_mut().poll(cx));
        Poll::Ready(fetched.map(|(token, mark)| {
            let (path_id, shared) = (self.path_id, Arc::clone(&self.shared));
            (token, Used { mark, path_id, shared })
        }))
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
