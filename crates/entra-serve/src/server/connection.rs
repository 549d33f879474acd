//! One connection: its version of HTTP, and its end.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::serve::Serve;

/// Serves a connection until the client closes it, or the server stops and its requests are done.
pub(super) async fn serve<S: Serve>(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    caller: Caller,
    service: S,
    head_timeout: Duration,
    mut stopped: watch::Receiver<()>,
) {
    let mut io = Begun::new(io);
    let mut speaks_http2 = false;
    if S::STREAMS {
        tokio::select! {
            version = timeout(head_timeout, io.speaks_http2()) => match version {
                Ok(Ok(version)) => speaks_http2 = version,
                _ => return,
            },
            _ = stopped.changed() => return,
        }
    }
    let io = TokioIo::new(io);
    let caller = Arc::new(caller);
    let respond = service_fn(move |request: Request<Incoming>| {
        let (service, caller) = (service.clone(), Arc::clone(&caller));
        async move { Ok::<_, Infallible>(service.serve(request, &caller).await) }
    });
    // The two kinds of connection have the same methods, but no common trait.
    macro_rules! run {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            // An error is that of the client.
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }};
    }
    if speaks_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(LONGEST_HEAD)
            .keep_alive_interval(KEEP_ALIVE);
        run!(builder.serve_connection(io, respond));
        return;
    }
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let connection = builder.serve_connection(io, respond);
    if S::STREAMS {
        run!(connection.with_upgrades());
    } else {
        run!(connection);
    }
}

/// A connection whose first bytes were read already.
struct Begun<I> {
    start: [u8; PREFACE.len()],
    /// The number of bytes that were read.
    read: usize,
    /// The number of these that were returned.
    returned: usize,
    io: I,
}

impl<I: AsyncRead + Unpin> Begun<I> {
    fn new(io: I) -> Self {
        Self {
            start: [0; PREFACE.len()],
            read: 0,
            returned: 0,
            io,
        }
    }

    /// Reads the first bytes until they are those of HTTP/2, or cannot be.
    async fn speaks_http2(&mut self) -> io::Result<bool> {
        while self.read < PREFACE.len() && PREFACE.starts_with(&self.start[..self.read]) {
            match self.io.read(&mut self.start[self.read..]).await? {
                0 => break,
                count => self.read += count,
            }
        }
        Ok(self.start == *PREFACE)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Begun<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = &self.start[self.returned..self.read];
        if left.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        self.returned += count;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Begun<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// The first bytes of a connection of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The requests in progress of one connection of HTTP/2.
const MOST_STREAMS: u32 = 200;

/// The longest head of a request of HTTP/2, in bytes.
const LONGEST_HEAD: u32 = 64 * 1024;

/// The interval of the pings on connections of HTTP/2, which find out that the client is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
