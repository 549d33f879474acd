//! A proxy in front of an API that the test writes, and requests as bytes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, ClientSecret, Target};
use entra_serve::{Limits, Listener, Proxy, ProxyBuilder, Server};
use entra_transport::{Body, transport_fn};
use entra_transport_hyper::{Connector, HyperTransport};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

pub(super) type ApiBody = BoxBody<Bytes, io::Error>;

/// A running proxy. It stops when this is dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) tokens: Tokens,
    _stop: oneshot::Sender<()>,
}

/// A token service that issues `t1`, `t2` and so on, and records what it was asked for.
#[derive(Clone, Default)]
pub(super) struct Tokens {
    requests: Arc<Mutex<Vec<String>>>,
    /// The response in place of a token.
    pub(super) failure: Arc<Mutex<Option<(u16, &'static str)>>>,
    pub(super) lifetime: Option<u32>,
}

impl Tokens {
    /// Returns the bodies of the token requests, decoded enough to read.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn source(&self) -> entra_client::TokenSource {
        let target = Target::resource("https://api.example").unwrap();
        self.client().source(&target).unwrap()
    }

    fn client(&self) -> Client {
        let this = self.clone();
        let transport = transport_fn(move |request| {
            let mut requests = this.requests.lock().unwrap();
            let body = String::from_utf8_lossy(request.body().as_bytes()).into_owned();
            requests.push(body.replace("%22", "\"").replace("%3A", ":"));
            let number = requests.len();
            let mut response;
            if let Some((status, body)) = *this.failure.lock().unwrap() {
                response = Response::new(Body::from(body.to_owned()));
                *response.status_mut() = status.try_into().unwrap();
            } else {
                let lifetime = this.lifetime.unwrap_or(3599);
                let body = format!(r#"{{"access_token":"t{number}","expires_in":{lifetime},"token_type":"Bearer"}}"#);
                response = Response::new(Body::from(body));
            }
            async { Ok(response) }
        });
        let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
        let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
        let secret = ClientSecret::new("s3cret").unwrap();
        let app = Application::new(authority.parse().unwrap(), client_id, secret).with_capabilities(&["cp1"]);
        Client::new(app, transport)
    }
}

impl Running {
    /// Starts a proxy to the API at this address.
    pub(super) async fn start(api: SocketAddr) -> Self {
        Self::with(api, Tokens::default(), |proxy| proxy).await
    }

    /// Starts a proxy with further settings.
    pub(super) async fn with(
        api: SocketAddr,
        tokens: Tokens,
        settings: impl FnOnce(ProxyBuilder) -> ProxyBuilder,
    ) -> Self {
        let connector = HyperTransport::builder().allow_plain_loopback(true);
        let connector = Connector::new(&connector.settings().unwrap()).unwrap();
        Self::over(&format!("http://{api}"), connector, tokens, settings).await
    }

    /// Starts a proxy to this origin over a connector.
    pub(super) async fn over(
        origin: &str,
        connector: Connector,
        tokens: Tokens,
        settings: impl FnOnce(ProxyBuilder) -> ProxyBuilder,
    ) -> Self {
        let proxy = settings(Proxy::builder(tokens.source(), origin, connector).unwrap()).build();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(vec![listener], Limits::default());
        tokio::spawn(server.run(proxy, async { drop(stopped.await) }));
        Self {
            address,
            tokens,
            _stop: stop,
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends the bytes of a request with `Connection: close`, and returns the response.
    pub(super) async fn send(&self, request: impl AsRef<[u8]>) -> Received {
        let mut stream = self.connect().await;
        // The proxy may respond and close before it has read everything.
        let _ = stream.write_all(request.as_ref()).await;
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all);
        let end = tokio::time::timeout(PATIENCE, end).await.expect("the connection ends");
        drop(end);
        Received::parse(&all)
    }

    pub(super) async fn get(&self, path: &str) -> Received {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        ))
        .await
    }
}

/// A response as bytes.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: HashMap<String, String>,
    /// The body with its chunks as they were sent.
    pub(super) body: String,
}

impl Received {
    fn parse(all: &[u8]) -> Self {
        let text = String::from_utf8_lossy(all);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or(0),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// Returns the kind of the error of the proxy, if it is one.
    pub(super) fn error(&self) -> Option<&str> {
        self.headers.get("entra-proxy-error").map(String::as_str)
    }
}

/// A request as an API got it.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Got {
    pub(super) fn authorization(&self) -> &str {
        self.headers["authorization"].to_str().unwrap()
    }
}

/// The requests that an API got.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Got>>>);

impl Log {
    pub(super) fn all(&self) -> Vec<Got> {
        self.0.lock().unwrap().clone()
    }
}

/// Starts an API that reads each request and responds by its number, counted from 1.
pub(super) async fn api(
    respond: impl Fn(usize, &Got) -> Response<String> + Send + Sync + 'static,
) -> (SocketAddr, Log) {
    let (respond, log) = (Arc::new(respond), Log::default());
    let own = log.clone();
    let address = raw_api(move |request| {
        let (respond, log) = (Arc::clone(&respond), own.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let got = Got {
                line: format!("{} {}", head.method, head.uri),
                headers: head.headers,
                body,
            };
            let number = {
                let mut log = log.0.lock().unwrap();
                log.push(got.clone());
                log.len()
            };
            respond(number, &got).map(whole)
        }
    })
    .await;
    (address, log)
}

/// Starts an API over HTTP/1.1 that responds while it reads.
pub(super) async fn raw_api<F>(respond: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = Response<ApiBody>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let respond = respond.clone();
            let service = service_fn(move |request| {
                let response = respond(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    address
}

/// Starts an API that is a conversation over bytes, for each connection.
pub(super) async fn socket_api<F>(talk: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// Returns a body that is known from the beginning.
pub(super) fn whole(body: impl Into<Bytes>) -> ApiBody {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

/// A body of frames that the test sends one by one. It ends with an error if the test says so.
pub(super) struct Frames(mpsc::Receiver<Result<Frame<Bytes>, io::Error>>);

impl Frames {
    /// Returns a body, and the sender of its frames.
    pub(super) fn channel() -> (mpsc::Sender<Result<Frame<Bytes>, io::Error>>, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Self(receiver))
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx)
    }
}

/// Returns a frame with this text.
pub(super) fn frame(text: &'static str) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// Reads from a connection until the text has come.
pub(super) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            let byte = stream.read_u8().await.unwrap_or_else(|error| {
                panic!("{error} before {text:?}, after {:?}", String::from_utf8_lossy(&all));
            });
            all.push(byte);
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, read).await;
    assert!(
        in_time.is_ok(),
        "{text:?} did not come, after {:?}",
        String::from_utf8_lossy(&all)
    );
    String::from_utf8(all).unwrap()
}

/// The time after which a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
