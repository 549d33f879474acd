use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// Why there is nothing to listen at.
pub(crate) enum ListenError {
    /// `HOST:PORT` cannot be read, or the name stands for no address.
    Address(io::Error),
    /// The name stands for this address, which others reach too, or which is not of this machine.
    NotLoopback(IpAddr),
    /// An address cannot be bound.
    Bind(SocketAddr, io::Error),
}

/// Listens on `HOST:PORT`: at every address that the name stands for, so that no other program gets what is sent to that name.
///
/// Browsers take `localhost` for both loopback addresses, whatever the hosts file says. An address that this machine does not have, such
/// as `::1` without IPv6, is left out: no other program can have it either. Port 0 takes one port that is free at all of them.
pub(crate) fn listen(place: &str) -> Result<Vec<TcpListener>, ListenError> {
    let addresses = addresses(place).map_err(ListenError::Address)?;
    if let Some(other) = addresses.iter().find(|address| !address.ip().is_loopback()) {
        return Err(ListenError::NotLoopback(other.ip()));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_all(&addresses) {
            // The port that is free at the first address is taken at another.
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
    // A hosts file may name one address twice.
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
        let mut wanted = *address;
        if let Some(Ok(first)) = bound.first().map(TcpListener::local_addr) {
            wanted.set_port(first.port());
        }
        match TcpListener::bind(wanted) {
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

/// Whether this machine has no such address, or no addresses of that family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// EAFNOSUPPORT.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_SUCH_FAMILY: i32 = 97;
#[cfg(windows)]
const NO_SUCH_FAMILY: i32 = 10_047;
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const NO_SUCH_FAMILY: i32 = 47;

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
    fn a_port_taken_at_one_address_of_the_name_is_taken() {
        let Ok(other) = TcpListener::bind("[::1]:0") else {
            // Not by `eprintln!`, which the test harness keeps to itself.
            let _ = io::Write::write_all(&mut io::stderr(), b"SKIPPED: this machine has no IPv6\n");
            return;
        };
        let port = other.local_addr().unwrap().port();
        let Err(ListenError::Bind(address, error)) = listen(&format!("localhost:{port}")) else {
            panic!("the port of another program was taken");
        };
        assert_eq!(
            (address.ip(), error.kind()),
            (Ipv6Addr::LOCALHOST.into(), io::ErrorKind::AddrInUse)
        );
    }

    #[test]
    fn a_free_port_is_one_for_all_addresses() {
        let Ok(bound) = listen("localhost:0") else {
            panic!("no port is free")
        };
        let ports: Vec<u16> = bound
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }
}
