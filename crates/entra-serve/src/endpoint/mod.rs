//! The token endpoint: it finds the protocol of a request by the path.

mod answer;
mod app_service;
mod azd;
mod event;
mod exchange;
mod imds;
mod protocol;
mod sidecar;
mod wanted;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use entra_client::observer::Counters;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use self::event::Event;
use self::exchange::Exchange;
use self::protocol::Protocols;
use crate::access_key::AccessKey;
use crate::caller::Caller;
use crate::error::SetupError;
use crate::identity::Identities;
use crate::metrics::{Metrics, TokenTimes};
use crate::outcome::{Outcome, ProtocolName};
use crate::resources::AllowedResources;
use crate::serve::{Body, BoxError, Serve};
use crate::tokens::{Refusal, Tokens};

pub use self::sidecar::{AllowOverrides, DownstreamApi, Sidecar};

/// A token endpoint for programs on this machine. A clone is a handle to the same one.
///
/// It speaks the protocols that its builder enables. A path of no enabled protocol is `404`. `GET
/// /healthz` is `200`, for everyone.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: ArcSwap<State>,
    metrics: Metrics,
}

/// The identities, the APIs and the protocols. A request keeps to those that it began with.
#[derive(Debug)]
struct State {
    tokens: Tokens,
    times: Arc<TokenTimes>,
    protocols: Protocols,
}

/// The settings of an [`Endpoint`].
#[derive(Debug)]
#[must_use]
pub struct EndpointBuilder {
    tokens: Tokens,
    protocols: Protocols,
    counters: Option<Arc<Counters>>,
}

impl EndpointBuilder {
    /// Enables the protocol of App Service at [`Endpoint::APP_SERVICE_PATH`], for clients that send
    /// this key as `X-IDENTITY-HEADER`.
    pub fn app_service(mut self, key: AccessKey) -> Self {
        self.protocols.app_service = Some(key);
        self
    }

    /// Enables the protocol of the instance metadata service, for clients with the address of the
    /// server in `AZURE_POD_IDENTITY_AUTHORITY_HOST`. It has no key: see
    /// [`any_user`](Self::any_user).
    pub fn imds(mut self) -> Self {
        self.protocols.imds = true;
        self
    }

    /// Enables the protocol of the Azure Developer CLI at [`Endpoint::AZD_PATH`], for clients with
    /// this key in `AZD_AUTH_KEY` and the address of the server in `AZD_AUTH_ENDPOINT`.
    pub fn azd(mut self, key: AccessKey) -> Self {
        self.protocols.azd = Some(key);
        self
    }

    /// Enables the routes of Microsoft's authentication sidecar. They have no key, as those of the
    /// container: see [`any_user`](Self::any_user).
    ///
    /// # Errors
    /// Returns an error if the scopes of an API are not among the allowed resources, or if it names
    /// an identity that does not exist.
    pub fn sidecar(mut self, sidecar: Sidecar) -> Result<Self, SetupError> {
        sidecar.check(&self.tokens)?;
        self.protocols.sidecar = Some(sidecar);
        Ok(self)
    }

    /// Lets requests name another tenant than that of the identity, where the protocol can.
    /// Otherwise they get no token: a program that may use one tenant of an application need not
    /// have the tokens of all.
    pub fn any_tenant(mut self) -> Self {
        self.tokens.any_tenant = true;
        self
    }

