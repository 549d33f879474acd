//! Connections: accepted, limited, and ended in order.

mod connection;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::caller::Caller;
use crate::serve::Serve;

/// The limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The number of open connections. Further ones wait in the queue of the system.
    pub connections: usize,
    /// The time for the head of a request, and for the next request of an open connection.
    pub head_timeout: Duration,
    /// The time that requests in progress have when the server ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Listens on an address.
    ///
    /// # Errors
    /// Returns an error if the address cannot be used.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Listens on 127.0.0.1 and, if the machine has it, on ::1, both with the same port. Port 0 is
    /// any free one.
    ///
    /// # Errors
    /// Returns an error if the port cannot be used.
    pub async fn loopback(port: u16) -> io::Result<Vec<Self>> {
        let v4 = Self::bind((Ipv4Addr::LOCALHOST, port).into()).await?;
        let port = v4.address()?.port();
        let v6 = Self::bind((Ipv6Addr::LOCALHOST, port).into()).await;
        Ok([Some(v4), v6.ok()].into_iter().flatten().collect())
    }

    /// Returns its address.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A server over any number of listeners.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    limits: Limits,
}

impl Server {
    /// Creates a server with these listeners.
    #[must_use]
    pub fn new(listeners: Vec<Listener>, limits: Limits) -> Self {
        Self { listeners, limits }
    }

    /// Serves until `stop` completes. Then it accepts nothing more, and waits for the requests in
    /// progress, but not longer than [`Limits::drain`].
    pub async fn run(self, service: impl Serve, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(());
        let shared = Arc::new(Shared {
            service,
            head_timeout: self.limits.head_timeout,
            permits: Arc::new(Semaphore::new(self.limits.connections)),
            connections: AtomicU64::new(0),
        });
        let mut accepting = tokio::task::JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener.0, Arc::clone(&shared), stopped.clone()));
        }
        stop.await;
        accepting.abort_all();
        drop((stopping, stopped));
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let drained = Arc::clone(&shared.permits);
        let _ = tokio::time::timeout(self.limits.drain, drained.acquire_many(all)).await;
    }
}

struct Shared<S> {
    service: S,
    head_timeout: Duration,
    permits: Arc<Semaphore>,
    connections: AtomicU64,
}

async fn accept<S: Serve>(listener: TcpListener, shared: Arc<Shared<S>>, stopped: watch::Receiver<()>) {
    loop {
        let Ok(permit) = Arc::clone(&shared.permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let connection = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
                let caller = Caller::tcp(connection, address);
                let (service, stopped) = (shared.service.clone(), stopped.clone());
                let head_timeout = shared.head_timeout;
                tokio::spawn(async move {
                    let _permit = permit;
                    connection::serve(stream, caller, service, head_timeout, stopped).await;
                });
            }
            // No more file descriptors, for example.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
