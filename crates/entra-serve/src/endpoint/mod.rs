//! The token endpoint: it finds the protocol of a request by the path.

mod answer;
mod app_service;
mod azd;
mod imds;
mod wanted;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use crate::access_key::AccessKey;
use crate::caller::Caller;
use crate::identity::Identities;
use crate::resources::AllowedResources;
use crate::serve::{Body, BoxError, Serve};
use crate::tokens::Tokens;

/// A token endpoint for programs on this machine. A clone is a handle to the same one.
///
/// It speaks the protocols that its builder enables. A path of no enabled protocol is `404`.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokens: Tokens,
    app_service: Option<AccessKey>,
    imds: bool,
    azd: Option<AccessKey>,
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

    /// Lets requests name another tenant than that of the identity, where the protocol can.
    /// Otherwise they get no token: a program that may use one tenant of an application need not
    /// have the tokens of all.
    pub fn any_tenant(mut self) -> Self {
        self.0.tokens.any_tenant = true;
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
            app_service: None,
            imds: false,
            azd: None,
        })
    }

    /// Responds to a request with its whole body.
    pub async fn respond(&self, request: &Request<Bytes>, _caller: &Caller) -> Response<Bytes> {
        let inner = &*self.0;
        let tokens = &inner.tokens;
        let path = request.uri().path();
        match (&inner.app_service, &inner.azd) {
            (Some(key), _) if path == Self::APP_SERVICE_PATH => app_service::respond(request, key, tokens).await,
            (_, Some(key)) if path == Self::AZD_PATH => azd::respond(request, key, tokens).await,
            _ if inner.imds && imds::is_path(path) => imds::respond(request, tokens).await,
            _ => of_status(StatusCode::NOT_FOUND),
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
