//! HTTP/2 between the client and the proxy.

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::setup::{Frames, Running, api, frame, raw_api};

type Sender<B> = http2::SendRequest<B>;

async fn connect<B>(proxy: &Running) -> Sender<B>
where
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let io = TokioIo::new(proxy.connect().await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn requests_share_a_connection() {
    let (address, log) = api(|_, got| Response::new(got.line.clone())).await;
    let proxy = Running::start(address).await;
    let mut sender = connect(&proxy).await;
    for number in 0..3 {
        let request = Request::get(format!("http://localhost:1/{number}"))
            .header("authorization", "Bearer theirs")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("GET /{number}"));
    }
    for got in log.all() {
        assert_eq!(got.authorization(), "Bearer t1");
        assert_eq!(got.headers["host"], address.to_string());
    }
}

#[tokio::test]
async fn foreign_authority_is_rejected() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    let proxy = Running::start(address).await;
    let mut sender = connect(&proxy).await;
    for (authority, host) in [("evil.example", None), ("localhost", Some("evil.example"))] {
        let mut request = Request::get(format!("http://{authority}/"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["entra-proxy-error"]),
            (403, &"rejected".parse().unwrap())
        );
    }
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn trailers_and_streams_pass() {
    let address = raw_api(|request| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let (sender, body) = Frames::channel();
        let mut sent = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = sent.frame().await {
                sender.send(Ok(frame)).await.unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            sender.send(Ok(Frame::trailers(trailers))).await.unwrap();
        });
        Response::builder()
            .header("trailer", "grpc-status")
            .body(body.boxed())
            .unwrap()
    })
    .await;
    let proxy = Running::start(address).await;
    let mut sender = connect(&proxy).await;
    let (frames, body) = Frames::channel();
    let request = Request::post("http://localhost/svc/Method")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let mut body = response.into_body();
    for part in ["one", "two"] {
        frames.send(frame(part)).await.unwrap();
        let got = body.frame().await.unwrap().unwrap();
        assert_eq!(got.into_data().unwrap(), part);
    }
    drop(frames);
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn body_that_is_cut_off_resets_the_stream() {
    let address = raw_api(|_| async move {
        let (sender, body) = Frames::channel();
        tokio::spawn(async move {
            sender.send(frame("part")).await.unwrap();
            sender.send(Err(std::io::ErrorKind::Other.into())).await.unwrap();
        });
        Response::new(body.boxed())
    })
    .await;
    let proxy = Running::start(address).await;
    let mut sender = connect(&proxy).await;
    let request = Request::get("http://localhost/")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}
