//! Sockets that accept connections.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::Path;

use tokio::net::TcpListener;

#[cfg(unix)]
use super::unix::{self, UnixSocket, Users};
use crate::error::SetupError;

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener(pub(super) Socket);

/// The kinds of sockets. They belong to no runtime until the server runs.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(std::net::TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl Listener {
    /// Listens on a loopback address. Port 0 is any free one.
    ///
    /// # Errors
    /// Returns an error if the address cannot be used, or is not a loopback address: then programs
    /// of other machines reach the server. See [`bind_any`](Self::bind_any).
    pub async fn bind(address: SocketAddr) -> Result<Self, SetupError> {
        if !address.ip().to_canonical().is_loopback() {
            return Err(SetupError::new(
                format!("the address {address} is not a loopback address: other machines may reach it"),
                "use 127.0.0.1, or allow this address explicitly",
            ));
        }
        Self::bind_any(address).await
    }

    /// Listens on any address, also on one that other machines reach. Port 0 is any free one.
    ///
    /// # Errors
    /// Returns an error if the address cannot be used.
    pub async fn bind_any(address: SocketAddr) -> Result<Self, SetupError> {
        tcp(address).await.map_err(|error| unusable(address, error))
    }

    /// Listens on 127.0.0.1 and, if the machine has it, on ::1, both with the same port, since
    /// `localhost` may be either. Port 0 is any one that is free on both.
    ///
    /// # Errors
    /// Returns an error if the port cannot be used. A port that another program uses on one of both
    /// is an error, too: this program would get the requests, with the key, of some clients.
    pub async fn loopback(port: u16) -> Result<Vec<Self>, SetupError> {
        for _ in 0..ATTEMPTS {
            let v4 = Self::bind((Ipv4Addr::LOCALHOST, port).into()).await?;
            let found = v4.address().map_or(port, |address| address.port());
            let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, found));
            match tcp(v6).await {
                Ok(v6) => return Ok(vec![v4, v6]),
                Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => {}
                Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
                    return Err(unusable(v6, error));
                }
                Err(error) => {
                    tracing::debug!(target: "entra_serve", %error, "this machine has no ::1");
                    return Ok(vec![v4]);
                }
            }
        }
        Err(SetupError::new(
            "no port is free on both 127.0.0.1 and ::1",
            "choose a port",
        ))
    }

    /// Listens on a Unix socket with these permissions, such as `0o600`. Only the user of this
    /// process and root may connect: see [`with_users`](Self::with_users).
    ///
    /// The file of a server that has ended is replaced. The own one is removed at the end.
    ///
    /// # Errors
    /// Returns an error if the path is too long, if there is a file of another kind, if another
    /// server listens there, and if the directory cannot be written to.
    #[cfg(unix)]
    pub async fn unix(path: impl AsRef<Path>, mode: u32) -> Result<Self, SetupError> {
        unix::bind(path.as_ref(), mode).await.map(Socket::Unix).map(Self)
    }

    /// Takes the sockets that systemd passes to this process (`sd_listen_fds`), and removes the
    /// variables that name them. Without such sockets it is empty.
    ///
    /// Call it before the process has other threads, and at most once.
    ///
    /// # Errors
    /// Returns an error for a socket that is neither a TCP nor a Unix stream socket.
    #[cfg(unix)]
    pub fn inherited() -> Result<Vec<Self>, SetupError> {
        super::inherited::take()
    }

    /// Sets the users that may connect to a Unix socket. For another socket it does nothing.
    #[cfg(unix)]
    #[must_use]
    pub fn with_users(mut self, users: Users) -> Self {
        if let Socket::Unix(socket) = &mut self.0 {
            socket.users = users;
        }
        self
    }

    /// Returns its address, or `None` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Socket::Tcp(_, address) => Some(*address),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    pub(super) fn of_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self(Socket::Tcp(listener, address)))
    }
}

/// The address, or the path of a Unix socket.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Socket::Tcp(_, address) => write!(f, "{address}"),
            #[cfg(unix)]
            Socket::Unix(socket) => write!(f, "{socket}"),
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Listener> {
    // Tokio's queue is longer than that of the standard library.
    Listener::of_tcp(TcpListener::bind(address).await?.into_std()?)
}

fn unusable(address: SocketAddr, error: io::Error) -> SetupError {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "another program listens there: end it, or choose another port",
        ErrorKind::PermissionDenied => "choose a port of 1024 or more",
        _ => "choose an address of this machine",
    };
    SetupError::caused(format!("cannot listen on {address}"), hint, error)
}

/// The number of ports that are tried for one that is free on both addresses.
const ATTEMPTS: usize = 32;
