//! Listeners, limits and the end of a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use entra_serve::{Limits, Listener, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::support::{Served, TOKEN};

/// A server on a free port.
pub(crate) struct Running {
    pub(crate) served: Served,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(served: Served, limits: Limits) -> Self {
        let listener = Listener::bind(LOOPBACK.parse().unwrap()).await.unwrap();
        let address = listener.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(vec![listener], limits).with_metrics(served.endpoint.metrics());
        let run = tokio::spawn(server.run(served.endpoint.clone(), async {
            let _ = stopped.await;
        }));
        Self {
            served,
            address,
            stop: Some(stop),
            run,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Returns the head of a good request.
    fn request(&self) -> String {
        format!(
            "GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com HTTP/1.1\r\nHost: {}\r\nX-IDENTITY-HEADER: {}\r\n\r\n",
            self.address,
            self.served.key.expose()
        )
    }

    /// Sends a good request, and returns true if the response has the token.
    pub(crate) async fn has_token(&self, stream: &mut TcpStream) -> bool {
        stream.write_all(self.request().as_bytes()).await.is_ok() && read_until(stream, TOKEN).await
    }

    /// Returns a client that has sent requests until the buffers of both directions are full.
    async fn deaf(&self) -> TcpStream {
        let mut stream = self.connect().await;
        let many = self.request().repeat(200);
        let pause = Duration::from_millis(500);
        while timeout(pause, stream.write_all(many.as_bytes()))
            .await
            .is_ok_and(|written| written.is_ok())
        {}
        stream
    }

    fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    async fn ended(&mut self) {
        timeout(PATIENCE, &mut self.run)
            .await
            .expect("the server ends")
            .unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.run.abort();
    }
}

/// Reads until a text has arrived. Returns false if the connection is closed before.
async fn read_until(stream: &mut TcpStream, text: &str) -> bool {
    let read = async {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return false,
                Ok(length) => all.extend_from_slice(&buffer[..length]),
            }
            if String::from_utf8_lossy(&all).contains(text) {
                return true;
            }
        }
    };
    timeout(PATIENCE, read).await.expect("the server responds or closes")
}

/// Returns once the server has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let read = async { while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {} };
    timeout(PATIENCE, read).await.expect("the server closes the connection");
}

fn limits(connections: usize) -> Limits {
    let mut limits = Limits::default();
    limits.connections = connections;
    limits
}

#[tokio::test]
async fn loopback_has_one_port_on_both_addresses() {
    let listeners = Listener::loopback(0).await.unwrap();
    let ports: Vec<u16> = listeners.iter().map(|own| own.address().unwrap().port()).collect();
    assert_ne!(ports[0], 0);
    assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    assert!(listeners.iter().all(|own| own.address().unwrap().ip().is_loopback()));
    let error = Listener::loopback(ports[0]).await.unwrap_err();
    assert!(error.hint().contains("another program"), "{error}");
}

#[tokio::test]
async fn port_that_another_program_has_on_ipv6_is_an_error() {
    let Ok(other) = tokio::net::TcpListener::bind("[::1]:0").await else {
        return; // This machine has no IPv6.
    };
    let port = other.local_addr().unwrap().port();
    let error = Listener::loopback(port).await.unwrap_err();
    assert!(error.to_string().contains("[::1]"), "{error}");
}

#[tokio::test]
async fn other_addresses_must_be_asked_for() {
    for address in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let error = Listener::bind(address.parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("not a loopback address"), "{error}");
    }
    let any = Listener::bind_any("0.0.0.0:0".parse().unwrap()).await.unwrap();
    assert_ne!(any.address().unwrap().port(), 0);
}

