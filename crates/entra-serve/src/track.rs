//! The state of a connection: the party that it waits for, and since when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::Notify;

use crate::limits::Limits;

/// The state of a connection. Its own task writes it, and that of the server reads it.
///
/// A connection waits for its client between two requests, while a head or a body arrives, and
/// while a response is not read. Otherwise a request is in progress.
#[derive(Debug)]
pub(crate) struct Track {
    start: Instant,
    /// The requests whose response has not ended: at most one in HTTP/1.
    requests: AtomicU32,
    /// True if bytes between two requests do not mean that a head has begun: in HTTP/2.
    is_multiplexed: AtomicBool,
    /// True if the stream has another owner: that of an upgrade.
    is_detached: AtomicBool,
    /// True if a part of the next head has arrived.
    has_head: AtomicBool,
    /// The time of the last change of requests and head, in microseconds since the start.
    changed: AtomicU64,
    /// The time since which a body is awaited, or [`NEVER`].
    body: AtomicU64,
    /// The time since which the client reads nothing of a response, or [`NEVER`].
    stalled: AtomicU64,
    close: Notify,
}

impl Track {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            requests: AtomicU32::new(0),
            is_multiplexed: AtomicBool::new(false),
            is_detached: AtomicBool::new(false),
            has_head: AtomicBool::new(false),
            changed: AtomicU64::new(0),
            body: AtomicU64::new(NEVER),
            stalled: AtomicU64::new(NEVER),
            close: Notify::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(NEVER - 1)
    }

    /// Notes that the connection is one of HTTP/2.
    pub(crate) fn set_multiplexed(&self) {
        self.is_multiplexed.store(true, Relaxed);
        self.has_head.store(false, Relaxed);
    }

    /// Notes that the task of the connection ends. If its stream is still open, another task has it
    /// and looks after it.
    pub(crate) fn detach(&self) {
        self.is_detached.store(true, Relaxed);
    }

    /// Notes that bytes of a client have arrived.
    pub(crate) fn read(&self) {
        if self.is_multiplexed.load(Relaxed) {
            return;
        }
        if self.requests.load(Relaxed) == 0 && !self.has_head.load(Relaxed) {
            self.changed.store(self.now(), Relaxed);
            self.has_head.store(true, Relaxed);
        }
    }

    /// Notes that bytes of a response were accepted, or were not.
    pub(crate) fn wrote(&self, accepted: bool) {
        let is_stalled = self.stalled.load(Relaxed) != NEVER;
        if accepted && is_stalled {
            self.stalled.store(NEVER, Relaxed);
        } else if !accepted && !is_stalled {
            self.stalled.store(self.now(), Relaxed);
        }
    }

    /// Notes that a request is in progress, until the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> InProgress {
        self.requests.fetch_add(1, Relaxed);
        self.has_head.store(false, Relaxed);
        InProgress(Arc::clone(self))
    }

    /// Notes that the body of a request is awaited, until the guard is dropped.
    pub(crate) fn awaits_body(&self) -> AwaitsBody<'_> {
        self.body.store(self.now(), Relaxed);
        AwaitsBody(self)
    }

    /// Returns the time since which the connection has waited for its client, if it does.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        if self.is_detached.load(Relaxed) {
            return None;
        }
        let between = match self.requests.load(Relaxed) {
            0 => self.changed.load(Relaxed),
            _ => NEVER,
        };
        let since = between.min(self.body.load(Relaxed)).min(self.stalled.load(Relaxed));
        (since != NEVER).then(|| self.start + std::time::Duration::from_micros(since))
    }

    /// Returns true if its client has exceeded a limit.
    pub(crate) fn is_overdue(&self, limits: &Limits) -> bool {
        let now = self.now();
        let exceeds = |since: u64, limit: std::time::Duration| {
            since != NEVER && u128::from(now.saturating_sub(since)) > limit.as_micros()
        };
        let between = match self.has_head.load(Relaxed) {
            true => limits.head_timeout,
            false => limits.idle_timeout,
        };
        let is_overdue = exceeds(self.body.load(Relaxed), limits.body_timeout)
            || exceeds(self.stalled.load(Relaxed), limits.write_timeout)
            || (self.requests.load(Relaxed) == 0 && exceeds(self.changed.load(Relaxed), between));
        is_overdue && !self.is_detached.load(Relaxed)
    }

    /// Asks the task of the connection to end.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Completes if the connection has to end.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct InProgress(Arc<Track>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.changed.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A body that is awaited.
#[derive(Debug)]
pub(crate) struct AwaitsBody<'a>(&'a Track);

impl Drop for AwaitsBody<'_> {
    fn drop(&mut self) {
        self.0.body.store(NEVER, Relaxed);
    }
}

const NEVER: u64 = u64::MAX;
