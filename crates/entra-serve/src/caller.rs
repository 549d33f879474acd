//! The program that sent a request, as far as the system tells.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::track::{AwaitsBody, Track};

/// The other end of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// The number of the connection, counted from 1 in this server.
    pub connection: u64,
    /// The address, or `None` for a Unix socket.
    pub address: Option<SocketAddr>,
    is_local: bool,
    process: Found,
    track: Option<Arc<Track>>,
}

/// A process of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its ID, if known.
    pub pid: Option<u32>,
    /// The ID of its user.
    pub uid: u32,
}

impl Process {
    #[cfg(unix)]
    pub(crate) fn new(pid: Option<u32>, uid: u32) -> Self {
        Self { pid, uid }
    }
}

/// Returns true for the user of this process and for root.
#[cfg(unix)]
pub(crate) fn is_own(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

/// A process that is found while the first request is served.
#[derive(Clone, Debug)]
enum Found {
    Now(Option<Process>),
    Later(Arc<Search>),
}

/// The search for the process of a connection.
#[derive(Debug, Default)]
pub(crate) struct Search {
    found: OnceLock<Option<Process>>,
    ended: Notify,
}

impl Search {
    /// Ends the search.
    pub(crate) fn end(&self, found: Option<Process>) {
        let _ = self.found.set(found);
        self.ended.notify_waiters();
    }

    async fn ended(&self) {
        let ended = self.ended.notified();
        if self.found.get().is_none() {
            ended.await;
        }
    }
}

impl Caller {
    /// Returns the other end of a TCP connection.
    #[must_use]
    pub fn tcp(connection: u64, address: SocketAddr) -> Self {
        Self {
            connection,
            address: Some(address),
            is_local: address.ip().to_canonical().is_loopback(),
            process: Found::Now(None),
            track: None,
        }
    }

    /// Returns the other end of a connection of a Unix socket.
    #[cfg(unix)]
    pub(crate) fn unix(connection: u64, process: Option<Process>) -> Self {
        Self {
            connection,
            address: None,
            is_local: true,
            process: Found::Now(process),
            track: None,
        }
    }

    /// Notes the address that the client connected to: a client with the same one is on this
    /// machine.
    pub(crate) fn with_server_address(mut self, address: IpAddr) -> Self {
        self.is_local |= self.address.is_some_and(|own| own.ip() == address);
        self
    }

    /// Notes that the process is being searched for.
    pub(crate) fn with_search(mut self, search: Arc<Search>) -> Self {
        self.process = Found::Later(search);
        self
    }

    pub(crate) fn with_track(mut self, track: Arc<Track>) -> Self {
        self.track = Some(track);
        self
    }

    /// Returns true if the other end is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Returns the process at the other end, if the system reports it.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        match &self.process {
            Found::Now(process) => *process,
            Found::Later(search) => search.found.get().copied().flatten(),
        }
    }

    /// Returns true if the process is still being searched for.
    fn is_searched(&self) -> bool {
        matches!(&self.process, Found::Later(search) if search.found.get().is_none())
    }

    /// Completes once the search for the process has ended.
    pub(crate) async fn search_ended(&self) {
        if let Found::Later(search) = &self.process {
            search.ended().await;
        }
    }

    /// Calls `then` once it is known which process is at the other end, or is not found soon.
    pub(crate) fn once_known(&self, then: impl FnOnce(&Self) + Send + 'static) {
        if !self.is_searched() {
            return then(self);
        }
        let caller = self.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LONGEST_SEARCH, caller.search_ended()).await;
            then(&caller);
        });
    }

    /// Notes that the body of a request is awaited, until the guard is dropped. Meanwhile the
    /// server may close the connection to make room for another.
    pub(crate) fn awaits_body(&self) -> Option<AwaitsBody<'_>> {
        self.track.as_ref().map(|track| track.awaits_body())
    }
}

/// The address and the process, such as `127.0.0.1:50000 pid 4711 uid 1000`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}")?,
            None => f.write_str("unix socket")?,
        }
        if let Some(process) = self.process() {
            if let Some(pid) = process.pid {
                write!(f, " pid {pid}")?;
            }
            write!(f, " uid {}", process.uid)?;
        }
        Ok(())
    }
}

const LONGEST_SEARCH: Duration = Duration::from_secs(2);