#[tokio::test]
async fn connections_that_wait_for_clients_make_room() {
    let running = Running::start(Served::new(), limits(4)).await;
    let post = format!(
        "POST /token?api-version=2023-07-12-preview HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 50\r\n\r\n{{",
        running.served.key.expose()
    );
    for start in ["", "G", "GET /msi/token HTTP/1.1\r\nHost: ", &post] {
        let mut waiting = Vec::new();
        for _ in 0..8 {
            let mut stream = running.connect().await;
            stream.write_all(start.as_bytes()).await.unwrap();
            waiting.push(stream);
        }
        let mut new = running.connect().await;
        assert!(running.has_token(&mut new).await, "{start:?}");
        // The first ones have waited the longest.
        for stream in &mut waiting[..4] {
            closed(stream).await;
        }
        assert!(running.has_token(&mut new).await, "{start:?}");
    }
    let metrics = running.served.endpoint.metrics().to_text();
    assert!(!metrics.contains("closed_for_room_total 0"), "{metrics}");
}

#[tokio::test]
async fn clients_that_do_not_read_make_room() {
    let running = Running::start(Served::new(), limits(2)).await;
    let mut deaf = Vec::new();
    for _ in 0..2 {
        deaf.push(running.deaf().await);
    }
    for _ in 0..4 {
        let mut new = running.connect().await;
        assert!(running.has_token(&mut new).await);
    }
}

#[tokio::test]
async fn client_that_does_not_read_is_closed_after_its_time() {
    let mut limits = Limits::default();
    limits.write_timeout = SHORT;
    let running = Running::start(Served::new(), limits).await;
    let mut deaf = running.deaf().await;
    // The server drops what it has not written.
    let open = async { while deaf.write_all(b"x").await.is_ok() {} };
    timeout(PATIENCE, open).await.expect("the server closes the connection");
}

#[tokio::test]
async fn requests_in_progress_keep_their_connection() {
    let permits = Arc::new(Semaphore::new(0));
    let served = Served::with_slow_response(200, GOOD, Arc::clone(&permits));
    let running = Running::start(served, limits(2)).await;
    let mut streams = Vec::new();
    // A request of another API shows that the second one is in progress.
    for (api, requests) in [
        ("graph.microsoft.com", 1),
        ("database.windows.net", 2),
        ("graph.microsoft.com", 2),
    ] {
        let mut stream = running.connect().await;
        let request = running.request().replace("graph.microsoft.com", api);
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
        while running.served.requests.load(Ordering::Relaxed) < requests {
            tokio::task::yield_now().await;
        }
    }
    let mut buffer = [0; 1];
    for stream in &mut streams {
        let early = timeout(Duration::from_millis(100), stream.read(&mut buffer)).await;
        assert!(early.is_err(), "{early:?}");
    }
    permits.add_permits(10);
    for stream in &mut streams {
        assert!(read_until(stream, TOKEN).await);
    }
}

