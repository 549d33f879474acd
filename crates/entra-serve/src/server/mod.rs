//! Connections: accepted, limited, and ended in order.

mod begun;
mod connection;
#[cfg(target_os = "linux")]
mod finder;
#[cfg(unix)]
mod inherited;
mod listener;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux tells the user"))]
mod room;
#[cfg(target_os = "linux")]
mod sockets;
mod stream;
#[cfg(unix)]
mod unix;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::connection::Stage;
pub use self::listener::Listener;
use self::listener::Socket;
use self::room::{Peer, Room};
#[cfg(unix)]
pub use self::unix::Users;
use crate::caller::{self, Caller};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::serve::Serve;

/// A server over any number of listeners.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    limits: Limits,
    metrics: Metrics,
}

impl Server {
    /// Creates a server with these listeners.
    #[must_use]
    pub fn new(listeners: Vec<Listener>, limits: Limits) -> Self {
        Self {
            listeners,
            limits,
            metrics: Metrics::default(),
        }
    }

    /// Counts connections in these metrics, such as those of an
    /// [`Endpoint`](crate::Endpoint::metrics).
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Serves until `stop` completes. Then it accepts nothing more, closes idle connections, and
    /// waits for the requests in progress, but not longer than [`Limits::drain`].
    pub async fn run(self, service: impl Serve, stop: impl Future<Output = ()>) {
        let (stage, stages) = watch::channel(Stage::Serving);
        let room = Room::new(self.limits.clone(), self.metrics);
        #[cfg(target_os = "linux")]
        let (finder, finding) = finder::Finder::start(Arc::clone(&room), stages.clone());
        let shared = Arc::new(Shared {
            service,
            #[cfg(target_os = "linux")]
            finder,
            room: Arc::clone(&room),
            limits: self.limits,
            connections: AtomicU64::new(0),
            stages,
        });
        let mut accepting = JoinSet::new();
        for Listener(socket) in self.listeners {
            accepting.spawn(accept(socket, Arc::clone(&shared)));
        }
        let sweeping = Arc::clone(&room);
        let period = shared.limits.period();
        accepting.spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                sweeping.sweep();
            }
        });
        stop.await;
        let _ = stage.send(Stage::Draining);
        // The sockets are closed, and the sweep goes on.
        let drained = async {
            while accepting.len() > 1 && accepting.join_next().await.is_some() {}
            room.empty().await;
        };
        let _ = tokio::time::timeout(shared.limits.drain, drained).await;
        let _ = stage.send(Stage::Ended);
        let _ = tokio::time::timeout(LAST_MOMENT, room.empty()).await;
        accepting.shutdown().await;
        #[cfg(target_os = "linux")]
        let _ = tokio::time::timeout(LAST_MOMENT, finding).await;
    }
}

struct Shared<S> {
    service: S,
    #[cfg(target_os = "linux")]
    finder: finder::Finder,
    room: Arc<Room>,
    limits: Limits,
    connections: AtomicU64,
    stages: watch::Receiver<Stage>,
}

/// Accepts the connections of a socket until the server drains.
async fn accept<S: Serve>(socket: Socket, shared: Arc<Shared<S>>) {
    let mut stages = shared.stages.clone();
    let accepting = async {
        match socket {
            Socket::Tcp(listener, _) => accept_tcp(listener, &shared).await,
            #[cfg(unix)]
            Socket::Unix(socket) => accept_unix(socket, &shared).await,
        }
    };
    tokio::select! {
        result = accepting => {
            if let Err(error) = result {
                tracing::error!(target: "entra_serve", %error, "a socket accepts no connections");
            }
        }
        _ = stages.changed() => {}
    }
}

async fn accept_tcp<S: Serve>(listener: std::net::TcpListener, shared: &Arc<Shared<S>>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let Some((stream, client)) = shared.accepted(listener.accept().await).await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let number = shared.number();
        let mut caller = Caller::tcp(number, client);
        if let Ok(server) = stream.local_addr() {
            caller = caller.with_server_address(server.ip());
            #[cfg(target_os = "linux")]
            if caller.is_local() {
                caller = caller.with_search(shared.finder.search(number, client, server));
            }
        }
        let peer = if caller.is_local() {
            Peer::Own
        } else {
            Peer::Machine(client.ip())
        };
        shared.open(stream, caller, peer).await;
    }
}

#[cfg(unix)]
async fn accept_unix<S: Serve>(socket: unix::UnixSocket, shared: &Arc<Shared<S>>) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(socket.listener)?;
    // It is removed when this task ends.
    let _file = socket.file;
    loop {
        let Some((stream, _)) = shared.accepted(listener.accept().await).await else {
            continue;
        };
        let Ok(client) = stream.peer_cred() else { continue };
        if !socket.users.allow(client.uid()) {
            tracing::warn!(target: "entra_serve", uid = client.uid(), "a user who may not use the socket connects");
            continue;
        }
        let pid = client.pid().and_then(|pid| u32::try_from(pid).ok());
        let process = caller::Process::new(pid, client.uid());
        let peer = if caller::is_own(client.uid()) {
            Peer::Own
        } else {
            Peer::User(client.uid())
        };
        shared
            .open(stream, Caller::unix(shared.number(), Some(process)), peer)
            .await;
    }
}

impl<S: Serve> Shared<S> {
    fn number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns an accepted connection. After a failure, it makes the next one possible.
    async fn accepted<T>(&self, accepted: io::Result<T>) -> Option<T> {
        match accepted {
            Ok(accepted) => Some(accepted),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
            // The process has no more file descriptors, mostly.
            Err(error) => {
                let made = self.room.make_room();
                tracing::warn!(target: "entra_serve", %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(if made { 1 } else { 50 })).await;
                None
            }
        }
    }

    /// Serves a connection in a task of its own, once there is room for it.
    async fn open<I>(self: &Arc<Self>, stream: I, caller: Caller, peer: Peer)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.room.enter(caller.connection, peer).await {
            Some(place) => {
                tokio::spawn(connection::serve(stream, caller, place, Arc::clone(self)));
            }
            None => tracing::warn!(target: "entra_serve", %caller, "a client has too many connections"),
        }
    }
}

/// The time for tasks to see that they have to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);
