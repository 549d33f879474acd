//! What a transport over a user's client cannot do, and the limits of server names.

use std::net::TcpListener;

use entra_transport::{Body, Proxies, Request, Transport, TransportBuilder, TransportErrorKind};
use entra_transport_conformance::{local_request, root_pem};
use entra_transport_reqwest::ReqwestTransport;

fn builder() -> TransportBuilder<ReqwestTransport> {
    let builder = ReqwestTransport::builder()
        .allow_plain_loopback(true)
        .proxies(Proxies::none());
    builder.root_certificates_pem(root_pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn client_of_the_user_gets_no_request_to_a_local_endpoint() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}/msi/token", listener.local_addr().unwrap());
    let transport = ReqwestTransport::over(reqwest::Client::builder(), builder().settings().unwrap()).unwrap();
    let error = transport.send(local_request(&endpoint)).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::NotAllowed);
    assert!(error.hint().unwrap().contains("builder"), "{error:?}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn server_name_needs_the_client_of_the_transport() {
    let settings = || builder().server_name("proxy.example").unwrap().settings().unwrap();
    let error = ReqwestTransport::over(reqwest::Client::builder(), settings()).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    let error = builder().server_name("10.0.0.1").unwrap().build().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    for name in ["", "https://proxy.example", "proxy.example:443", "a b"] {
        let error = builder().server_name(name).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Configuration, "{name}");
    }
}

#[tokio::test]
async fn server_name_is_not_used_through_a_proxy() {
    let proxies = Proxies::through("http://127.0.0.1:9").unwrap();
    let transport = builder()
        .server_name("proxy.example")
        .unwrap()
        .proxies(proxies)
        .build()
        .unwrap();
    let mut request = Request::new(Body::default());
    *request.uri_mut() = "https://login.example/canary".parse().unwrap();
    let error = transport.send(request).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    assert!(error.to_string().starts_with("login.example:443: "), "{error}");
}