    /// Adds a name or an address, without a port, by which programs call this server. Requests
    /// whose `Host` is another one get no token. Loopback addresses and `localhost` are always
    /// known.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.protocols.guard.hosts.push(host.into());
        self
    }

    /// Allows callers on other machines. By default they get no token.
    ///
    /// Use it only if the network itself keeps others out, such as that of one pod: the protocols
    /// have no encryption, and some have no secret.
    pub fn remote_callers(mut self, allow: bool) -> Self {
        self.protocols.guard.remote = allow;
        self
    }

    /// Gives tokens to programs of all users of this machine by the protocols without a key: that
    /// of instance metadata and the sidecar's.
    ///
    /// By default, on Linux, only programs of the same user and of root get them by these, and only
    /// if [`Server`](crate::Server) has found the process. Elsewhere the system does not tell.
    pub fn any_user(mut self) -> Self {
        self.protocols.guard.any_user = true;
        self
    }

    /// Shows the counters of the clients in the metrics. Give the same ones to each client as its
    /// observer.
    pub fn counters(mut self, counters: Arc<Counters>) -> Self {
        self.counters = Some(counters);
        self
    }

    /// Builds the endpoint.
    #[must_use]
    pub fn build(self) -> Endpoint {
        let metrics = Metrics::default();
        Endpoint(Arc::new(Shared {
            state: self.state(&metrics).into(),
            metrics,
        }))
    }

    fn state(self, metrics: &Metrics) -> Arc<State> {
        let times = TokenTimes::new(&self.tokens.identities, &self.tokens.resources, self.counters);
        metrics.set_tokens(Arc::clone(&times));
        Arc::new(State {
            tokens: self.tokens,
            times,
            protocols: self.protocols,
        })
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
        EndpointBuilder {
            tokens: Tokens {
                identities,
                resources,
                any_tenant: false,
            },
            protocols: Protocols::default(),
            counters: None,
        }
    }

    /// Replaces the identities, the APIs, the protocols and the keys, for example when a
    /// configuration file has changed. Connections stay open; requests in progress end with the old
    /// settings.
    ///
    /// Build the settings with the same [`AccessKey`], or running clients are locked out.
    pub fn replace(&self, settings: EndpointBuilder) {
        self.0.state.store(settings.state(&self.0.metrics));
    }

    /// Returns its counters.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.0.metrics.clone()
    }

    /// Responds to a request with its whole body.
    pub async fn respond(&self, request: &Request<Bytes>, caller: &Caller) -> Response<Bytes> {
        self.respond_to(request, caller, None).await
    }

    /// Responds to a request, which may have a body that cannot be read.
    async fn respond_to(
        &self,
        request: &Request<Bytes>,
        caller: &Caller,
        wrong_body: Option<Refusal>,
    ) -> Response<Bytes> {
        let start = Instant::now();
        let state = self.0.state.load_full();
        let Some(protocol) = state.protocols.find(request.uri().path()) else {
            return self.without_protocol(request, caller, start);
        };
        let name = protocol.name();
        let mut exchange = Exchange::new(request, caller, &state.tokens);
        let checked = state.protocols.check(&protocol, request, caller);
        let responded = match (checked, wrong_body) {
            (Ok(()), None) => match protocol.check_user(&state.protocols.guard, caller).await {
                Ok(()) => protocol.respond(&mut exchange).await,
                Err(refusal) => Err(refusal),
            },
            (Err(refusal), _) | (Ok(()), Some(refusal)) => Err(refusal),
        };
        let outcome = match &responded {
            Ok(response) => exchange.outcome(response.status(), &state.times),
            Err(refusal) => refusal.into(),
        };
        self.0.metrics.request(name, outcome);
        if Event::is_enabled() {
            let event = Event::new(name, request, outcome, start).with_notes(&exchange);
            match &responded {
                Ok(_) => event.log(caller),
                Err(refusal) => event.with_refusal(refusal).log(caller),
            }
        }
        responded.unwrap_or_else(|refusal| answer::with_headers_of(protocol.refuse(&refusal), &refusal))
    }

    /// Responds to a request with a path of no enabled protocol.
    fn without_protocol(&self, request: &Request<Bytes>, caller: &Caller, start: Instant) -> Response<Bytes> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if request.uri().path() == HEALTH_PATH && is_read {
            self.0.metrics.request(ProtocolName::Health, Outcome::Done);
            return Response::new(Bytes::from_static(b"Healthy"));
        }
        self.0.metrics.request(ProtocolName::None, Outcome::NotFound);
        if Event::is_enabled() {
            Event::new(ProtocolName::None, request, Outcome::NotFound, start).log(caller);
        }
        of_status(StatusCode::NOT_FOUND)
    }

    /// Returns the length of the longest body of a request that is read, in bytes. It is 0 for a
    /// request that its head alone decides.
    fn longest_body(&self, head: &Request<()>, caller: &Caller) -> usize {
        let state = self.0.state.load();
        match state.protocols.find(head.uri().path()) {
            Some(protocol) if state.protocols.check(&protocol, head, caller).is_ok() => protocol.longest_body(),
            _ => 0,
        }
    }
}

impl Serve for Endpoint {
    async fn serve(&self, request: Request<Incoming>, caller: &Caller) -> Response<Body> {
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let limit = if body.is_end_stream() {
            0
        } else {
            self.longest_body(&head, caller)
        };
        let body = if limit == 0 {
            Ok(Bytes::new())
        } else {
            read(body, limit, caller).await
        };
        let (body, wrong) = match body {
            Ok(body) => (body, None),
            Err(refusal) => (Bytes::new(), Some(refusal)),
        };
        let response = self.respond_to(&head.map(|()| body), caller, wrong).await;
        response.map(|body| Full::new(body).map_err(BoxError::from).boxed_unsync())
    }
}

/// Reads the body of a request. The server limits the time.
async fn read(body: Incoming, limit: usize, caller: &Caller) -> Result<Bytes, Refusal> {
    let _waiting = caller.awaits_body();
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLong),
        Err(_) => Err(Refusal::Malformed("the body of the request was cut off".into())),
    }
}

/// Returns a response without a body.
fn of_status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

const HEALTH_PATH: &str = "/healthz";
