//! The token endpoint: it finds the protocol of a request by the path.

mod answer;
mod app_service;
mod azd;
mod exchange;
mod imds;
mod sidecar;
mod wanted;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use self::exchange::Exchange;
use self::sidecar::Route;
use crate::access_key::AccessKey;
use crate::caller::Caller;
use crate::error::SetupError;
use crate::guard::Guard;
use crate::identity::Identities;
use crate::resources::AllowedResources;
use crate::serve::{Body, BoxError, Serve};
use crate::tokens::{Refusal, Tokens};

pub use self::sidecar::{AllowOverrides, DownstreamApi, Sidecar};

/// A token endpoint for programs on this machine. A clone is a handle to the same one.
///
/// It speaks the protocols that its builder enables. A path of no enabled protocol is `404`.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokens: Tokens,
    guard: Guard,
    app_service: Option<AccessKey>,
    imds: bool,
    azd: Option<AccessKey>,
    sidecar: Option<Sidecar>,
}

/// The settings of an [`Endpoint`].
#[derive(Debug)]
#[must_use]
pub struct EndpointBuilder(Inner);

impl EndpointBuilder {
    /// Enables the protocol of App Service at [`Endpoint::APP_SERVICE_PATH`], for clients that send
    /// this key as `X-IDENTITY-HEADER`.
    pub fn app_service(mut self, key: AccessKey) -> Self {
        self.0.app_service = Some(key);
        self
    }

    /// Enables the protocol of the instance metadata service, for clients with the address of the
    /// server in `AZURE_POD_IDENTITY_AUTHORITY_HOST`. It has no key: every program that reaches the
    /// server can use it.
    pub fn imds(mut self) -> Self {
        self.0.imds = true;
        self
    }

    /// Enables the protocol of the Azure Developer CLI at [`Endpoint::AZD_PATH`], for clients with
    /// this key in `AZD_AUTH_KEY` and the address of the server in `AZD_AUTH_ENDPOINT`.
    pub fn azd(mut self, key: AccessKey) -> Self {
        self.0.azd = Some(key);
        self
    }

    /// Enables the routes of Microsoft's authentication sidecar. They have no key, as those of the
    /// container: every program of this machine that reaches the server can use them.
    ///
    /// # Errors
    /// Returns an error if the scopes of an API are not among the allowed resources, or if it names
    /// an identity that does not exist.
    pub fn sidecar(mut self, sidecar: Sidecar) -> Result<Self, SetupError> {
        sidecar.check(&self.0.tokens)?;
        self.0.sidecar = Some(sidecar);
        Ok(self)
    }

    /// Lets requests name another tenant than that of the identity, where the protocol can.
    /// Otherwise they get no token: a program that may use one tenant of an application need not
    /// have the tokens of all.
    pub fn any_tenant(mut self) -> Self {
        self.0.tokens.any_tenant = true;
        self
    }

    /// Adds a name or an address, without a port, by which programs call this server. Requests
    /// whose `Host` is another one get no token. Loopback addresses and `localhost` are always
    /// known.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.0.guard.hosts.push(host.into());
        self
    }

    /// Allows callers on other machines. By default they get no token.
    ///
    /// Use it only if the network itself keeps others out, such as that of one pod: the protocols
    /// have no encryption, and some have no secret.
    pub fn remote_callers(mut self, allow: bool) -> Self {
        self.0.guard.remote = allow;
        self
    }

    /// Builds the endpoint.
    #[must_use]
    pub fn build(self) -> Endpoint {
        Endpoint(Arc::new(self.0))
    }
}

impl Endpoint {
    /// The path of the protocol of App Service: `IDENTITY_ENDPOINT` ends with it.
    pub const APP_SERVICE_PATH: &str = "/msi/token";

    /// The path that the Azure Developer CLI appends to `AZD_AUTH_ENDPOINT`.
    pub const AZD_PATH: &str = "/token";

    /// The path that clients append to `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    pub const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

    /// Returns a builder for the tokens of these identities for these APIs.
    pub fn builder(identities: Identities, resources: AllowedResources) -> EndpointBuilder {
        EndpointBuilder(Inner {
            tokens: Tokens {
                identities,
                resources,
                any_tenant: false,
            },
            guard: Guard::default(),
            app_service: None,
            imds: false,
            azd: None,
            sidecar: None,
        })
    }

    /// Responds to a request with its whole body.
    pub async fn respond(&self, request: &Request<Bytes>, caller: &Caller) -> Response<Bytes> {
        let inner = &*self.0;
        let Some(protocol) = inner.protocol(request.uri().path()) else {
            return of_status(StatusCode::NOT_FOUND);
        };
        let mut exchange = Exchange::new(request, caller, &inner.tokens);
        let trusted = match protocol.is_guarded() {
            true => inner.guard.check(request, caller),
            false => Ok(()),
        };
        let response = match trusted {
            Ok(()) => protocol.respond(&mut exchange).await,
            Err(refusal) => Err(refusal),
        };
        response.unwrap_or_else(|refusal| answer::with_headers_of(protocol.refuse(&refusal), &refusal))
    }
}

/// An enabled protocol with its settings.
enum Protocol<'a> {
    AppService(&'a AccessKey),
    Azd(&'a AccessKey),
    Imds,
    Sidecar(&'a Sidecar, Route),
}

impl Inner {
    /// Returns the protocol that has this path.
    fn protocol(&self, path: &str) -> Option<Protocol<'_>> {
        match path {
            "/msi/token" | "/msi/token/" => self.app_service.as_ref().map(Protocol::AppService),
            Endpoint::AZD_PATH => self.azd.as_ref().map(Protocol::Azd),
            _ if imds::is_path(path) => self.imds.then_some(Protocol::Imds),
            _ => {
                let sidecar = self.sidecar.as_ref()?;
                Route::of(path).map(|route| Protocol::Sidecar(sidecar, route))
            }
        }
    }
}

impl Protocol<'_> {
    /// Returns true if only programs of this machine may send the request. The probes of an
    /// orchestrator come from elsewhere, and learn nothing.
    fn is_guarded(&self) -> bool {
        !matches!(self, Self::Sidecar(_, Route::Health))
    }

    /// Responds to a request that the guard let through.
    async fn respond(&self, exchange: &mut Exchange<'_>) -> Result<Response<Bytes>, Refusal> {
        match self {
            Self::AppService(key) => app_service::respond(exchange, key).await,
            Self::Azd(key) => azd::respond(exchange, key).await,
            Self::Imds => imds::respond(exchange).await,
            Self::Sidecar(sidecar, route) => sidecar.respond(exchange, route).await,
        }
    }

    /// Returns a refusal in the form of this protocol.
    fn refuse(&self, refusal: &Refusal) -> Response<Bytes> {
        match self {
            Self::AppService(_) => app_service::refuse(refusal),
            Self::Azd(_) => azd::refuse(refusal),
            Self::Imds => imds::refuse(refusal),
            Self::Sidecar(..) => sidecar::refuse(refusal),
        }
    }
}

impl Serve for Endpoint {
    async fn serve(&self, request: Request<Incoming>, caller: &Caller) -> Response<Body> {
        let (head, body) = request.into_parts();
        let response = match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(body) => self.respond(&Request::from_parts(head, body.to_bytes()), caller).await,
            Err(error) if error.is::<http_body_util::LengthLimitError>() => of_status(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => of_status(StatusCode::BAD_REQUEST),
        };
        response.map(|body| Full::new(body).map_err(BoxError::from).boxed_unsync())
    }
}

/// Returns a response without a body.
fn of_status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// The length of the longest body of a request, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;
