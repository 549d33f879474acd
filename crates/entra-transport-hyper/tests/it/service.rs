//! Any tower service as a transport.

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use entra_transport::{Body, Policy, Request, Response, Transport, TransportError, TransportErrorKind};
use entra_transport_hyper::ServiceTransport;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

/// Takes one turn to get ready, panics where it is called before, and is not ready again after a call.
struct Strict {
    ready: bool,
    asked: bool,
}

impl Clone for Strict {
    /// As with tower's own: that one handle is ready says nothing about its clones.
    fn clone(&self) -> Self {
        Self {
            ready: false,
            asked: false,
        }
    }
}

impl Service<http::Request<Full<Bytes>>> for Strict {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = std::mem::replace(&mut self.asked, true);
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: http::Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        self.asked = false;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let mut answer = http::Response::new(Full::from(body));
            answer.headers_mut().extend(
                parts
                    .headers
                    .get("x-echo")
                    .map(|value| (http::header::ETAG, value.clone())),
            );
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn a_service_is_called_when_it_is_ready_and_not_before() {
    let transport = ServiceTransport::new(Strict {
        ready: false,
        asked: false,
    });
    for _ in 0..3 {
        let answer = transport.send(request()).await.unwrap();
        assert_eq!(answer.body().as_bytes(), b"client_secret=canary");
        assert_eq!(answer.headers()["etag"], "seen");
    }
    let clone = transport.clone();
    let (one, other) = tokio::join!(transport.send(request()), clone.send(request()));
    assert!(one.is_ok() && other.is_ok());
}

/// A service that answers with what a function makes, for everything that is not about readiness.
#[derive(Clone)]
struct Answers<F>(F);

impl<F, A, E> Service<http::Request<Text>> for Answers<F>
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

/// A body of somebody's own: all that is asked of it is that it can be made of bytes.
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
    let transport = ServiceTransport::new(Answers(move || Ok::<_, Infallible>(http::Response::new(frames()))));
    assert_eq!(transport.send(request()).await.unwrap().body().as_bytes(), b"in pieces");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let frames = || {
        Frames(vec![
            Ok(http_body::Frame::data(Bytes::from("half"))),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ])
    };
    let transport = ServiceTransport::new(Answers(move || Ok::<_, Infallible>(http::Response::new(frames()))));
    assert_eq!(
        kind(transport.send(request()).await),
        (TransportErrorKind::Interrupted, true)
    );
}

#[tokio::test]
async fn the_rules_hold_for_services_too() {
    let with_header = |name: &'static str, value: &'static str| {
        let answer = move || {
            http::Response::builder()
                .header(name, value)
                .body(Full::<Bytes>::from("1234"))
        };
        ServiceTransport::new(Answers(answer)).policy(four_bytes())
    };
    assert!(with_header("x-other", "x").send(request()).await.is_ok());
    let answer = with_header("content-encoding", "gzip").send(request()).await;
    assert_eq!(kind(answer), (TransportErrorKind::Encoding, false));
    let answer = with_header("content-length", "5").send(request()).await;
    assert_eq!(kind(answer), (TransportErrorKind::TooLarge, false));
    let long = ServiceTransport::new(Answers(|| {
        Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::from("12345")))
    }))
    .policy(four_bytes());
    assert_eq!(kind(long.send(request()).await), (TransportErrorKind::TooLarge, false));
    let mut plain = request();
    *plain.uri_mut() = http::Uri::from_static("http://login.example/");
    assert_eq!(kind(long.send(plain).await), (TransportErrorKind::Refused, false));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_for_services_too() {
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
    // The clock of this test stands still until everybody waits.
    assert_eq!(started.elapsed().as_secs(), Duration::from_secs(30).as_secs());
}

#[tokio::test]
async fn an_error_of_ours_comes_back_as_it_is() {
    let ours = || TransportError::new(TransportErrorKind::Dns, "not found");
    let transport = ServiceTransport::new(Answers(move || Err::<http::Response<Full<Bytes>>, _>(ours())));
    let error = transport.send(request()).await.unwrap_err();
    assert_eq!(error.to_string(), "login.example:443: not found");
    let theirs = || io::Error::other("of some layer");
    let transport = ServiceTransport::new(Answers(move || Err::<http::Response<Full<Bytes>>, _>(theirs())));
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

fn kind(answer: Result<Response, TransportError>) -> (TransportErrorKind, bool) {
    let error = answer.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    (error.kind(), error.is_retryable())
}

/// The default rules, but for the shortest of bodies.
fn four_bytes() -> Policy {
    let mut policy = Policy::default();
    policy.max_body = 4;
    policy
}
