//! The forms of requests and responses that the proxy passes on, and those that it does not.

use http::Response;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::setup::{Running, Tokens, api, read_until, socket_api};

fn with_headers(list: &[(&str, &str)], body: &str) -> Response<String> {
    let mut response = Response::builder();
    for (name, value) in list {
        response = response.header(*name, *value);
    }
    response.body(body.to_owned()).unwrap()
}

#[tokio::test]
async fn request_gets_the_token_and_keeps_its_own_headers() {
    let (address, log) = api(|_, _| Response::new("ok".to_owned())).await;
    let proxy = Running::start(address).await;
    let received = proxy
        .send(
            "PUT //evil.example/../a;b/%2e%2e/c?d=//e HTTP/1.1\r\nHost: localhost:1\r\nAuthorization: Bearer theirs\r\n\
             Proxy-Authorization: Basic dTpw\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\
             Cookie: a=b\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
    assert_eq!(
        (received.status, received.body.as_str(), received.error()),
        (200, "ok", None)
    );
    let got = &log.all()[0];
    assert_eq!(got.line, "PUT //evil.example/../a;b/%2e%2e/c?d=//e");
    let mut names: Vec<_> = got.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept-encoding",
            "authorization",
            "content-length",
            "cookie",
            "host",
            "te"
        ]
    );
    assert_eq!(got.headers["host"], address.to_string());
    assert_eq!(got.authorization(), "Bearer t1");
    assert_eq!(got.headers.get_all("authorization").iter().count(), 1);
}

#[tokio::test]
async fn response_keeps_all_but_the_headers_of_its_connection() {
    let (address, _) = api(|_, _| {
        with_headers(
            &[
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-authenticate", "Basic"),
                ("entra-proxy-error", "no-token"),
                ("set-cookie", "a=b; Domain=api.example"),
                ("etag", "\"1\""),
                ("www-authenticate", "Bearer"),
            ],
            "ok",
        )
    })
    .await;
    let proxy = Running::start(address).await;
    let received = proxy.get("/").await;
    let mut names: Vec<_> = received.headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "connection",
            "content-length",
            "date",
            "etag",
            "set-cookie",
            "www-authenticate"
        ]
    );
    assert_eq!(received.headers["set-cookie"], "a=b; Domain=api.example");
}

#[tokio::test]
async fn redirects_are_passed_on_and_lead_back_to_the_proxy() {
    let (address, log) = api(|_, got| {
        let host = got.headers["host"].to_str().unwrap();
        let mut response = with_headers(
            &[
                ("location", &format!("http://{host}/next?a=b")),
                ("operation-location", &format!("http://{host}/operations/1")),
                ("azure-asyncoperation", "https://elsewhere.example/2"),
            ],
            "",
        );
        *response.status_mut() = http::StatusCode::FOUND;
        response
    })
    .await;
    let proxy = Running::start(address).await;
    let received = proxy
        .send("GET / HTTP/1.1\r\nhost: LocalHost:8123\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(received.status, 302);
    assert_eq!(received.headers["location"], "http://LocalHost:8123/next?a=b");
    assert_eq!(
        received.headers["operation-location"],
        "http://LocalHost:8123/operations/1"
    );
    assert_eq!(received.headers["azure-asyncoperation"], "https://elsewhere.example/2");
    assert_eq!(log.all().len(), 1);
}

#[tokio::test]
async fn responses_without_a_body_keep_their_length() {
    let (address, log) = api(|number, _| {
        let mut response = with_headers(&[("content-length", "5"), ("etag", "\"1\"")], "");
        if number == 1 {
            *response.body_mut() = "12345".to_owned();
        } else {
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
            response.headers_mut().remove("content-length");
        }
        response
    })
    .await;
    let proxy = Running::start(address).await;
    let head = proxy
        .send("HEAD / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(
        (head.status, head.headers["content-length"].as_str(), head.body.as_str()),
        (200, "5", "")
    );
    let cached = proxy.get("/").await;
    assert_eq!((cached.status, cached.body.as_str()), (304, ""));
    assert_eq!(log.all()[0].line, "HEAD /");
}

#[tokio::test]
async fn body_of_a_get_in_chunks_arrives() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    let proxy = Running::start(address).await;
    let get = "GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(proxy.send(get).await.status, 200);
    assert_eq!(&log.all()[0].body[..], b"abc");
}

#[tokio::test]
async fn expectation_is_met_before_the_body() {
    let (address, log) = api(|_, _| Response::new("done".to_owned())).await;
    let proxy = Running::start(address).await;
    for length in [4, 100_000] {
        let mut stream = proxy.connect().await;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
        stream.write_all("x".repeat(length).as_bytes()).await.unwrap();
        read_until(&mut stream, "done").await;
    }
    assert!(log.all().iter().all(|got| !got.headers.contains_key("expect")));
}

#[tokio::test]
async fn key_keeps_other_users_out() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    let key = entra_serve::AccessKey::random().unwrap();
    let own = key.clone();
    let proxy = Running::with(address, Tokens::default(), |proxy| proxy.require_key(own)).await;
    let received = proxy.get("/").await;
    assert_eq!((received.status, received.error()), (401, Some("wrong-key")));
    assert!(received.headers["www-authenticate"].starts_with("Basic"));
    assert!(log.all().is_empty());
    for header in ["x-entra-proxy-key: ", "authorization: Bearer "] {
        let key = key.expose();
        let get = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{header}{key}\r\nconnection: close\r\n\r\n");
        assert_eq!(proxy.send(get).await.status, 200, "{header}");
    }
    for got in log.all() {
        assert!(!format!("{:?}", got.headers).contains(key.expose()));
    }
}

#[tokio::test]
async fn api_that_fails_is_an_error_of_the_proxy() {
    for (received, code, status) in [
        ("", "bad-response", 502),
        ("nonsense\r\n\r\n", "bad-response", 502),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n", "bad-response", 502),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "bad-response",
            502,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "bad-response",
            502,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "bad-response",
            502,
        ),
    ] {
        let address = socket_api(move |mut stream| async move {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(received.as_bytes()).await;
        })
        .await;
        let proxy = Running::start(address).await;
        let got = proxy.get("/").await;
        assert_eq!((got.status, got.error()), (status, Some(code)), "{received:?}: {got:?}");
        assert!(!got.body.contains("nonsense") && !got.body.contains("t1"), "{got:?}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let got = Running::start(closed).await.get("/").await;
    assert_eq!((got.status, got.error()), (502, Some("unreachable")));
}

#[test]
fn origin_is_checked_at_the_start() {
    use entra_serve::Proxy;
    use entra_transport_hyper::{Connector, HyperTransport};
    let connector = Connector::new(&HyperTransport::builder().settings().unwrap()).unwrap();
    for (origin, is_ok) in [
        ("https://graph.microsoft.com", true),
        ("https://graph.microsoft.com/", true),
        ("http://127.0.0.1:8080", true),
        ("https://graph.microsoft.com/v1.0", false),
        ("http://graph.microsoft.com", false),
        ("https://user@graph.microsoft.com", false),
        ("graph.microsoft.com", false),
        ("", false),
    ] {
        let source = Tokens::default().source();
        let built = Proxy::builder(source, origin, connector.clone());
        assert_eq!(built.is_ok(), is_ok, "{origin}");
    }
}
