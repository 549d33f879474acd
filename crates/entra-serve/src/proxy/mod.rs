//! A reverse proxy that adds the token.

mod activity;
mod body;
mod headers;
mod problem;
mod rules;
mod upgrade;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entra_client::TokenSource;
use entra_proto::endpoint::Origin;
use entra_proto::error::printable;
use entra_tower::{Bearer, BearerLayer, CopyBody, OriginError};
use entra_transport_hyper::Connector;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;

use self::activity::Activity;
use self::body::{Moving, RequestBody};
use self::problem::{Code, Problem};
use self::rules::Rules;
use self::upgrade::{MOST_UPGRADES, Upgrade};
use crate::access_key::AccessKey;
use crate::caller::Caller;
use crate::error::SetupError;
use crate::serve::{Body, Serve};

/// A reverse proxy for one API that adds the token to each request, for programs that read a token
/// once or cannot get one. A clone is a handle to the same one.
///
/// - Requests go to the path that they name at the origin of the API, and nowhere else: the target
///   of a request is a path. `Host` becomes that of the API, and credentials of the client are
///   removed.
/// - If the API rejects the token (`401`), the request is sent again with a newer one, or with the
///   claims that the API requires: see [`BearerLayer`]. This is for bodies of a known length up to
///   64 KiB. After a longer body, or one of unknown length, the client gets the `401`, and the
///   next request has another token.
/// - Bodies and trailers are passed on as they come, in both directions, by HTTP/1.1 and HTTP/2.
///   If the client goes away, the request to the API ends; if the API goes away, the client sees a
///   body that is cut off. Upgrades of HTTP/1.1 (WebSocket) are passed on.
/// - Redirects are passed on and never followed. A URL of the API in `Location`,
///   `Content-Location`, `Operation-Location` and `Azure-AsyncOperation` becomes one of the proxy.
///   URLs in bodies remain as they are, and so does the `Domain` of cookies.
/// - Errors of the proxy itself are `application/problem+json` with the header
///   `Entra-Proxy-Error`, which is removed from responses of the API.
///
/// By default only programs of this machine that the same user or root runs may use it. Only Linux
/// tells the user of a TCP connection: elsewhere all users of the machine may, unless the proxy
/// requires a [key](ProxyBuilder::require_key) or has a Unix socket. Requests of web pages, and those
/// that another proxy forwards, are rejected.
///
/// ```
/// use entra_client::Client;
/// use entra_proto::Target;
/// use entra_serve::{Limits, Listener, Proxy, Server, SetupError};
/// use entra_transport_hyper::{Connector, HyperTransport};
///
/// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let graph = client.source(&Target::resource("https://graph.microsoft.com")?)?;
/// let connector = Connector::new(&HyperTransport::builder().settings()?)?;
/// let origin = "https://graph.microsoft.com";
/// let proxy = Proxy::builder(graph, origin, connector)?.build();
/// let listeners = Listener::loopback(8080).await?;
/// let server = Server::new(listeners, Limits::default());
/// server.run(proxy, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    origin: Origin,
    scheme: Scheme,
    authority: Authority,
    rules: Rules,
    idle: Duration,
    /// Sends requests by HTTP/2 or HTTP/1.1, as the API chooses.
    api: Api,
    /// Sends requests for another protocol, which only HTTP/1.1 can.
    upgradable: Api,
    upgrades: Arc<Semaphore>,
}

type Client = legacy::Client<Connector, RequestBody>;
type Api = Bearer<Client, CopyBody<fn(&RequestBody) -> Option<RequestBody>>>;

/// The settings of a [`Proxy`].
#[must_use]
pub struct ProxyBuilder {
    source: TokenSource,
    origin: Origin,
    connector: Connector,
    rules: Rules,
    idle: Duration,
}

impl Proxy {
    /// Returns a builder for a proxy to this origin, such as `https://graph.microsoft.com`, with the
    /// tokens of a source. `connector` opens the connections.
    ///
    /// # Errors
    /// Returns an error if the origin is invalid, has a path, or is plain `http` to another machine
    /// than this one.
    pub fn builder(source: TokenSource, origin: &str, connector: Connector) -> Result<ProxyBuilder, SetupError> {
        let parsed = origin.parse().map_err(OriginError::Invalid);
        let parsed: Origin = parsed.map_err(|error| wrong_origin(&error))?;
        // The layer decides which origins are safe.
        BearerLayer::new(source.clone(), [parsed.as_str()]).map_err(|error| wrong_origin(&error))?;
        Ok(ProxyBuilder {
            source,
            origin: parsed,
            connector,
            rules: Rules::default(),
            idle: IDLE,
        })
    }

