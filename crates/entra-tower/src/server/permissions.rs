//! The layer for the permissions of one route.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use entra_validate::{Permissions, Principal, Rejection};
use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::server::{Guard, reject, unguarded};

/// A layer that requires permissions for one route: any of these scopes for users, or any of these
/// roles for applications.
///
/// It goes inside of [`RequireToken`](crate::RequireToken), which has validated the token, and
/// costs a comparison of names. The caller has passed the permissions of the API before, so give
/// the API [`Permissions::any_granted`](entra_validate::Permissions::any_granted) if each route has
/// its own.
///
/// A request without a caller is rejected: with status 500 if there is no `RequireToken` around the
/// layer, and with status 401 if the path is open.
///
/// ```
/// use entra_tower::RequirePermissions;
/// use entra_validate::Permissions;
///
/// let read = RequirePermissions::any_of(
///     ["ToDoList.Read", "ToDoList.ReadWrite"],
///     ["ToDoList.Read.All"],
/// )?;
/// let write = RequirePermissions::any_of(
///     ["ToDoList.ReadWrite"],
///     ["ToDoList.ReadWrite.All"],
/// )?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequirePermissions {
    permissions: Permissions,
}

impl RequirePermissions {
    /// Creates a layer that requires these permissions.
    #[must_use]
    pub fn new(permissions: Permissions) -> Self {
        Self { permissions }
    }

    /// Creates a layer that requires one of these scopes of users, and one of these roles of
    /// applications.
    ///
    /// # Errors
    /// Returns an error as [`Permissions::any_of`](entra_validate::Permissions::any_of) does, for
    /// example if there is neither a scope nor a role.
    pub fn any_of(
        scopes: impl IntoIterator<Item = impl AsRef<str>>,
        roles: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, entra_proto::Error> {
        Permissions::any_of(scopes, roles).map(Self::new)
    }
}

impl<S> Layer<S> for RequirePermissions {
    type Service = Permitted<S>;

    fn layer(&self, inner: S) -> Permitted<S> {
        Permitted {
            inner,
            permissions: self.permissions.clone(),
        }
    }
}

/// A service for callers with permissions: made by [`RequirePermissions`].
#[derive(Clone, Debug)]
pub struct Permitted<S> {
    inner: S,
    permissions: Permissions,
}

impl<S, B, R> Service<Request<B>> for Permitted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = PermittedFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> PermittedFuture<S::Future, R> {
        let extensions = request.extensions();
        let rejected = match (extensions.get::<Guard>(), extensions.get::<Principal>()) {
            (None, _) => Some(unguarded("RequirePermissions")),
            // A preflight checks whether a browser may send the request, which will have a token.
            (Some(_), None) if request.method() == Method::OPTIONS => None,
            (Some(Guard(api)), None) => Some(reject(api, &Rejection::NoToken)),
            (Some(Guard(api)), Some(principal)) => {
                let checked = self.permissions.check(principal);
                checked.err().map(|rejection| reject(api, &rejection))
            }
        };
        let state = match rejected {
            None => State::Calling {
                future: self.inner.call(request),
            },
            response => State::Rejected { response },
        };
        PermittedFuture { state }
    }
}

pin_project! {
    /// The future of a response of a [`Permitted`] service.
    pub struct PermittedFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateOf]
    enum State<F, R> {
        Calling {
            #[pin]
            future: F,
        },
        Rejected {
            response: Option<Response<R>>,
        },
    }
}

impl<F, R, E> Future for PermittedFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            StateOf::Calling { future } => future.poll(cx),
            StateOf::Rejected { response } => Poll::Ready(Ok(response.take().expect("not polled after completion"))),
        }
    }
}

impl<F, R> fmt::Debug for PermittedFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermittedFuture").finish_non_exhaustive()
    }
}
