//! The limits of a server.

use std::time::Duration;

/// The limits of a [`Server`](crate::Server).
///
/// They keep a client that is slow, broken or hostile from costing the others anything: a
/// connection that waits for its client makes room for a new one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The number of open connections. If there are as many, the one that has waited the longest
    /// for its client is closed for a new one. If all have requests in progress, new ones wait.
    pub connections: usize,
    /// The number of open connections of one other user of this machine, or of one address of
    /// another machine. The user of the server and root have no such limit.
    pub connections_per_peer: usize,
    /// The length of the longest head of a request, in bytes, at least 8,192. It has at most 100
    /// header lines.
    pub head_bytes: usize,
    /// The time without a request after which an open connection is closed.
    pub idle_timeout: Duration,
    /// The time from the first to the last byte of the head of a request.
    pub head_timeout: Duration,
    /// The time from the head of a request to the last byte of its body.
    pub body_timeout: Duration,
    /// The time without progress while a client does not read a response.
    pub write_timeout: Duration,
    /// The time that requests in progress have when the server ends.
    pub drain: Duration,
}

impl Limits {
    /// Returns the time between two searches for connections that exceed a limit.
    pub(crate) fn period(&self) -> Duration {
        [
            self.idle_timeout,
            self.head_timeout,
            self.body_timeout,
            self.write_timeout,
        ]
        .into_iter()
        .min()
        .unwrap_or_default()
        .div_f64(4.0)
        .clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 256,
            head_bytes: 16 * 1024,
            idle_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}
