//! Accepts connections, with or without TLS, and bounds their number and duration.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::tls::Tls;

/// Serves the routes on these listeners until the program ends.
///
/// # Errors
/// Returns an error if a listener cannot be used.
pub(crate) fn serve(listeners: Vec<StdListener>, router: &Router, tls: Option<Arc<Tls>>) -> io::Result<()> {
    serve_for(LONGEST_CONNECTION, listeners, router, tls)
}

/// Serves as [`serve`] does, with this time limit for a connection.
///
/// # Errors
/// Returns an error if a listener cannot be used.
pub(crate) fn serve_for(
    longest: Duration,
    listeners: Vec<StdListener>,
    router: &Router,
    tls: Option<Arc<Tls>>,
) -> io::Result<()> {
    if let Some(tls) = &tls {
        tokio::spawn(Arc::clone(tls).follow());
    }
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        let permits = Arc::clone(&permits);
        tokio::spawn(accept(listener, router.clone(), tls.clone(), permits, longest));
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    permits: Arc<Semaphore>,
    longest: Duration,
) {
    loop {
        let permit = Arc::clone(&permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            // The error may pass, for example if too many files are open.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (router, tls) = (router.clone(), tls.as_ref().map(|tls| tls.acceptor()));
        tokio::spawn(async move {
            let _ = timeout(longest, connection(stream, router, tls)).await;
            drop(permit);
        });
    }
}

/// Serves one connection. Its errors are ignored: they concern its client alone.
async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>) {
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(LARGEST_HEAD);
    match tls {
        None => drop(http.serve_connection(TokioIo::new(stream), service).await),
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(LONGEST_HEAD, tls.accept(stream)).await {
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

/// The most connections of one server at a time.
const MOST_CONNECTIONS: usize = 256;
const LONGEST_CONNECTION: Duration = Duration::from_secs(120);
/// The time limit for a handshake, and for the head of a request.
const LONGEST_HEAD: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    /// Starts a server and returns its address. `/` responds, and `/never` does not.
    fn server(tls: Option<Arc<Tls>>) -> std::net::SocketAddr {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/never", get(std::future::pending::<String>));
        serve(vec![listener], &router, tls).unwrap();
        address
    }

    /// Sends this text, and returns everything received until the server closes the connection,
    /// with the time that it took.
    async fn send(address: std::net::SocketAddr, text: &str) -> (String, Duration) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let (start, mut received) = (Instant::now(), Vec::new());
        // Closing a connection with unread data resets it.
        let _ = stream.read_to_end(&mut received).await;
        (String::from_utf8_lossy(&received).into_owned(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_clients_are_cut_off() {
        let plain = server(None);
        let margin = Duration::from_secs(5);
        for (text, limit) in [
            ("", LONGEST_HEAD),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: ", LONGEST_HEAD),
            // The connection is kept open for another request, which does not come.
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", LONGEST_HEAD),
            ("GET /never HTTP/1.1\r\nHost: a\r\n\r\n", LONGEST_CONNECTION),
        ] {
            let (_, took) = send(plain, text).await;
            assert!(took >= limit && took < limit + margin, "{text:?}: {took:?}");
        }
        let (_folder, tls, _) = super::super::tls::tests::files();
        let (_, took) = send(server(Some(Arc::new(tls))), "").await;
        assert!(
            took >= LONGEST_HEAD && took < LONGEST_HEAD + margin,
            "handshake: {took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn new_certificate_is_used() {
        let (_folder, tls, paths) = super::super::tls::tests::files();
        let tls = Arc::new(tls);
        server(Some(Arc::clone(&tls)));
        let before = Arc::clone(tls.acceptor().config());
        super::super::tls::tests::replace(&paths);
        sleep(Duration::from_secs(300)).await;
        assert!(!Arc::ptr_eq(tls.acceptor().config(), &before));
    }

    #[tokio::test]
    async fn head_of_a_request_is_bounded() {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(2 * LARGEST_HEAD)
        );
        let (response, _) = send(server(None), &head).await;
        assert!(!response.contains("hello"), "{response}");
    }

    #[tokio::test(start_paused = true)]
    async fn connection_over_the_limit_waits() {
        let address = server(None);
        let mut idle = Vec::new();
        for _ in 0..MOST_CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let (response, took) = send(address, request).await;
        assert!(response.ends_with("hello"), "{response}");
        assert!(took >= LONGEST_HEAD / 2, "it did not wait: {took:?}");
    }
}
