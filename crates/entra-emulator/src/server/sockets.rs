//! The listening sockets, bound before the core exists because the core names their ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// The sockets of one emulator.
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) plain: TcpListener,
    /// Without TLS, none. With it, all on one port: a client may say `localhost`, and resolve that in more than one way.
    pub(crate) tls: Vec<TcpListener>,
}

impl Sockets {
    pub(crate) fn bind(address: SocketAddr, tls: Option<u16>) -> io::Result<Self> {
        let plain = TcpListener::bind(address)?;
        plain.set_nonblocking(true)?;
        let tls = match tls {
            Some(port) => bind_localhost(address.ip(), port)?,
            None => Vec::new(),
        };
        Ok(Self {
            address: plain.local_addr()?,
            plain,
            tls,
        })
    }

    /// The URL of the TLS listeners: the first address, or `localhost` where the certificate does not name that address.
    pub(crate) fn tls_url(&self) -> io::Result<Option<String>> {
        let address = self.tls.first().map(TcpListener::local_addr).transpose()?;
        Ok(address.map(|address| match address.ip() {
            // An address needs no resolver: a bare machine may not know the name.
            IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => format!("https://{address}"),
            _ => format!("https://localhost:{}", address.port()),
        }))
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Binds a port at this address and at every address of `localhost` that the machine has.
fn bind_localhost(first: IpAddr, port: u16) -> io::Result<Vec<TcpListener>> {
    let named = ("localhost", port).to_socket_addrs().into_iter().flatten();
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in [first]
        .into_iter()
        .chain(loopback)
        .chain(named.map(|address| address.ip()))
    {
        // An unspecified address has those of its family in it.
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
            // The port that is free at the first address is taken at another.
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse && tries < MOST_TRIES => {}
            bound => return bound,
        }
    }
}

fn bind_all(ips: &[IpAddr], mut port: u16) -> io::Result<Vec<TcpListener>> {
    let mut bound: Vec<TcpListener> = Vec::new();
    for ip in ips {
        match TcpListener::bind(SocketAddr::new(*ip, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                port = listener.local_addr()?.port();
                bound.push(listener);
            }
            // This machine has no such address, and so no client reaches it. The first one was asked for.
            Err(error) if !bound.is_empty() && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}

const MOST_TRIES: usize = 16;
