//! The events of the collector, from which the log, the progress bars, the metrics and the summary
//! are made.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::{Tenant, Timestamp};
use http::StatusCode;
use tokio::sync::watch;

use crate::console::note;
use crate::failure::Failure;
use crate::feed::ContentType;
use crate::sink::Window;

/// A consumer of events. It is called from several threads while work is in progress, so it must be
/// quick and must not block.
pub(crate) trait Observer: Send + Sync {
    /// Handles an event.
    fn observe(&self, event: &Event<'_>);
}

/// Something that the collector did or encountered. It holds no secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A round begins, with these tenants.
    RoundStarted { tenants: &'a [Tenant] },
    /// A tenant's turn begins. It begins again after
    /// [`TenantSteppedAside`](Self::TenantSteppedAside).
    TenantStarted { tenant: &'a Tenant },
    /// A missing subscription was started.
    Subscribed {
        tenant: &'a Tenant,
        content_type: ContentType,
    },
    /// A window is about to be listed.
    WindowStarted {
        tenant: &'a Tenant,
        content_type: ContentType,
        window: Window,
    },
    /// A page of a window was listed: the number of contents, some of which were collected before.
    PageListed {
        tenant: &'a Tenant,
        content_type: ContentType,
        window: Window,
        contents: usize,
        known: usize,
    },
    /// The records of a content are durable.
    ContentDone {
        tenant: &'a Tenant,
        content_type: ContentType,
        /// New records.
        records: usize,
        /// Records that were collected before and were dropped.
        duplicates: usize,
        /// The size of the content as received.
        bytes: usize,
    },
    /// All content of a window is durable.
    WindowDone {
        tenant: &'a Tenant,
        content_type: ContentType,
        window: Window,
    },
    /// A request to the API ended, with or without a response.
    Responded {
        tenant: &'a Tenant,
        status: Option<StatusCode>,
    },
    /// Requests of this tenant pause, because it is throttled or the API has an outage.
    BackOff {
        tenant: &'a Tenant,
        wait: Duration,
        reason: &'a Failure,
    },
    /// The tenant must wait longer than it may occupy its slot: others continue, and it continues
    /// later in this round.
    TenantSteppedAside { tenant: &'a Tenant, wait: Duration },
    /// A content, a content type or the whole turn of a tenant failed.
    Failed { tenant: &'a Tenant, failure: &'a Failure },
    /// Something is suspicious, and the collector continues.
    Warning { tenant: &'a Tenant, text: &'a str },
    /// The first token of a tenant was acquired.
    TokenAcquired {
        tenant: &'a Tenant,
        /// The time from its arrival to its expiry.
        life: Duration,
    },
    /// A token was replaced by a new one.
    TokenRenewed {
        tenant: &'a Tenant,
        /// The age of the old token.
        after: Duration,
        /// The remaining lifetime of the old token.
        left: Duration,
    },
    /// A tenant's round ends.
    TenantFinished {
        tenant: &'a Tenant,
        report: &'a Report,
        /// True for the tenant's part of a round, false for the work of a notification.
        is_round: bool,
        /// True if the program is stopping, and there may be more to collect.
        is_stopped: bool,
    },
    /// The round ends.
    RoundFinished {
        /// Tenants in which everything succeeded.
        succeeded: usize,
        /// Tenants in which something failed.
        failed: usize,
        /// The duration of the round.
        took: Duration,
        /// The start time of the next round, if there is one.
        next: Option<Timestamp>,
    },
}

/// The counters of one tenant's round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Contents that were collected.
    pub(crate) contents: u64,
    /// Contents that were skipped because they were collected before.
    pub(crate) known: u64,
    /// New records.
    pub(crate) records: u64,
    /// Repeated records, which were dropped.
    pub(crate) duplicates: u64,
    /// Bytes of content.
    pub(crate) bytes: u64,
    /// Pauses of the tenant's requests.
    pub(crate) back_offs: u64,
    /// The failures, at most [`MOST_FAILURES`]; empty if the tenant's round succeeded.
    pub(crate) failures: Vec<Failure>,
    /// Failures that are not listed.
    pub(crate) more_failures: u64,
}

/// The most failures that a report lists.
pub(crate) const MOST_FAILURES: usize = 20;

impl Report {
    /// Returns true if everything succeeded.
    pub(crate) fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds a failure, or only counts it if there are many.
    pub(crate) fn fail(&mut self, failure: Failure) {
        if self.failures.len() < MOST_FAILURES {
            self.failures.push(failure);
        } else {
            self.more_failures += 1;
        }
    }

    /// Adds the counters of another turn of the same tenant.
    pub(crate) fn add(&mut self, other: Self) {
        self.contents += other.contents;
        self.known += other.known;
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.bytes += other.bytes;
        self.back_offs += other.back_offs;
        self.more_failures += other.more_failures;
        for failure in other.failures {
            self.fail(failure);
        }
    }
}

/// All consumers of events.
#[derive(Clone)]
pub(crate) struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self(observers.into())
    }

    /// Passes an event on to all consumers.
    pub(crate) fn notify(&self, event: &Event<'_>) {
        for observer in self.0.iter() {
            observer.observe(event);
        }
    }
}

/// The signal's number on Linux, macOS and the BSDs.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// The request to stop: requests in flight are finished or dropped, commits are finished, and
/// nothing new is started.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Watches SIGINT (Ctrl-C) and SIGTERM. A second signal ends the program at once. From then on,
    /// a write that exceeds the file size limit (SIGXFSZ) returns an error instead of ending the
    /// program.
    ///
    /// # Errors
    /// Returns an error if the signals cannot be watched.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        #[cfg(unix)]
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        #[cfg(unix)]
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ));
        tokio::spawn(async move {
            for _ in 0..2 {
                #[cfg(unix)]
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminated.recv() => {}
                }
                #[cfg(not(unix))]
                let _ = tokio::signal::ctrl_c().await;
                if stop.send_replace(true) {
                    std::process::exit(130);
                }
                note("stopping after writing what was collected; press Ctrl-C again to stop at once");
            }
        });
        Ok(Self(stopped))
    }

    /// Returns a request that is never made.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        let (stop, stopped) = watch::channel(false);
        std::mem::forget(stop);
        Self(stopped)
    }

    /// Returns true if the program should stop.
    pub(crate) fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the program should stop.
    pub(crate) async fn wanted(&self) {
        let mut stopped = self.0.clone();
        if stopped.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