    /// Passes a request on, and returns the response.
    async fn pass(&self, request: Request<Incoming>, caller: &Caller) -> Result<Response<Body>, Problem> {
        let inner = &*self.0;
        inner.rules.check(&request, caller).await?;
        let mut request = request;
        let upgrade = Upgrade::take(&mut request, &inner.upgrades)?;
        let activity = Activity::new(inner.idle);
        let (head, body) = request.into_parts();
        let own = own_authority(&head).unwrap_or_default();
        let body = match &upgrade {
            Some(_) if body.is_end_stream() => RequestBody::empty(),
            _ => RequestBody::read(body, &activity, caller)
                .await
                .map_err(|_| Problem::new(Code::BadRequest, "the body of the request was cut off or malformed"))?,
        };
        let mut request = inner.request(head, body)?;
        let api = match &upgrade {
            Some(upgrade) => {
                upgrade.add_to(request.headers_mut());
                &inner.upgradable
            }
            None => &inner.api,
        };
        let sent = activity
            .limit(send(api.clone(), request))
            .await
            .ok_or_else(Problem::idle)?;
        let mut response = sent.map_err(|error| Problem::of_bearer(&error, &inner.origin))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(upgrade) = upgrade else {
                return Err(Problem::new(
                    Code::BadResponse,
                    "the API changed to a protocol that was not requested",
                ));
            };
            upgrade.connect(hyper::upgrade::on(&mut response), activity.clone());
            return inner.switched(response, &own, activity);
        }
        inner.response(response, &own, activity)
    }
}

fn wrong_origin(error: &OriginError) -> SetupError {
    SetupError::new(
        format!("the origin of the API cannot be used: {error}"),
        "name it as https://graph.microsoft.com, without a path; plain http is only for this machine",
    )
}

async fn send(mut api: Api, request: Request<RequestBody>) -> Result<Response<Incoming>, entra_tower::BearerError> {
    poll_fn(|cx| api.poll_ready(cx)).await?;
    api.call(request).await
}

/// Returns the host and port by which the client calls the proxy.
fn own_authority(head: &Parts) -> Option<String> {
    let authority = head.uri.authority().map(Authority::as_str);
    let host = || head.headers.get(HOST)?.to_str().ok();
    authority.or_else(host).map(str::to_owned)
}

