//! The layer.

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

/// A layer that lets requests with a valid access token pass, and rejects all others.
///
/// The caller of a request that passes is among its extensions, as [`Principal`](entra_validate::Principal). The caller has one of the
/// permissions of the validator's [`Api`](entra_validate::Api); [`RequirePermissions`](crate::RequirePermissions) asks for those of a
/// route. A rejected request gets the response of RFC 6750 with a `WWW-Authenticate` header and an empty body. The reason is logged
/// and not sent. See the [crate's documentation](crate#at-a-web-api) for the order of layers and for what fails how.
///
/// ```
/// use entra_tower::RequireToken;
/// use entra_validate::{Api, Audience, Permissions, Principal, Tenants, Validator};
/// use http::{Request, Response, StatusCode};
/// use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = entra_transport::transport_fn(|_| async { Ok(entra_transport::Response::new(entra_transport::Body::default())) });
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let tenant = Tenants::One("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?);
/// let permissions = Permissions::any_of(["ToDoList.Read"], ["ToDoList.Read.All"])?;
/// let validator = Validator::new(Api::new(audience, tenant, permissions)?, transport); // over entra-transport-hyper, say
///
/// let service = RequireToken::new(validator).layer(tower::service_fn(|request: Request<String>| async move {
///     let caller = request.extensions().get::<Principal>().expect("the layer is around it");
///     Ok::<_, std::convert::Infallible>(Response::new(caller.object_id().to_string()))
/// }));
/// let response = service.oneshot(Request::get("/tasks").body(String::new())?).await?;
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

/// What decides about requests.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) validator: Validator,
    open_paths: BTreeSet<Box<str>>,
    guards_options: bool,
}

impl RequireToken {
    /// A layer whose tokens `validator` validates. Layers and services that are made of it share the signing keys.
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

    /// Serves the metadata of the protected resource (RFC 9728) to everyone, at the address that follows from the resource: for
    /// `https://api.contoso.com/mcp` it is `/.well-known/oauth-protected-resource/mcp`.
    ///
    /// The responses to rejected requests name that address if [`Api::with_resource_metadata`](entra_validate::Api::with_resource_metadata)
    /// has set it. In axum, put this layer around the whole router and its fallback: a layer of one route sees no other path.
    ///
    /// # Errors
    /// Returns an error if the resource is no URL, or if the API's challenges name another address than the one that follows from it.
    pub fn publish(self, metadata: &ResourceMetadata) -> Result<RequireToken<Published>, Error> {
        let publish = Published::new(metadata)?;
        match self.gate.validator.api().resource_metadata() {
            Some(named) if named != publish.url() => Err(InputError::new(
                Input::Other("resource metadata"),
                format!("is served at {}, and challenges name {named}", publish.url()),
            )
            .with_hint("pass the first to Api::with_resource_metadata")
            .into()),
            _ => Ok(RequireToken {
                gate: self.gate,
                publish,
            }),
        }
    }
}

impl<P> RequireToken<P> {
    /// Lets requests for this path pass without a token: a probe such as `/healthz`. The path is compared exactly, as the layer sees
    /// it: axum's `nest` takes the prefix off.
    ///
    /// A token that comes along is not looked at, and there is no principal.
    ///
    /// # Errors
    /// Returns an error if it is not a path that begins with `/`, or has a query.
    pub fn with_open_path(mut self, path: &str) -> Result<Self, Error> {
        if !path.starts_with('/') || path.contains(['?', '#', '*', '{']) {
            return Err(InputError::new(Input::Other("open path"), "is not an exact path")
                .with_hint("write it as /healthz, without query and wildcards")
                .into());
        }
        Arc::make_mut(&mut self.gate).open_paths.insert(path.into());
        Ok(self)
    }

    /// Asks for a token in `OPTIONS` requests as well, which pass without one by default: browsers send preflights so.
    ///
    /// Set it where a CORS layer outside of this one answers the preflights, or where no browser calls. Without it, a handler that serves
    /// every method serves `OPTIONS` to everyone, unless it asks for its `Caller`. The layer of the permissions lets such requests pass.
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
