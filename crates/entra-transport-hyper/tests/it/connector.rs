//! The connector for a client that calls an API: its tunnel, its direct connections, and its
//! limits.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use entra_transport::tls::find;
use entra_transport::{Proxies, TransportError, TransportErrorKind};
use entra_transport_conformance::root_pem;
use entra_transport_hyper::{Connector, HyperTransport};
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_service::Service;

#[tokio::test]
async fn api_call_uses_tunnel_through_proxy() {
    let (proxy, seen) = proxy();
    let connector = connector(through(&proxy), false);
    let shown = format!("{connector:?}");
    assert!(shown.contains(&proxy) && !shown.contains("c4n4ry"), "{shown}");
    let error = get(connector, "https://api.example/users").await.unwrap_err();
    // The proxy closed the connection during the handshake.
    assert_eq!(error.kind(), TransportErrorKind::Tls);
    assert!(!format!("{error:?}").contains("c4n4ry"), "{error:?}");
    let (head, handshake) = seen.join().unwrap();
    assert!(head.starts_with("CONNECT api.example:443 HTTP/1.1\r\n"), "{head}");
    // printf 'user:c4n4ry' | base64
    assert!(head.contains("Basic dXNlcjpjNG40cnk="), "{head}");
    // The first byte of a TLS handshake record: the proxy sees nothing of the request.
    assert_eq!(handshake, 0x16);
}

#[tokio::test]
async fn loopback_and_exceptions_bypass_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let proxies = through(&proxy.local_addr().unwrap().to_string()).except("api.invalid");
    let api = api();
    let body = get(connector(proxies.clone(), true), &format!("http://{api}/")).await;
    assert_eq!(body.unwrap(), "hello");
    // Not found, or not in time.
    get(connector(proxies, true), "https://api.invalid/").await.unwrap_err();
    assert_eq!(proxy.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn plain_http_is_rejected_except_to_allowed_loopback() {
    let (proxies, api) = (through("127.0.0.1:9"), api());
    for (uri, is_allowed) in [
        (format!("http://{api}/"), false),
        ("http://api.example/".to_owned(), false),
        ("http://api.example/".to_owned(), true),
        ("http://127.0.0.1.example/".to_owned(), true),
        ("ftp://api.example/".to_owned(), true),
    ] {
        let error = call(connector(proxies.clone(), is_allowed), &uri).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::NotAllowed, "{uri}");
    }
    let error = call(connector(proxies, true), "/users").await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::NotAllowed);
}

fn connector(proxies: Proxies, is_plain_allowed: bool) -> Connector {
    let builder = HyperTransport::builder()
        .proxies(proxies)
        .allow_plain_loopback(is_plain_allowed)
        .connect_timeout(Duration::from_secs(10))
        .root_certificates_pem(root_pem().as_bytes());
    Connector::new(&builder.unwrap().settings().unwrap()).unwrap()
}

fn through(proxy: &str) -> Proxies {
    Proxies::through(&format!("http://user:c4n4ry@{proxy}")).unwrap()
}

/// Connects.
async fn call(mut connector: Connector, uri: &str) -> Result<(), TransportError> {
    std::future::poll_fn(|cx| connector.poll_ready(cx)).await?;
    connector.call(uri.parse::<Uri>().unwrap()).await.map(drop)
}

/// Sends a request with hyper's client, as a program does.
async fn get(connector: Connector, uri: &str) -> Result<Bytes, TransportError> {
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    match client.get(uri.parse().unwrap()).await {
        Ok(response) => Ok(response.into_body().collect().await.unwrap().to_bytes()),
        Err(error) => Err(find::<TransportError>(&error).expect("the connector's error").clone()),
    }
}

/// Starts a proxy that opens one tunnel and closes it after its first byte. Returns the request for
/// the tunnel and that byte.
fn proxy() -> (String, JoinHandle<(String, u8)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        stream.read_exact(&mut byte).unwrap();
        (String::from_utf8(head).unwrap(), byte[0])
    });
    (address, seen)
}

/// Starts an API over plain HTTP that responds to one request.
fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .unwrap();
    });
    address
}