impl Inner {
    /// Returns the request to the API.
    fn request(&self, head: Parts, body: RequestBody) -> Result<Request<RequestBody>, Problem> {
        let mut target = http::uri::Parts::default();
        target.scheme = Some(self.scheme.clone());
        target.authority = Some(self.authority.clone());
        target.path_and_query = head.uri.path_and_query().cloned();
        let uri = Uri::from_parts(target).map_err(|error| Problem::new(Code::BadRequest, error.to_string()))?;
        let mut headers = head.headers;
        headers::prepare_request(&mut headers)?;
        // hyper takes a body of unknown length for none in requests with these methods.
        if [Method::GET, Method::HEAD].contains(&head.method) && body.size_hint().exact().is_none() {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = uri;
        // The connection decides about HTTP/2.
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Returns the response to the client.
    fn response(&self, response: Response<Incoming>, own: &str, activity: Activity) -> Result<Response<Body>, Problem> {
        let (head, body) = response.into_parts();
        let mut passed = Response::new(Moving::new(body, activity).boxed_unsync());
        *passed.status_mut() = head.status;
        *passed.headers_mut() = head.headers;
        headers::prepare_response(passed.headers_mut(), &self.origin, own)?;
        passed.headers_mut().remove(problem::ERROR_HEADER);
        Ok(passed)
    }

    /// Returns the response that changes the protocol of the client's connection.
    fn switched(&self, response: Response<Incoming>, own: &str, activity: Activity) -> Result<Response<Body>, Problem> {
        let protocol = response.headers().get(UPGRADE).cloned();
        let mut passed = self.response(response, own, activity)?;
        let headers = passed.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
        Ok(passed)
    }
}

impl Serve for Proxy {
    const STREAMS: bool = true;

    async fn serve(&self, request: Request<Incoming>, caller: &Caller) -> Response<Body> {
        let start = Instant::now();
        // The query may contain a secret, such as a signature.
        let (method, path) = (shown(request.method().as_str()), shown(request.uri().path()));
        let outcome = self.pass(request, caller).await;
        let (status, error) = match &outcome {
            Ok(response) => (Some(response.status().as_u16()), None),
            Err(problem) => (None, Some(problem.code.as_str())),
        };
        let reason = outcome.as_ref().err().map(|problem| shown(&problem.detail));
        let duration_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        caller.once_known(move |caller| {
            let outcome = error.unwrap_or("passed");
            tracing::info!(
                target: "entra_serve",
                %caller, protocol = "proxy", method, path, outcome, status, reason, duration_us, "request"
            );
        });
        outcome.unwrap_or_else(Problem::into_response)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("origin", &self.0.origin)
            .field("rules", &self.0.rules)
            .field("idle", &self.0.idle)
            .finish_non_exhaustive()
    }
}

impl ProxyBuilder {
    /// Requires this key of each client: as the header `X-Entra-Proxy-Key`, as a bearer token, or
    /// as the password of a URL (`http://entra:KEY@127.0.0.1:8080`).
    pub fn require_key(mut self, key: AccessKey) -> Self {
        self.rules.key = Some(key);
        self
    }

    /// Allows programs of all users of this machine. With a key, they may use the proxy anyway.
    pub fn any_user(mut self) -> Self {
        self.rules.guard.any_user = true;
        self
    }

    /// Allows the web pages of an origin, such as `http://localhost:3000`. The proxy adds no CORS
    /// headers of its own.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.rules.guard.origins.push(origin.into());
        self
    }

    /// Adds a name or an address, without a port, by which programs call the proxy, beside
    /// `localhost` and loopback addresses.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.rules.guard.hosts.push(host.into());
        self
    }

    /// Allows callers on other machines. Require a key then: every request that the proxy passes on
    /// has the rights of the identity. The requests are not encrypted.
    pub fn remote_callers(mut self, allow: bool) -> Self {
        self.rules.guard.remote = allow;
        self
    }

    /// Sets the time after which an exchange ends in which no byte moves: 30 minutes by default.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Builds the proxy.
    ///
    /// # Panics
    /// Never: [`Proxy::builder`] checked the origin.
    #[must_use]
    pub fn build(self) -> Proxy {
        let text = self.origin.as_str();
        let uri: Uri = text.parse().expect("an origin is a URI");
        let (scheme, authority) = (uri.scheme().cloned(), uri.authority().cloned());
        let layer = BearerLayer::new(self.source, [text])
            .expect("the builder checked it")
            .replay_with(RequestBody::copy as fn(&RequestBody) -> Option<RequestBody>);
        Proxy(Arc::new(Inner {
            scheme: scheme.expect("an origin has a scheme"),
            authority: authority.expect("an origin has an authority"),
            origin: self.origin,
            rules: self.rules,
            idle: self.idle,
            upgradable: layer.layer(client(self.connector.clone())),
            api: layer.layer(client(self.connector.with_http2())),
            upgrades: Arc::new(Semaphore::new(MOST_UPGRADES)),
        }))
    }
}

impl fmt::Debug for ProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBuilder")
            .field("origin", &self.origin)
            .field("rules", &self.rules)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// Returns a text from outside, escaped and cut.
fn shown(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST_TEXT).map(|(end, _)| end);
    printable(&text[..end.unwrap_or(text.len())])
}

fn client(connector: Connector) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .http1_max_buf_size(LONGEST_HEAD)
        .http2_max_header_list_size(64 * 1024)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .build(connector)
}

/// The longest text in a log event.
const LONGEST_TEXT: usize = 500;

/// The header with the key of the proxy.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-entra-proxy-key");

/// The default time after which an exchange ends in which no byte moves.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// The time after which an unused connection is closed. The front ends of APIs close it later.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// The interval of the pings on connections of HTTP/2, which find out that the API is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The longest head of a response, in bytes. hyper also reads a fast connection in chunks of this
/// size.
const LONGEST_HEAD: usize = 64 * 1024;
