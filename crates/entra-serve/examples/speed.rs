//! Compares the cached tokens per second of an endpoint with the requests per second of a bare
//! HTTP server: `cargo run --release --example speed`.
//!
//! Each server has one thread, and so have all clients. Both servers are measured in turn, in the
//! same run, because the speed of loopback differs between machines and moments.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, ClientSecret};
use entra_serve::{AccessKey, AllowedResources, Caller, Endpoint, Identities, Identity, Limits, Listener, Server};
use entra_transport::{Body, Response, transport_fn};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

fn main() {
    let key = AccessKey::random().expect("there is randomness");
    let endpoint = endpoint(&key);
    let bare = serve_bare();
    let own = serve_endpoint(endpoint.clone());
    let hello = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    let token = format!(
        "GET {}?{QUERY} HTTP/1.1\r\nHost: 127.0.0.1:41564\r\nX-IDENTITY-HEADER: {}\r\nMetadata: true\r\n\r\n",
        Endpoint::APP_SERVICE_PATH,
        key.expose()
    );
    let runtime = runtime();
    for connections in [1, 8] {
        let (mut floor, mut tokens) = (0.0_f64, 0.0_f64);
        // Both in turn, and the best of each, to reduce the effect of other programs.
        for _ in 0..ROUNDS {
            floor = floor.max(runtime.block_on(requests_per_second(bare, &hello, connections)));
            tokens = tokens.max(runtime.block_on(requests_per_second(own, &token, connections)));
        }
        eprintln!(
            "{connections} connections: bare {floor:.0}/s, tokens {tokens:.0}/s, ratio {:.2}",
            floor / tokens
        );
    }
    eprintln!(
        "without HTTP: {:?} for each token",
        runtime.block_on(without_http(&endpoint, &key))
    );
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the runtime starts")
}

/// Starts a server that responds with a word, and returns its address.
fn serve_bare() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
            sender
                .send(listener.local_addr().expect("it has an address"))
                .expect("main waits");
            loop {
                let (stream, _) = listener.accept().await.expect("there are descriptors");
                stream.set_nodelay(true).expect("it is a TCP stream");
                let respond = service_fn(|_| async {
                    Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"hello"))))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), respond));
            }
        });
    });
    receiver.recv().expect("the server starts")
}

/// Starts a server for an endpoint, and returns its address.
fn serve_endpoint(endpoint: Endpoint) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let address = "127.0.0.1:0".parse().expect("it is an address");
            let listener = Listener::bind(address).await.expect("there is a port");
            sender
                .send(listener.address().expect("it has an address"))
                .expect("main waits");
            let server = Server::new(vec![listener], Limits::default());
            server.run(endpoint, std::future::pending()).await;
        });
    });
    receiver.recv().expect("the server starts")
}

/// Returns an endpoint with a token of the length that those of Entra have.
fn endpoint(key: &AccessKey) -> Endpoint {
    let body = format!(
        r#"{{"access_token":"{}","expires_in":86399,"token_type":"Bearer"}}"#,
        "t".repeat(1600)
    );
    let transport = transport_fn(move |_| {
        let response = Response::new(Body::from(body.clone()));
        async { Ok(response) }
    });
    let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
        .parse()
        .expect("it is an authority");
    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().expect("it is an ID");
    let secret = ClientSecret::new("s3cret").expect("it is a secret");
    let application = Application::new(authority, id, secret);
    // The client runs on the runtime that calls it first.
    let identities = Identities::new(Identity::new("default", Client::new(application, transport)));
    let resources = AllowedResources::new(["https://graph.microsoft.com"]).expect("it is an API");
    Endpoint::builder(identities, resources)
        .app_service(key.clone())
        .build()
}

/// Measures the requests that clients send one after the other on each connection.
async fn requests_per_second(address: SocketAddr, request: &str, connections: usize) -> f64 {
    let mut clients = JoinSet::new();
    let start = Instant::now();
    for _ in 0..connections {
        let request = request.to_owned();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the server accepts");
            stream.set_nodelay(true).expect("it is a TCP stream");
            let mut buffer = vec![0; 16 * 1024];
            let mut count = 0_u32;
            while start.elapsed() < ROUND {
                stream.write_all(request.as_bytes()).await.expect("the server reads");
                read(&mut stream, &mut buffer).await;
                count += 1;
            }
            count
        });
    }
    let count: u32 = clients.join_all().await.into_iter().sum();
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Reads one response.
async fn read(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let length = stream.read(&mut buffer[filled..]).await.expect("the server responds");
        assert_ne!(length, 0, "the server closes the connection");
        filled += length;
        let text = std::str::from_utf8(&buffer[..filled]).expect("it is text");
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok());
        if length == Some(body.len()) {
            return;
        }
    }
}

/// Measures a cached token without sockets and HTTP.
async fn without_http(endpoint: &Endpoint, key: &AccessKey) -> Duration {
    let request = http::Request::get(format!("{}?{QUERY}", Endpoint::APP_SERVICE_PATH))
        .header("host", "127.0.0.1:41564")
        .header("x-identity-header", key.expose())
        .header("metadata", "true")
        .body(Bytes::new())
        .expect("it is a request");
    let caller = Caller::tcp(1, "127.0.0.1:50000".parse().expect("it is an address"));
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..1000 {
            black_box(endpoint.respond(&request, &caller).await);
        }
        best = best.min(start.elapsed() / 1000);
    }
    best
}

const QUERY: &str = "api-version=2019-08-01&resource=https%3A%2F%2Fgraph.microsoft.com";
const ROUNDS: u32 = 5;
const ROUND: Duration = Duration::from_secs(1);
