//! Transports over any tower service.

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use entra_transport::{Body, Request, Response, Transport, TransportError, TransportErrorKind, TransportPolicy};
use entra_transport_conformance::local_request;
use entra_transport_hyper::ServiceTransport;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

/// A service that becomes ready at the second poll, panics if it is called before, and is not ready
/// after a call.
struct Strict {
    ready: bool,
    polled: bool,
}

impl Clone for Strict {
    /// As with tower's own services, a clone of a ready service is not ready.
    fn clone(&self) -> Self {
        Self {
            ready: false,
            polled: false,
        }
    }
}

impl Service<http::Request<Full<Bytes>>> for Strict {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = std::mem::replace(&mut self.polled, true);
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: http::Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        self.polled = false;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let mut response = http::Response::new(Full::from(body));
            response.headers_mut().extend(
                parts
                    .headers
                    .get("x-echo")
                    .map(|value| (http::header::ETAG, value.clone())),
            );
            Ok(response)
        })
    }
}

#[tokio::test]
async fn service_is_called_only_when_it_is_ready() {
    let transport = ServiceTransport::new(Strict {
        ready: false,
        polled: false,
    });
    for _ in 0..3 {
        let response = transport.send(request()).await.unwrap();
        assert_eq!(response.body().as_bytes(), b"client_secret=canary");
        assert_eq!(response.headers()["etag"], "seen");
    }
    let clone = transport.clone();
    let (one, other) = tokio::join!(transport.send(request()), clone.send(request()));
    assert!(one.is_ok() && other.is_ok());
}

/// A service that is always ready and responds with the result of a function.
#[derive(Clone)]
struct RespondsWith<F>(F);

impl<F, A, E> Service<http::Request<Text>> for RespondsWith<F>
where
    F: Fn() -> Result<http::Response<A>, E>,
{
    type Response = http::Response<A>;
    type Error = E;
    type Future = Ready<Result<http::Response<A>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Text>) -> Self::Future {
        ready((self.0)())
    }
}

/// A custom body. The only requirement is that it can be created from bytes.
struct Text;

impl From<Bytes> for Text {
    fn from(_: Bytes) -> Self {
        Self
    }
}

#[tokio::test]
async fn any_body_is_read_to_its_end() {
    let frames = || {
        Frames(vec![
            Ok(http_body::Frame::data(Bytes::from("in "))),
            Ok(http_body::Frame::data(Bytes::from("pieces"))),
            Ok(http_body::Frame::trailers(http::HeaderMap::new())),
        ])
    };
    let transport = ServiceTransport::new(RespondsWith(move || Ok::<_, Infallible>(http::Response::new(frames()))));
    assert_eq!(transport.send(request()).await.unwrap().body().as_bytes(), b"in pieces");
}

#[tokio::test]
async fn cut_body_is_an_error() {
    let frames = || {
        Frames(vec![
            Ok(http_body::Frame::data(Bytes::from("half"))),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ])
    };
    let transport = ServiceTransport::new(RespondsWith(move || Ok::<_, Infallible>(http::Response::new(frames()))));
    assert_eq!(
        kind(transport.send(request()).await),
        (TransportErrorKind::Interrupted, true)
    );
}

#[tokio::test]
async fn rules_apply_to_services() {
    let with_header = |name: &'static str, value: &'static str| {
        let respond = move || {
            http::Response::builder()
                .header(name, value)
                .body(Full::<Bytes>::from("1234"))
        };
        ServiceTransport::new(RespondsWith(respond)).policy(four_bytes())
    };
    assert!(with_header("x-other", "x").send(request()).await.is_ok());
    let outcome = with_header("content-encoding", "gzip").send(request()).await;
    assert_eq!(kind(outcome), (TransportErrorKind::Encoding, false));
    let outcome = with_header("content-length", "5").send(request()).await;
    assert_eq!(kind(outcome), (TransportErrorKind::TooLarge, false));
    let long = ServiceTransport::new(RespondsWith(|| {
        Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::from("12345")))
    }))
    .policy(four_bytes());
    assert_eq!(kind(long.send(request()).await), (TransportErrorKind::TooLarge, false));
    let mut plain = request();
    *plain.uri_mut() = http::Uri::from_static("http://login.example/");
    assert_eq!(kind(long.send(plain).await), (TransportErrorKind::NotAllowed, false));
}

#[tokio::test]
async fn service_gets_no_request_to_a_local_endpoint() {
    let respond = || -> Result<http::Response<Full<Bytes>>, Infallible> { panic!("the service is called") };
    let mut policy = TransportPolicy::default();
    policy.allow_plain_loopback = true;
    let transport = ServiceTransport::new(RespondsWith(respond)).policy(policy);
    let outcome = transport.send(local_request("http://127.0.0.1:41564/msi/token")).await;
    let hint = outcome.as_ref().unwrap_err().hint().unwrap().to_owned();
    assert!(hint.contains("HyperTransport"), "{hint}");
    assert_eq!(kind(outcome), (TransportErrorKind::NotAllowed, false));
}

#[tokio::test(start_paused = true)]
async fn deadline_applies_to_services() {
    #[derive(Clone)]
    struct Stuck;

    impl Service<http::Request<Full<Bytes>>> for Stuck {
        type Response = http::Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<Full<Bytes>>) -> Self::Future {
            pending()
        }
    }

    let started = tokio::time::Instant::now();
    assert_eq!(
        kind(ServiceTransport::new(Stuck).send(request()).await),
        (TransportErrorKind::Timeout, true)
    );
    // The paused clock advances only when all tasks wait.
    assert_eq!(started.elapsed().as_secs(), Duration::from_secs(30).as_secs());
}

#[tokio::test]
async fn transport_error_of_service_is_returned_unchanged() {
    let own = || TransportError::new(TransportErrorKind::Dns, "not found");
    let transport = ServiceTransport::new(RespondsWith(move || Err::<http::Response<Full<Bytes>>, _>(own())));
    let error = transport.send(request()).await.unwrap_err();
    assert_eq!(error.to_string(), "login.example:443: not found");
    let other = || io::Error::other("an error of a layer");
    let transport = ServiceTransport::new(RespondsWith(move || Err::<http::Response<Full<Bytes>>, _>(other())));
    assert!(!transport.send(request()).await.unwrap_err().is_retryable());
}

struct Frames(Vec<Result<http_body::Frame<Bytes>, io::Error>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0)))
    }
}

fn request() -> Request {
    http::Request::post("https://login.example/token?code=canary")
        .header("x-echo", "seen")
        .body(Body::from("client_secret=canary".to_owned()))
        .unwrap()
}

fn kind(outcome: Result<Response, TransportError>) -> (TransportErrorKind, bool) {
    let error = outcome.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    (error.kind(), error.is_retryable())
}

/// Returns the default rules with a limit of four bytes for bodies.
fn four_bytes() -> TransportPolicy {
    let mut policy = TransportPolicy::default();
    policy.max_body = 4;
    policy
}
