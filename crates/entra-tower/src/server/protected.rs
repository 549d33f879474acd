//! The service that the layer for web APIs makes, and its future.
//!
//! The states of the future are **Validating** (the token is validated, which may fetch signing
//! keys), **Preparing** (the inner service becomes ready again), **Calling** (the inner service has
//! the request) and **Responded** (the layer itself responds).

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use entra_validate::{Principal, Rejection, bearer_token};
use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::server::layer::Gate;
use crate::server::metadata::{Publish, Unpublished};
use crate::server::{Guard, reject};

/// A service for requests with a valid token: made by [`RequireToken`](crate::RequireToken).
///
/// It is ready when the inner service is. While signing keys are fetched, it holds no resource of
/// the inner service: a request that waits for them returns its permit (for example of a
/// `ConcurrencyLimit`), and takes another one once its token is validated.
#[derive(Clone)]
pub struct Protected<S, P = Unpublished> {
    inner: S,
    gate: Arc<Gate>,
    publish: P,
}

impl<S, P> Protected<S, P> {
    pub(super) fn new(inner: S, gate: Arc<Gate>, publish: P) -> Self {
        Self { inner, gate, publish }
    }
}

impl<S, P, B, R> Service<Request<B>> for Protected<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    P: Publish<R>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ProtectedFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ProtectedFuture<S, B, R> {
        let api = self.gate.validator.api();
        if let Some(response) = self.publish.respond(request.method(), request.uri()) {
            return ProtectedFuture::responded(response);
        }
        let (mut parts, body) = request.into_parts();
        // An extension of this type may come from outside of the layer, without validation.
        parts.extensions.remove::<Principal>();
        parts.extensions.insert(Guard(api.clone()));
        let request = Request::from_parts(parts, body);
        if self.gate.is_open(&request) {
            return ProtectedFuture {
                state: State::Calling {
                    future: self.inner.call(request),
                },
            };
        }
        // Without a token there is nothing to validate, and nothing to await.
        if let Err(rejection) = bearer_token(request.headers(), request.uri().query()) {
            return ProtectedFuture::responded(reject(api, &rejection));
        }
        let unready = self.inner.clone();
        let service = mem::replace(&mut self.inner, unready);
        let (parts, body) = request.into_parts();
        ProtectedFuture {
            state: State::Validating {
                validation: validate(Arc::clone(&self.gate), parts),
                waiting: Some(Waiting {
                    service,
                    is_ready: true,
                    body,
                }),
            },
        }
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Protected<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

type Validation = Pin<Box<dyn Future<Output = (Parts, Result<Principal, Rejection>)> + Send>>;

/// Validates the token. It owns the head of the request, so that the token is not copied.
fn validate(gate: Arc<Gate>, parts: Parts) -> Validation {
    Box::pin(async move {
        let outcome = match bearer_token(&parts.headers, parts.uri.query()) {
            Ok(token) => gate.validator.validate(token).await,
            Err(rejection) => Err(rejection),
        };
        // The API for the response is in the request's extension.
        (parts, outcome)
    })
}

/// A request that waits for its validation.
struct Waiting<S, B> {
    service: S,
    /// False once the permit of a ready service has been returned.
    is_ready: bool,
    body: B,
}

pin_project! {
    /// The future of a response of a [`Protected`] service.
    pub struct ProtectedFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, R>,
    }
}

pin_project! {
    #[project = StateOf]
    enum State<S, B, R>
    where
        S: Service<Request<B>>,
    {
        Validating {
            validation: Validation,
            waiting: Option<Waiting<S, B>>,
        },
        /// The token is valid, and the service becomes ready again.
        Preparing {
            service: S,
            request: Option<Request<B>>,
        },
        Calling {
            #[pin]
            future: S::Future,
        },
        Responded {
            response: Option<Response<R>>,
        },
    }
}

impl<S, B, R> ProtectedFuture<S, B, R>
where
    S: Service<Request<B>>,
{
    fn responded(response: Response<R>) -> Self {
        Self {
            state: State::Responded {
                response: Some(response),
            },
        }
    }
}

impl<S, B, R> Future for ProtectedFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Default,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateOf::Validating { validation, waiting } => {
                    let Poll::Ready((mut parts, outcome)) = validation.as_mut().poll(cx) else {
                        if let Some(waiting) = waiting.as_mut().filter(|waiting| waiting.is_ready) {
                            waiting.service = waiting.service.clone();
                            waiting.is_ready = false;
                        }
                        return Poll::Pending;
                    };
                    let Waiting {
                        mut service,
                        is_ready,
                        body,
                    } = waiting.take().expect("not polled after completion");
                    match outcome {
                        Ok(principal) => {
                            parts.extensions.insert(principal);
                            let request = Request::from_parts(parts, body);
                            if is_ready {
                                State::Calling {
                                    future: service.call(request),
                                }
                            } else {
                                let request = Some(request);
                                State::Preparing { service, request }
                            }
                        }
                        Err(rejection) => {
                            let Guard(api) = parts.extensions.get().expect("the service has set it");
                            let response = Some(reject(api, &rejection));
                            State::Responded { response }
                        }
                    }
                }
                StateOf::Preparing { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    let request = request.take().expect("not polled after completion");
                    State::Calling {
                        future: service.call(request),
                    }
                }
                StateOf::Calling { future } => return future.poll(cx),
                StateOf::Responded { response } => {
                    let response = response.take().expect("not polled after completion");
                    return Poll::Ready(Ok(response));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B, R> fmt::Debug for ProtectedFuture<S, B, R>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedFuture").finish_non_exhaustive()
    }
}
