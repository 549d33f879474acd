//! Events of the collector: everything that the log, progress bars, metrics and the summary show
//! comes from here.

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

/// A consumer of events. It is called in the middle of things, from several threads: it must be
/// quick and must not block.
pub(crate) trait Observer: Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: &Event<'_>);
}

/// Something that the collector did or met. It holds no secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A round begins, in these tenants.
    RoundStarted { tenants: &'a [Tenant] },
    /// A tenant's turn begins. It comes again after
    /// [`TenantSteppedAside`](Self::TenantSteppedAside).
    TenantStarted { tenant: &'a Tenant },
    /// A subscription was missing and is started now.
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
    /// A page of a window was listed: this many contents, of which some were collected before.
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
        /// Records that were collected before, which are dropped.
        duplicates: usize,
        /// Size of the content as it was received.
        bytes: usize,
    },
    /// All content of a window is durable.
    WindowDone {
        tenant: &'a Tenant,
        content_type: ContentType,
        window: Window,
    },
    /// The API responded to a request, or did not.
    Responded {
        tenant: &'a Tenant,
        status: Option<StatusCode>,
    },
    /// Requests of this tenant pause: it is throttled, or the API does not work at the moment.
    BackOff {
        tenant: &'a Tenant,
        wait: Duration,
        reason: &'a Failure,
    },
    /// The tenant waits longer than it may keep its place: others go on, and it continues later in
    /// this round.
    TenantSteppedAside { tenant: &'a Tenant, wait: Duration },
    /// Something failed that is not the end of the tenant's round: a content, a content type.
    Failed { tenant: &'a Tenant, failure: &'a Failure },
    /// Something is doubtful, and the collector goes on.
    Warning { tenant: &'a Tenant, text: &'a str },
    /// The first token of a tenant is here.
    TokenAcquired {
        tenant: &'a Tenant,
        /// From its arrival to its end.
        life: Duration,
    },
    /// A token was replaced by a new one.
    TokenRenewed {
        tenant: &'a Tenant,
        /// Age of the old one.
        after: Duration,
        /// What was left of it.
        left: Duration,
    },
    /// A tenant's round ends.
    TenantFinished {
        tenant: &'a Tenant,
        report: &'a Report,
        /// Whether this was the tenant's part of a round, and not the work of a notification.
        is_round: bool,
        /// Whether the program is to stop, and there may be more.
        is_stopped: bool,
    },
    /// The round ends.
    RoundFinished {
        /// Tenants in which everything succeeded.
        succeeded: usize,
        /// Tenants in which something failed.
        failed: usize,
        /// From its start.
        took: Duration,
        /// When the next one starts, if there is one.
        next: Option<Timestamp>,
    },
}

/// Figures of one tenant's round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Contents that were collected.
    pub(crate) contents: u64,
    /// Contents that were collected before, and skipped.
    pub(crate) known: u64,
    /// New records.
    pub(crate) records: u64,
    /// Records that were dropped as repeated.
    pub(crate) duplicates: u64,
    /// Bytes of content.
    pub(crate) bytes: u64,
    /// Pauses of the tenant's requests.
    pub(crate) back_offs: u64,
    /// What failed. Empty if the tenant's round succeeded. At most [`MOST_FAILURES`] of them.
    pub(crate) failures: Vec<Failure>,
    /// Failures that are not listed.
    pub(crate) more_failures: u64,
}

/// Failures that a report lists.
pub(crate) const MOST_FAILURES: usize = 20;

impl Report {
    /// Returns whether everything succeeded.
    pub(crate) fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds a failure, or counts it where there are many.
    pub(crate) fn fail(&mut self, failure: Failure) {
        if self.failures.len() < MOST_FAILURES {
            self.failures.push(failure);
        } else {
            self.more_failures += 1;
        }
    }

    /// Adds the figures of another turn of the same tenant.
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

    /// Passes an event on to all of them.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in self.0.iter() {
            observer.observe(event);
        }
    }
}

/// Its number on Linux, macOS and the BSDs.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// The wish to stop: requests that are in flight are finished or dropped, commits are finished, and
/// nothing new is started.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Follows SIGINT (Ctrl-C) and SIGTERM. A second one ends the program at once. From then on, a
    /// file that reaches the limit of its size (SIGXFSZ) is an error of that write, and does not
    /// end the program.
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
                note("stopping: what is collected is written; press Ctrl-C again to stop at once");
            }
        });
        Ok(Self(stopped))
    }

    /// Never stops.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        let (stop, stopped) = watch::channel(false);
        std::mem::forget(stop);
        Self(stopped)
    }

    /// Returns whether the program should stop.
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
