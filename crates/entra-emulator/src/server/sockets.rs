//! The listening sockets, bound before the state exists because the state contains their ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use crate::Error;

/// The sockets of one emulator.
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) plain: TcpListener,
    /// The TLS listeners, all on one port, because `localhost` can resolve to several addresses.
    /// Empty without TLS.
    pub(crate) tls: Vec<TcpListener>,
    /// The TLS listeners of Service Fabric, all on one port. Empty unless they are enabled.
    pub(crate) fabric: Vec<TcpListener>,
    /// The listener of the control API, if it is enabled.
    pub(crate) control: Option<TcpListener>,
    /// The names by which clients reach this machine, in addition to its addresses.
    pub(crate) names: Vec<String>,
}

impl Sockets {
    pub(crate) fn bind(
        address: SocketAddr,
        tls: Option<u16>,
        fabric: Option<u16>,
        control: Option<SocketAddr>,
        names: Vec<String>,
    ) -> Result<Self, Error> {
        let plain = listen(address)?;
        let local = plain.local_addr()?;
        let secure = |port: Option<u16>| port.map_or(Ok(Vec::new()), |port| bind_localhost(address.ip(), port));
        let (tls, fabric) = (secure(tls)?, secure(fabric)?);
        let control = control.map(listen).transpose()?;
        Ok(Self {
            address: local,
            plain,
            tls,
            fabric,
            control,
            names,
        })
    }

    /// Returns the URL of the TLS listeners.
    pub(crate) fn tls_url(&self) -> io::Result<Option<String>> {
        self.secure_url(&self.tls)
    }

    /// Returns the URL of the listeners of Service Fabric.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "Service Fabric listens with TLS"))]
    pub(crate) fn fabric_url(&self) -> io::Result<Option<String>> {
        self.secure_url(&self.fabric)
    }

    fn secure_url(&self, listeners: &[TcpListener]) -> io::Result<Option<String>> {
        let address = listeners.first().map(TcpListener::local_addr).transpose()?;
        Ok(address.map(|address| self.origin("https", address)))
    }

    /// Returns the URL of the control API.
    pub(crate) fn control_url(&self) -> io::Result<Option<String>> {
        let address = self.control.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(address.map(|address| match address.ip().is_loopback() {
            // Only this machine can reach it, so names are not needed.
            true => format!("http://{address}"),
            false => self.origin("http", address),
        }))
    }

    pub(crate) fn base_url(&self) -> String {
        self.origin("http", self.address)
    }

    /// Returns an origin with the first configured name, otherwise with the address: a minimal
    /// machine may not resolve `localhost`. An unspecified address is replaced by the loopback
    /// address of its family.
    fn origin(&self, scheme: &str, address: SocketAddr) -> String {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let port = address.port();
        match self.names.first() {
            // An IPv6 address is put in brackets.
            Some(name) => match name.parse() {
                Ok(ip) => format!("{scheme}://{}", SocketAddr::new(ip, port)),
                Err(_) => format!("{scheme}://{name}:{port}"),
            },
            None => format!("{scheme}://{}", SocketAddr::new(ip, port)),
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| Error::Listen {
        address,
        error: Arc::new(error),
    })
}

/// Binds a port at this address and at every address of `localhost` that the machine has.
fn bind_localhost(first: IpAddr, port: u16) -> Result<Vec<TcpListener>, Error> {
    let named = ("localhost", port).to_socket_addrs().into_iter().flatten();
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in [first]
        .into_iter()
        .chain(loopback)
        .chain(named.map(|address| address.ip()))
    {
        // An unspecified address includes all addresses of its family.
        let is_in = |known: &IpAddr| *known == ip || known.is_unspecified() && known.is_ipv4() == ip.is_ipv4();
        let is_localhost = ip == first || ip.is_loopback();
        if is_localhost && !ips.iter().any(is_in) {
            ips.push(ip);
        }
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_all(&ips, port) {
            // The port that is free at the first address is in use at another.
            Err(Error::Listen { error, .. })
                if port == 0 && error.kind() == io::ErrorKind::AddrInUse && tries < MOST_TRIES => {}
            bound => return bound,
        }
    }
}

fn bind_all(ips: &[IpAddr], mut port: u16) -> Result<Vec<TcpListener>, Error> {
    let mut bound: Vec<TcpListener> = Vec::new();
    for ip in ips {
        match listen(SocketAddr::new(*ip, port)) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                bound.push(listener);
            }
            // On most systems, the unspecified IPv6 address includes IPv4, which is therefore bound
            // already.
            Err(Error::Listen { error, .. })
                if error.kind() == io::ErrorKind::AddrInUse
                    && ip.is_ipv4()
                    && ips
                        .first()
                        .is_some_and(|first| first.is_ipv6() && first.is_unspecified())
                    && !bound.is_empty() => {}
            // This machine does not have the address, so no client can use it. The first address is
            // mandatory.
            Err(Error::Listen { error, .. }) if !bound.is_empty() && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}

const MOST_TRIES: usize = 16;
