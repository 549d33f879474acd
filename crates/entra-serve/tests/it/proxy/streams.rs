//! Bodies that are passed on as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::setup::{Frames, PATIENCE, Running, Tokens, frame, raw_api, read_until, socket_api, whole};

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";

/// An API that sends back each frame before it reads the next one.
async fn echo() -> std::net::SocketAddr {
    raw_api(|request| async move {
        let (sender, body) = Frames::channel();
        let mut sent = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = sent.frame().await {
                if sender.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
        });
        Response::builder()
            .header("trailer", "x-sum")
            .body(body.boxed())
            .unwrap()
    })
    .await
}

#[tokio::test]
async fn both_directions_are_interleaved() {
    let proxy = Running::start(echo().await).await;
    let mut stream = proxy.connect().await;
    stream.write_all(CHUNKED.as_bytes()).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    // Each part comes back before the next one is sent.
    for part in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{part}\r\n", part.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        read_until(&mut stream, &format!("{part}\r\n")).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "0\r\n\r\n").await;
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let proxy = Running::start(echo().await).await;
    let mut stream = proxy.connect().await;
    let request = CHUNKED.replace("\r\n\r\n", "\r\ntrailer: x-sum\r\nte: trailers\r\n\r\n");
    let body = "2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n";
    stream.write_all(format!("{request}{body}").as_bytes()).await.unwrap();
    read_until(&mut stream, "2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n").await;
}

#[tokio::test]
async fn server_that_goes_away_cuts_the_body_off() {
    for head in ["content-length: 10", "transfer-encoding: chunked"] {
        let address = socket_api(move |mut stream| async move {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            let part = if head.starts_with('c') {
                "12345"
            } else {
                "5\r\n12345\r\n"
            };
            let received = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{part}");
            let _ = stream.write_all(received.as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        })
        .await;
        let proxy = Running::start(address).await;
        let received = proxy.get("/").await;
        assert_eq!(received.status, 200);
        assert!(received.body.contains("12345"), "{received:?}");
        // Neither all bytes nor a last chunk have come.
        assert!(!received.body.ends_with("0\r\n\r\n"), "{received:?}");
        assert!(received.headers.contains_key("transfer-encoding") || received.headers["content-length"] == "10");
    }
}

#[tokio::test]
async fn client_that_goes_away_ends_the_request() {
    // Before the response, and in the middle of its body.
    for responds in [false, true] {
        let (begun, mut begin) = mpsc::channel(1);
        let (ended, end) = oneshot::channel();
        let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
        let address = socket_api(move |mut stream| {
            let (begun, ended) = (begun.clone(), Arc::clone(&ended));
            async move {
                read_until(&mut stream, "\r\n\r\n").await;
                let _ = begun.send(()).await;
                if responds {
                    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
                    stream.write_all(head).await.unwrap();
                }
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                if let Some(ended) = ended.lock().unwrap().take() {
                    let _ = ended.send(());
                }
            }
        })
        .await;
        let proxy = Running::start(address).await;
        let mut stream = proxy.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        if responds {
            read_until(&mut stream, "hi").await;
        } else {
            timeout(PATIENCE, begin.recv()).await.expect("the API gets the request");
        }
        drop(stream);
        timeout(PATIENCE, end).await.expect("the API sees the end").unwrap();
    }
}

#[tokio::test]
async fn slow_api_holds_a_fast_client_back() {
    let (go, wait) = mpsc::channel::<()>(1);
    let wait = Arc::new(tokio::sync::Mutex::new(wait));
    let received = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&received);
    let address = raw_api(move |request| {
        let (wait, counter) = (Arc::clone(&wait), Arc::clone(&counter));
        async move {
            wait.lock().await.recv().await;
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                counter.fetch_add(frame.data_ref().map_or(0, |data| data.len()), Ordering::SeqCst);
            }
            Response::new(whole("done"))
        }
    })
    .await;
    let proxy = Running::start(address).await;
    let mut stream = proxy.connect().await;
    let length: usize = 64 * 1024 * 1024;
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = vec![b'x'; 1024 * 1024];
    // The buffers of the system and of the proxy take some of it, and then nothing more.
    let mut sent = 0;
    while let Ok(outcome) = timeout(Duration::from_millis(500), stream.write(&part)).await {
        sent += outcome.unwrap();
        assert!(sent < length / 2, "the proxy takes all that comes");
    }
    go.send(()).await.unwrap();
    while sent < length {
        let count = part.len().min(length - sent);
        sent += stream.write(&part[..count]).await.unwrap();
    }
    read_until(&mut stream, "done").await;
    assert_eq!(received.load(Ordering::SeqCst), length);
}

