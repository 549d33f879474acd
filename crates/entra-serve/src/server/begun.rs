//! The version of HTTP that a client speaks, by its first bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A connection whose first bytes were read already.
pub(super) struct Begun<I> {
    start: [u8; PREFACE.len()],
    /// The number of bytes that were read.
    read: usize,
    /// The number of these that were returned.
    returned: usize,
    io: I,
}

impl<I: AsyncRead + Unpin> Begun<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            start: [0; PREFACE.len()],
            read: 0,
            returned: 0,
            io,
        }
    }

    /// Reads the first bytes until they are those of HTTP/2, or cannot be.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
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
