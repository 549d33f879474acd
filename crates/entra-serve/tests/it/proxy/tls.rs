//! An API with TLS, which chooses HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use entra_transport_hyper::{Connector, HyperTransport};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper::server::conn::{http1, http2 as http2_server};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::setup::{ApiBody, Frames, Running, Tokens, frame, read_until, whole};

/// Responds with the version of HTTP, and trailers as gRPC has them.
async fn respond(request: Request<Incoming>) -> Result<Response<ApiBody>, Infallible> {
    assert!(
        request.headers()["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Bearer t")
    );
    if request.headers().contains_key("upgrade") {
        let changed = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        return Ok(changed.body(whole("")).unwrap());
    }
    let version = format!("{:?}", request.version());
    let (sender, body) = Frames::channel();
    tokio::spawn(async move {
        let _ = sender.send(frame("message")).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let _ = sender.send(Ok(Frame::trailers(trailers))).await;
    });
    Ok(Response::builder()
        .header("x-version", version)
        .body(body.boxed())
        .unwrap())
}

/// Starts the API, and returns its address and its certificate authority.
async fn start(protocols: &[&str]) -> (SocketAddr, String) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepted = acceptor.accept(stream);
            tokio::spawn(async move {
                let Ok(stream) = accepted.await else { return };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let io = TokioIo::new(stream);
                if is_http2 {
                    let builder = http2_server::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(io, service_fn(respond)).await;
                } else {
                    let connection = http1::Builder::new().serve_connection(io, service_fn(respond));
                    let _ = connection.with_upgrades().await;
                }
            });
        }
    });
    (address, ca.pem())
}

async fn proxy(api: SocketAddr, ca: Option<&str>) -> Running {
    let mut builder = HyperTransport::builder();
    if let Some(ca) = ca {
        builder = builder.root_certificates_pem(ca.as_bytes()).unwrap();
    }
    let connector = Connector::new(&builder.settings().unwrap()).unwrap();
    let origin = format!("https://localhost:{}", api.port());
    Running::over(&origin, connector, Tokens::default(), |proxy| proxy).await
}

#[tokio::test]
async fn grpc_passes_from_end_to_end() {
    let (api, ca) = start(&["h2", "http/1.1"]).await;
    let proxy = proxy(api, Some(&ca)).await;
    let io = TokioIo::new(proxy.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://localhost/svc/Method")
        .header("te", "trailers")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["x-version"], "HTTP/2.0");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "message");
}

#[tokio::test]
async fn client_of_another_version_is_served() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let (api, ca) = start(protocols).await;
        let received = proxy(api, Some(&ca)).await.get("/").await;
        assert_eq!(
            (received.status, received.headers["x-version"].as_str()),
            (200, version)
        );
    }
}

#[tokio::test]
async fn websocket_uses_http1_at_an_api_with_http2() {
    let (api, ca) = start(&["h2", "http/1.1"]).await;
    let proxy = proxy(api, Some(&ca)).await;
    assert_eq!(proxy.get("/").await.headers["x-version"], "HTTP/2.0");
    let mut stream = proxy.connect().await;
    let upgrade = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[tokio::test]
async fn unknown_certificate_gets_no_token() {
    let (api, _) = start(&["h2"]).await;
    let (_, other) = start(&["h2"]).await;
    let received = proxy(api, Some(&other)).await.get("/").await;
    assert_eq!((received.status, received.error()), (502, Some("unreachable")));
    assert!(received.body.contains("hint"), "{received:?}");
}
