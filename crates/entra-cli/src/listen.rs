//! Listening on all loopback addresses of a name, such as both of `localhost`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// The reason for which listening failed.
pub(crate) enum ListenError {
    /// `HOST:PORT` is invalid, or the name does not resolve.
    Address(io::Error),
    /// The name resolves to this address, which is not a loopback address.
    NotLoopback(IpAddr),
    /// An address cannot be bound.
    Bind(SocketAddr, io::Error),
}

/// Listens on `HOST:PORT`, at every address of the name, so that no other program can receive the
/// requests to that name.
///
/// Browsers resolve `localhost` to both loopback addresses, whatever the hosts file says. An
/// address that this machine does not have, such as `::1` without IPv6, is left out, since no other
/// program can use it either. Port 0 selects a port that is free at all addresses.
///
/// # Errors
/// Returns an error if the name does not resolve to loopback addresses, or one cannot be bound.
pub(crate) fn listen(place: &str) -> Result<Vec<TcpListener>, ListenError> {
    let addresses = addresses(place).map_err(ListenError::Address)?;
    if let Some(other) = addresses.iter().find(|address| !address.ip().is_loopback()) {
        return Err(ListenError::NotLoopback(other.ip()));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_all(&addresses) {
            // The port that was free at the first address is in use at another: try again.
            Err(ListenError::Bind(address, error))
                if address.port() == 0 && error.kind() == io::ErrorKind::AddrInUse && tries < MOST_TRIES => {}
            bound => return bound,
        }
    }
}

fn addresses(place: &str) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = place.rsplit_once(':').unwrap_or_default();
    let mut found: Vec<SocketAddr> = match port.parse() {
        Ok(port) if host.eq_ignore_ascii_case("localhost") => {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let named = place.to_socket_addrs().into_iter().flatten();
            both.map(|ip| SocketAddr::new(ip, port))
                .into_iter()
                .chain(named)
                .collect()
        }
        _ => place.to_socket_addrs()?.collect(),
    };
    // A hosts file may list an address twice.
    let mut known: Vec<IpAddr> = Vec::new();
    found.retain(|address| {
        let is_new = !known.contains(&address.ip());
        known.push(address.ip());
        is_new
    });
    Ok(found)
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in addresses {
        let mut address_with_port = *address;
        if let Some(Ok(first)) = bound.first().map(TcpListener::local_addr) {
            address_with_port.set_port(first.port());
        }
        match TcpListener::bind(address_with_port) {
            Ok(listener) => bound.push(listener),
            Err(error) if is_missing(&error) => missing = Some(ListenError::Bind(*address, error)),
            Err(error) => return Err(ListenError::Bind(*address, error)),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

/// Returns true if this machine does not have the address, or any address of its family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// The error code EAFNOSUPPORT.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_SUCH_FAMILY: i32 = 97;
#[cfg(windows)]
const NO_SUCH_FAMILY: i32 = 10_047;
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const NO_SUCH_FAMILY: i32 = 47;

/// The maximum number of attempts to find a port that is free at all addresses.
const MOST_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_loopback_addresses() {
        let found = addresses("localhost:8400").unwrap();
        assert!(found.contains(&"127.0.0.1:8400".parse().unwrap()) && found.contains(&"[::1]:8400".parse().unwrap()));
        assert_eq!(
            addresses("127.0.0.1:8400").unwrap(),
            ["127.0.0.1:8400".parse().unwrap()]
        );
        for nonsense in [
            "nonsense",
            "8400",
            ":8400",
            "127.0.0.1:80000",
            "localhost",
            "localhost:x",
        ] {
            assert!(addresses(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn port_in_use_at_one_address_is_an_error() {
        let Ok(other) = TcpListener::bind("[::1]:0") else {
            crate::skips::skip("ipv6", "this machine has no IPv6");
            return;
        };
        let port = other.local_addr().unwrap().port();
        let Err(ListenError::Bind(address, error)) = listen(&format!("localhost:{port}")) else {
            panic!("the listener shares the port of another program");
        };
        assert_eq!(
            (address.ip(), error.kind()),
            (Ipv6Addr::LOCALHOST.into(), io::ErrorKind::AddrInUse)
        );
    }

    #[test]
    fn free_port_is_the_same_at_all_addresses() {
        let Ok(bound) = listen("localhost:0") else {
            panic!("there is no free port")
        };
        let ports: Vec<u16> = bound
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }
}
