//! The traits as programs use them: behind pointers, as closures, and shared between callers.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use entra_transport::{
    BlockingTransport, Body, Proxies, Report, Request, Response, Transport, TransportError, TransportErrorKind,
    TransportPolicy, blocking_transport_fn, transport_fn,
};

#[test]
fn blocking_transports_are_closures_and_pointers_to_transports() {
    let greeting = String::from("hello ");
    let echo = blocking_transport_fn(move |request: Request| {
        Ok(Response::new(Body::from(format!("{greeting}{}", request.uri().path()))))
    });
    assert_eq!(body(&echo), "hello /path");
    let shared: Arc<dyn BlockingTransport> = Arc::new(echo);
    assert_eq!(body(&shared), "hello /path");
    let boxed: Box<dyn BlockingTransport> = Box::new(Arc::clone(&shared));
    assert_eq!(body(&boxed), "hello /path");
    assert_eq!(body(&&*boxed), "hello /path");
}

#[test]
fn transports_are_closures_and_pointers_to_transports() {
    let echo =
        transport_fn(|request: Request| async move { Ok(Response::new(Body::from(request.uri().path().to_owned()))) });
    assert_eq!(async_body(&echo), "/path");
    let shared: Arc<dyn Transport> = Arc::new(echo);
    assert_eq!(async_body(&shared), "/path");
    let boxed: Box<dyn Transport> = Box::new(Arc::clone(&shared));
    assert_eq!(async_body(&boxed), "/path");
    assert_eq!(async_body(&&*boxed), "/path");
}

#[test]
fn future_of_transport_is_send() {
    fn any_thread<T: Send>(_: T) {}
    let never = transport_fn(|_| async { Err(TransportError::new(TransportErrorKind::Connect, "no")) });
    let shared: Arc<dyn Transport> = Arc::new(never);
    any_thread(shared.send(request()));
}

#[test]
fn clones_of_error_share_their_source() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    let error = TransportError::new(TransportErrorKind::Tls, "no TLS").because(std::io::Error::other("the cause"));
    shareable(&error);
    let (one, other) = (error.clone(), error);
    assert_eq!(one.to_string(), other.to_string());
    assert!(std::ptr::eq(one.source().unwrap(), other.source().unwrap()));
}

#[test]
fn kind_determines_whether_error_is_retryable() {
    use TransportErrorKind as Kind;
    for kind in [Kind::Dns, Kind::Connect, Kind::Timeout, Kind::Interrupted] {
        assert!(TransportError::new(kind, "x").is_retryable(), "{kind:?}");
    }
    for kind in [
        Kind::NotAllowed,
        Kind::Tls,
        Kind::TooLarge,
        Kind::Encoding,
        Kind::Malformed,
        Kind::Configuration,
        Kind::Other,
    ] {
        assert!(!TransportError::new(kind, "x").is_retryable(), "{kind:?}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let mut request = request();
    let error = TransportPolicy::default()
        .admit(&mut http::Request::get(CANARY_URI).body(Body::default()).unwrap())
        .unwrap_err();
    TransportPolicy::default().admit(&mut request).unwrap();
    let proxies = Proxies::through("http://user:canary@proxy.example:3128").unwrap();
    let echo = blocking_transport_fn(|_| Ok(Response::default()));
    let async_echo = transport_fn(|_| async { Ok(Response::default()) });
    for shown in [
        format!("{request:?}"),
        format!("{error} {error:?} {error:#?}"),
        format!("{proxies:?} {:?}", proxies.proxy()),
        format!("{echo:?} {async_echo:?}"),
        format!("{:?}", Response::new(Body::from("canary".to_owned()))),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(
        format!("{:#}", Report::of(&error)),
        "login.example:80: plain http would expose the credentials on the network; use https"
    );
}

fn request() -> Request {
    http::Request::post("https://login.example/path")
        .header("authorization", "Bearer canary")
        .body(Body::from("client_secret=canary".to_owned()))
        .unwrap()
}

fn body(transport: &dyn BlockingTransport) -> String {
    text(transport.send(request()))
}

fn async_body(transport: &dyn Transport) -> String {
    let future = pin!(transport.send(request()));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => text(response),
        Poll::Pending => panic!("the future waits"),
    }
}

fn text(response: Result<Response, TransportError>) -> String {
    String::from_utf8(response.unwrap().body().as_bytes().to_vec()).unwrap()
}

const CANARY_URI: &str = "http://login.example/canary/token?code=canary";
