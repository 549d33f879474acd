//! The layer for web APIs.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use entra_proto::Error;
use entra_proto::error::{Input, InputError};
use entra_validate::{ResourceMetadata, Validator};
use http::{Method, Request};
use tower_layer::Layer;

use crate::server::metadata::{Published, Unpublished};
use crate::server::protected::Protected;

/// A layer that passes on requests with a valid access token, and rejects all others.
///
/// The extensions of an accepted request hold its caller, as a
/// [`Principal`](entra_validate::Principal). The caller has one of the permissions of the
/// validator's [`Api`](entra_validate::Api). For those of a route, add
/// [`RequirePermissions`](crate::RequirePermissions).
///
/// The response to a rejected request follows RFC 6750: it has a `WWW-Authenticate` header and an
/// empty body. The reason is logged and not sent. See the [crate's
/// documentation](crate#web-apis) for the order of layers and for the response to each error.
///
/// ```
/// use entra_tower::RequireToken;
/// use entra_validate::{Api, Audience, Permissions, Principal, Tenants, Validator};
/// use http::{Request, Response, StatusCode};
/// use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = entra_transport::transport_fn(|_| async {
/// #     let empty = entra_transport::Body::default();
/// #     Ok(entra_transport::Response::new(empty))
/// # });
/// let app_id = "11112222-bbbb-3333-cccc-4444dddd5555".parse()?;
/// let tenant = Tenants::One("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?);
/// let permissions =
///     Permissions::any_of(["ToDoList.Read"], ["ToDoList.Read.All"])?;
/// let api = Api::new(Audience::app(app_id), tenant, permissions)?;
/// let validator = Validator::new(api, transport);
///
/// let handler = tower::service_fn(|request: Request<String>| async move {
///     let caller = request.extensions().get::<Principal>();
///     let caller = caller.expect("the layer has set it").object_id();
///     Ok::<_, std::convert::Infallible>(Response::new(caller.to_string()))
/// });
/// let service = RequireToken::new(validator).layer(handler);
/// let request = Request::get("/tasks").body(String::new())?;
/// let response = service.oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="""#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RequireToken<P = Unpublished> {
    pub(super) gate: Arc<Gate>,
    publish: P,
}

/// The rules for requests.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) validator: Validator,
    open_paths: BTreeSet<Box<str>>,
    guards_options: bool,
}

impl RequireToken {
    /// Creates a layer that validates tokens with `validator`. Clones, and the services that the
    /// layer makes, share the signing keys.
    #[must_use]
    pub fn new(validator: Validator) -> Self {
        let gate = Gate {
            validator,
            open_paths: BTreeSet::new(),
            guards_options: false,
        };
        Self {
            gate: Arc::new(gate),
            publish: Unpublished,
        }
    }

    /// Serves the metadata of the protected resource (RFC 9728) to all clients, at the address that
    /// follows from the resource. For `https://api.contoso.com/mcp` it is
    /// `/.well-known/oauth-protected-resource/mcp`.
    ///
    /// The responses to rejected requests name that address if
    /// [`Api::with_resource_metadata`](entra_validate::Api::with_resource_metadata) has set it. In
    /// axum, put this layer around the whole router and its fallback: a layer of one route sees no
    /// other path.
    ///
    /// # Errors
    /// Returns an error if the resource is not a URL, or if the API's challenges name another
    /// address than the one that follows from the resource.
    pub fn publish(self, metadata: &ResourceMetadata) -> Result<RequireToken<Published>, Error> {
        let publish = Published::new(metadata)?;
        match self.gate.validator.api().resource_metadata() {
            Some(named) if named != publish.url() => Err(InputError::new(
                Input::Other("resource metadata"),
                format!("is served at {}, and challenges name {named}", publish.url()),
            )
            .with_hint("pass the first address to Api::with_resource_metadata")
            .into()),
            _ => Ok(RequireToken {
                gate: self.gate,
                publish,
            }),
        }
    }
}

impl<P> RequireToken<P> {
    /// Passes on requests for this path without a token, for example for a probe such as
    /// `/healthz`.
    ///
    /// The path is compared exactly, as the layer sees it: axum's `nest` removes the prefix. A
    /// token of such a request is ignored, and the request has no principal.
    ///
    /// # Errors
    /// Returns an error if the path does not begin with `/`, or has a query or a wildcard.
    pub fn with_open_path(mut self, path: &str) -> Result<Self, Error> {
        if !path.starts_with('/') || path.contains(['?', '#', '*', '{']) {
            return Err(InputError::new(Input::Other("open path"), "is not an exact path")
                .with_hint("write it as /healthz, without query and wildcards")
                .into());
        }
        Arc::make_mut(&mut self.gate).open_paths.insert(path.into());
        Ok(self)
    }

    /// Requires a token in `OPTIONS` requests as well. They pass without one by default, because
    /// browsers send preflights without a token.
    ///
    /// Use it if a CORS layer outside of this one responds to preflights, or if no browser calls.
    /// Without it, a handler that serves every method serves `OPTIONS` to all clients, unless it
    /// has a `Caller`. The permissions layer passes such requests on.
    #[must_use]
    pub fn with_guarded_options(mut self) -> Self {
        Arc::make_mut(&mut self.gate).guards_options = true;
        self
    }
}

impl Gate {
    /// Returns true if a request passes without a token: CORS preflights never have one.
    pub(super) fn is_open<B>(&self, request: &Request<B>) -> bool {
        let is_preflight = request.method() == Method::OPTIONS && !self.guards_options;
        is_preflight || self.open_paths.contains(request.uri().path())
    }
}

impl<S, P: Clone> Layer<S> for RequireToken<P> {
    type Service = Protected<S, P>;

    fn layer(&self, inner: S) -> Protected<S, P> {
        Protected::new(inner, Arc::clone(&self.gate), self.publish.clone())
    }
}

impl<P> fmt::Debug for RequireToken<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireToken")
            .field("api", self.gate.validator.api())
            .field("open_paths", &self.gate.open_paths)
            .finish_non_exhaustive()
    }
}
