//! The future of a call, with its replay.

use std::fmt;
use std::future::Future;
use std::mem;
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
use crate::place::Place;
use crate::refusal::is_refusal;
use crate::shared::Shared;
use crate::table::Mark;

pin_project! {
    /// The response of a [`Bearer`](crate::Bearer).
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
        /// The inner service is at work: almost every request is here from its beginning to its end, so this is small.
        Calling {
            #[pin]
            future: S::Future,
            used: Option<Used>,
            spare: Option<Box<Call<S, B>>>,
        },
        /// Everything else.
        Aside { aside: Box<Aside<S, B>> },
    }
}

/// What is not on the way of a request that has its token at hand and whose token the API takes.
enum Aside<S, B>
where
    S: Service<Request<B>>,
{
    /// Nothing is sent.
    Refused(BearerError),
    /// There is no token yet. Neither service is ready.
    Fetching {
        fetch: Fetch,
        call: Box<Call<S, B>>,
        spare: Option<Box<Call<S, B>>>,
    },
    /// The API refused the token, and another one is on its way.
    Renewing {
        fetch: Fetch,
        /// Has the refused token.
        spare: Box<Call<S, B>>,
        /// None once the token has been waited for: a response may hold a connection that the token request needs.
        refusal: Option<S::Response>,
    },
    /// The service gets ready for a request that has its token.
    Readying {
        call: Box<Call<S, B>>,
        used: Option<Used>,
        spare: Option<Box<Call<S, B>>>,
    },
    Done,
}

/// What follows.
type Next<S, B, A> = Result<State<S, B>, End<A>>;

/// What the caller gets.
type End<A> = Result<Response<A>, BearerError>;

/// A request, and the service to call with it.
pub(crate) struct Call<S, B> {
    pub(crate) service: S,
    pub(crate) request: Request<B>,
}

/// The token that went along with a request.
pub(crate) struct Used {
    pub(crate) mark: Mark,
    pub(crate) place: Place,
    pub(crate) shared: Arc<Shared<TokenSource>>,
}

/// A token that is waited for.
pub(crate) struct Fetch {
    token: BoxFuture<Result<(Token, Mark), Error>>,
    place: Place,
    shared: Arc<Shared<TokenSource>>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn calling(future: S::Future, used: Option<Used>, spare: Option<Box<Call<S, B>>>) -> Self {
        Self {
            state: State::Calling { future, used, spare },
        }
    }

    pub(crate) fn refused(error: BearerError) -> Self {
        Self {
            state: Aside::Refused(error).into(),
        }
    }

    pub(crate) fn fetching(fetch: Fetch, call: Box<Call<S, B>>, spare: Option<Box<Call<S, B>>>) -> Self {
        Self {
            state: Aside::Fetching { fetch, call, spare }.into(),
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
                StateOf::Calling { future, used, spare } => {
                    let response = ready!(future.poll(cx)).map_err(BearerError::service)?;
                    if is_refusal(response.status(), response.headers()) {
                        rejected(response, used.take(), spare.take())
                    } else {
                        if let Some(used) = used.take_if(|used| used.mark.trial.is_some()) {
                            used.shared.accepted(used.place, used.mark, response.status());
                        }
                        return Poll::Ready(Ok(response));
                    }
                }
                StateOf::Aside { aside } => ready!(aside.poll(cx)),
            };
            match next {
                Ok(next) => state.set(next),
                Err(end) => return Poll::Ready(end),
            }
        }
    }
}

/// The API rejected a request, maybe one without a token of ours.
#[cold]
fn rejected<S, B, A>(refusal: Response<A>, used: Option<Used>, spare: Option<Box<Call<S, B>>>) -> Next<S, B, A>
where
    S: Service<Request<B>, Response = Response<A>>,
{
    let Some(Used { mark, place, shared }) = used else {
        return Err(Ok(refusal));
    };
    let place = match &spare {
        Some(spare) => shared.places().in_full(&spare.request),
        None => place,
    };
    let candidate = shared.rejected(place, mark, refusal.headers(), spare.is_some());
    match (candidate, spare) {
        (Some(candidate), Some(spare)) => {
            let fetch = Fetch::new(&shared, place, |shared| async move { shared.obtain(candidate).await });
            let refusal = Some(refusal);
            Ok(Aside::Renewing { fetch, spare, refusal }.into())
        }
        _ => Err(Ok(refusal)),
    }
}

impl<S, B, A> Aside<S, B>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Error: Into<BoxError>,
{
    #[cold]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next<S, B, A>> {
        // First what has to be awaited ...
        let fetched = match self {
            Self::Fetching { fetch, .. } => Some(ready!(fetch.poll(cx))),
            Self::Renewing { fetch, refusal, .. } => match fetch.poll(cx) {
                Poll::Ready(fetched) => Some(fetched),
                Poll::Pending => {
                    *refusal = None;
                    return Poll::Pending;
                }
            },
            Self::Readying { call, .. } => {
                ready!(call.service.poll_ready(cx)).map_err(|error| Err(BearerError::service(error)))?;
                None
            }
            Self::Refused(_) | Self::Done => None,
        };
        // ... then the step that follows.
        Poll::Ready(match (mem::replace(self, Self::Done), fetched) {
            (Self::Fetching { call, spare, .. }, Some(Ok((token, used)))) => {
                let (call, spare) = (call.sign(&token), spare.map(|spare| spare.sign(&token)));
                let used = Some(used);
                Ok(Self::Readying { call, used, spare }.into())
            }
            (Self::Fetching { .. }, Some(Err(error))) => Err(Err(BearerError::Token(error))),
            (Self::Renewing { spare, refusal, .. }, Some(Ok((token, used)))) => {
                // The service may wait for the end of this very response before it is ready again.
                drop(refusal);
                let (call, used) = (spare.sign(&token), Some(used));
                Ok(Self::Readying {
                    call,
                    used,
                    spare: None,
                }
                .into())
            }
            // Without another token, the API's own response is worth more than an error: it is sent once more, if it was dropped.
            (
                Self::Renewing {
                    refusal: Some(refusal), ..
                },
                Some(Err(_)),
            ) => Err(Ok(refusal)),
            (Self::Renewing { spare: call, .. }, Some(Err(_))) => {
                let (used, spare) = (None, None);
                Ok(Self::Readying { call, used, spare }.into())
            }
            (Self::Readying { call, used, spare }, None) => Ok(call.send(used, spare)),
            (Self::Refused(error), None) => Err(Err(error)),
            _ => panic!("polled after the response was given"),
        })
    }
}

impl<S, B> From<Aside<S, B>> for State<S, B>
where
    S: Service<Request<B>>,
{
    fn from(aside: Aside<S, B>) -> Self {
        Self::Aside { aside: Box::new(aside) }
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

    fn send(mut self, used: Option<Used>, spare: Option<Box<Self>>) -> State<S, B> {
        State::Calling {
            future: self.service.call(self.request),
            used,
            spare,
        }
    }
}

impl Fetch {
    pub(crate) fn new<F>(
        shared: &Arc<Shared<TokenSource>>,
        place: Place,
        start: impl FnOnce(Arc<Shared<TokenSource>>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(Token, Mark), Error>> + Send + 'static,
    {
        Self {
            token: Box::pin(start(Arc::clone(shared))),
            place,
            shared: Arc::clone(shared),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Token, Used), Error>> {
        let fetched = ready!(self.token.as_mut().poll(cx));
        Poll::Ready(fetched.map(|(token, mark)| {
            let (place, shared) = (self.place, Arc::clone(&self.shared));
            (token, Used { mark, place, shared })
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