#[tokio::test]
async fn slow_client_holds_the_api_back() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let address = socket_api(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 64 * 1024 * 1024);
            stream.write_all(head.as_bytes()).await.unwrap();
            let part = vec![b'x'; 1024 * 1024];
            for _ in 0..64 {
                if stream.write_all(&part).await.is_err() {
                    return;
                }
                counter.fetch_add(part.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let proxy = Running::start(address).await;
    let mut stream = proxy.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = sent.load(Ordering::SeqCst);
    assert!(held < 32 * 1024 * 1024, "the proxy took {held} bytes");
    let mut rest = vec![0; 64 * 1024 * 1024];
    stream.read_exact(&mut rest).await.unwrap();
}

#[tokio::test]
async fn exchange_without_bytes_ends() {
    let (quiet, released) = mpsc::channel::<()>(1);
    let address = raw_api(move |request| {
        let quiet = quiet.clone();
        async move {
            if request.uri().path() == "/head" {
                quiet.closed().await;
            }
            let (sender, body) = Frames::channel();
            sender.send(frame("begun")).await.unwrap();
            tokio::spawn(async move {
                quiet.closed().await;
                drop(sender);
            });
            Response::new(body.boxed())
        }
    })
    .await;
    let idle = Duration::from_millis(200);
    let proxy = Running::with(address, Tokens::default(), |proxy| proxy.idle_timeout(idle)).await;
    let received = proxy.get("/head").await;
    assert_eq!((received.status, received.error()), (504, Some("timeout")));
    let received = proxy.get("/body").await;
    assert_eq!(received.status, 200);
    assert!(
        received.body.contains("begun") && !received.body.ends_with("0\r\n\r\n"),
        "{received:?}"
    );
    // A body of the client that does not come.
    let received = proxy
        .send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\n\r\n12")
        .await;
    assert_eq!(received.error(), Some("bad-request"), "{received:?}");
    drop(released);
}

#[tokio::test]
async fn one_moving_direction_keeps_the_exchange() {
    let address = raw_api(|request| async move {
        // Reads everything before it responds.
        let length = request.into_body().collect().await.unwrap().to_bytes().len();
        Response::new(whole(length.to_string()))
    })
    .await;
    let idle = Duration::from_millis(300);
    let proxy = Running::with(address, Tokens::default(), |proxy| proxy.idle_timeout(idle)).await;
    let mut stream = proxy.connect().await;
    stream.write_all(CHUNKED.as_bytes()).await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(idle / 3).await;
        stream.write_all(b"1\r\nx\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n10").await;
}

#[tokio::test]
async fn trailers_of_a_response_end_it() {
    let address = raw_api(|_| async move {
        let (sender, body) = Frames::channel();
        tokio::spawn(async move {
            sender.send(frame("body")).await.unwrap();
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
    let get = "GET / HTTP/1.1\r\nhost: localhost\r\nte: trailers\r\nconnection: te, close\r\n\r\n";
    let received = proxy.send(get).await;
    assert_eq!(received.body, "4\r\nbody\r\n0\r\ngrpc-status: 0\r\n\r\n");
}
