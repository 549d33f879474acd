//! The end of exchanges in which no byte moves.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The time at which a byte of an exchange last moved, in any direction. A clone is a handle to the
/// same one.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Moved>);

#[derive(Debug)]
struct Moved {
    limit: Duration,
    start: Instant,
    /// Milliseconds since the start.
    last: AtomicU64,
}

impl Activity {
    /// Starts an exchange that may rest for this time.
    pub(super) fn new(limit: Duration) -> Self {
        Self(Arc::new(Moved {
            limit,
            start: Instant::now(),
            last: AtomicU64::new(0),
        }))
    }

    /// Records that a byte moves.
    pub(super) fn record(&self) {
        let since = self.0.start.elapsed().as_millis();
        self.0
            .last
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns the time at which the exchange ends unless a byte moves.
    fn end(&self) -> Instant {
        self.0.start + Duration::from_millis(self.0.last.load(Ordering::Relaxed)) + self.0.limit
    }

    /// Returns the output of a future, or `None` once no byte has moved for too long.
    pub(super) async fn limit<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut rest = Rest::default();
        tokio::select! {
            output = future => Some(output),
            () = poll_fn(|cx| rest.poll(self, cx)) => None,
        }
    }
}

/// A timer for the time without bytes.
#[derive(Debug, Default)]
pub(super) struct Rest(Option<Pin<Box<Sleep>>>);

impl Rest {
    /// Completes once no byte has moved for too long.
    pub(super) fn poll(&mut self, activity: &Activity, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(activity.end())));
        loop {
            ready!(timer.as_mut().poll(cx));
            let end = activity.end();
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

/// A connection whose bytes are recorded.
pub(super) struct Recorded<I> {
    pub(super) io: I,
    pub(super) activity: Activity,
}

impl<I> Recorded<I> {
    fn record<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.activity.record();
        }
        outcome
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Recorded<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.record(outcome)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Recorded<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.record(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
