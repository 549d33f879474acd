//! Connections that change to another protocol.

use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::setup::{ApiBody, Log, Running, api, raw_api, read_until, whole};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An API that changes to a protocol that sends everything back, if the token is at least this one.
async fn echo(first: &'static str) -> std::net::SocketAddr {
    raw_api(move |request| async move {
        let refusal = |status| {
            let mut response: Response<ApiBody> = Response::new(whole("no"));
            *response.status_mut() = status;
            response
        };
        if request.headers()["authorization"].to_str().unwrap() < first {
            return refusal(StatusCode::UNAUTHORIZED);
        }
        if request.headers().get("upgrade").is_none_or(|name| name != "websocket") {
            return refusal(StatusCode::UPGRADE_REQUIRED);
        }
        assert_eq!(request.headers()["connection"], "upgrade");
        let mut request = request;
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgraded.await.unwrap());
            let mut buffer = [0; 64];
            while let Ok(count) = io.read(&mut buffer).await {
                if count == 0 || io.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            .body(whole(""))
            .unwrap()
    })
    .await
}

#[tokio::test]
async fn websocket_passes_with_the_token() {
    for first in ["Bearer t1", "Bearer t2"] {
        let proxy = Running::start(echo(first).await).await;
        let mut stream = proxy.connect().await;
        stream.write_all(UPGRADE.as_bytes()).await.unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let head = head.to_lowercase();
        for header in [
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-accept: s3pp",
        ] {
            assert!(head.contains(header), "{head}");
        }
        for message in ["one", "two"] {
            stream.write_all(message.as_bytes()).await.unwrap();
            read_until(&mut stream, message).await;
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn bytes_after_the_handshake_are_not_lost() {
    let proxy = Running::start(echo("").await).await;
    let mut stream = proxy.connect().await;
    stream.write_all(format!("{UPGRADE}early").as_bytes()).await.unwrap();
    read_until(&mut stream, "early").await;
}

#[tokio::test]
async fn response_without_a_change_is_passed_on() {
    let proxy = Running::start(echo("").await).await;
    let mut stream = proxy.connect().await;
    let other = UPGRADE.replace("upgrade: websocket", "upgrade: other");
    stream.write_all(other.as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 426 ").await;
    read_until(&mut stream, "\r\n\r\nno").await;
}

#[tokio::test]
async fn change_to_http2_is_ignored() {
    let (address, log): (_, Log) = api(|_, _| Response::new("plain".to_owned())).await;
    let proxy = Running::start(address).await;
    let get = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
               http2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let received = proxy.send(get).await;
    assert_eq!((received.status, received.body.as_str()), (200, "plain"));
    let got = &log.all()[0];
    for name in ["connection", "upgrade", "http2-settings"] {
        assert!(!got.headers.contains_key(name), "{got:?}");
    }
}