#[tokio::test]
async fn slow_clients_are_closed_after_their_time() {
    for (name, start) in [
        ("idle", ""),
        ("head", "GET /msi/token HTTP/1.1\r\nHost"),
        (
            "body",
            "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        ),
    ] {
        let mut limits = Limits::default();
        match name {
            "idle" => limits.idle_timeout = SHORT,
            "head" => limits.head_timeout = SHORT,
            _ => limits.body_timeout = SHORT,
        }
        let running = Running::start(Served::new(), limits).await;
        let mut stream = running.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let begin = Instant::now();
        // Bytes that arrive now and then do not extend the time.
        let (mut reader, mut writer) = stream.split();
        let drip = async {
            while !start.is_empty() && writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
            std::future::pending::<()>().await;
        };
        let mut all = Vec::new();
        tokio::select! {
            () = drip => {}
            read = timeout(PATIENCE, reader.read_to_end(&mut all)) => {
                let _ = read.unwrap_or_else(|_| panic!("{name}: the server does not close"));
            }
        }
        assert!(begin.elapsed() >= SHORT / 2, "{name}");
    }
}

#[tokio::test]
async fn large_heads_are_rejected() {
    let running = Running::start(Served::new(), Limits::default()).await;
    let many: String = (0..100).map(|number| format!("x-{number}: 1\r\n")).collect();
    for head in [format!("x: {}\r\n", "a".repeat(20_000)), many] {
        let mut stream = running.connect().await;
        let request = running.request().replace("\r\n\r\n", &format!("\r\n{head}\r\n"));
        let _ = stream.write_all(request.as_bytes()).await;
        assert!(!read_until(&mut stream, TOKEN).await);
    }
}

#[tokio::test]
async fn long_bodies_are_rejected_and_others_are_not_read() {
    let running = Running::start(Served::new(), Limits::default()).await;
    let key = running.served.key.expose();
    let long = "x".repeat(70_000);
    for (request, status) in [
        (
            format!(
                "POST /token?api-version=2023-07-12-preview HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n{long}",
                long.len()
            ),
            "413",
        ),
        // The rest never comes, and nothing waits for it.
        (
            "POST /token HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 50\r\n\r\n".to_owned(),
            "403",
        ),
        (
            "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n".to_owned(),
            "404",
        ),
        (
            running.request().replace("\r\n\r\n", "\r\nContent-Length: 50\r\n\r\n"),
            "200",
        ),
    ] {
        let mut stream = running.connect().await;
        let _ = stream.write_all(request.as_bytes()).await;
        assert!(read_until(&mut stream, &format!("HTTP/1.1 {status}")).await, "{status}");
    }
    let metrics = running.served.endpoint.metrics().to_text();
    assert!(
        metrics.contains("protocol=\"azd\",outcome=\"malformed\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn stop_closes_idle_connections_and_completes_requests() {
    let permits = Arc::new(Semaphore::new(0));
    let served = Served::with_slow_response(200, GOOD, Arc::clone(&permits));
    let mut running = Running::start(served, Limits::default()).await;
    let mut fresh = running.connect().await;
    let mut busy = running.connect().await;
    busy.write_all(running.request().as_bytes()).await.unwrap();
    while running.served.requests.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    running.stop();
    closed(&mut fresh).await;
    assert!(!running.run.is_finished());
    permits.add_permits(1);
    assert!(read_until(&mut busy, TOKEN).await);
    closed(&mut busy).await;
    running.ended().await;
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn stop_ends_after_its_time() {
    let served = Served::with_slow_response(200, GOOD, Arc::new(Semaphore::new(0)));
    let mut limits = Limits::default();
    limits.drain = SHORT;
    let mut running = Running::start(served, limits).await;
    let mut busy = running.connect().await;
    busy.write_all(running.request().as_bytes()).await.unwrap();
    while running.served.requests.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    running.stop();
    running.ended().await;
    closed(&mut busy).await;
}

#[tokio::test]
async fn thousand_clients_cause_one_request() {
    allow_descriptors();
    let permits = Arc::new(Semaphore::new(0));
    let served = Served::with_slow_response(200, GOOD, Arc::clone(&permits));
    let running = Running::start(served, Limits::default()).await;
    let mut clients = JoinSet::new();
    let request = running.request();
    let begun = Arc::new(Semaphore::new(0));
    for _ in 0..CLIENTS {
        let (address, request, begun) = (running.address, request.clone(), Arc::clone(&begun));
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            begun.add_permits(1);
            read_until(&mut stream, TOKEN).await
        });
    }
    let _ = begun.acquire_many(CLIENTS).await.unwrap();
    permits.add_permits(1000);
    let got = clients.join_all().await;
    assert!(got.iter().all(|has_token| *has_token));
    assert_eq!(running.served.requests.load(Ordering::Relaxed), 1);
}

/// Raises the limit of file descriptors: each client has two of them here.
#[cfg(unix)]
fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[cfg(not(unix))]
fn allow_descriptors() {}

#[tokio::test]
async fn pipelined_requests_are_served_in_order() {
    let running = Running::start(Served::new(), Limits::default()).await;
    let mut stream = running.connect().await;
    let not_found = format!("GET /x HTTP/1.1\r\nHost: {}\r\n\r\n", running.address);
    let all = format!("{}{not_found}{}", running.request(), running.request());
    stream.write_all(all.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut response = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    let statuses: Vec<&str> = response
        .match_indices("HTTP/1.1 ")
        .map(|(place, _)| &response[place + 9..place + 12])
        .collect();
    assert_eq!(statuses, ["200", "404", "200"], "{response}");
}

const LOOPBACK: &str = "127.0.0.1:0";
const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);
const CLIENTS: u32 = 1000;
const GOOD: &str = r#"{"access_token":"an-access-token","expires_in":3599,"token_type":"Bearer"}"#;
