//! Listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// Listens on `HOST:PORT`, at every address of the name: browsers reach `localhost` at either
/// loopback address, and another program at one of them would get the authorization codes. An
/// address that this machine does not have is left out.
///
/// # Errors
/// Returns an error that names the option if the place is not an address or is in use.
pub(crate) fn listen(option: &str, place: &str) -> Result<Vec<TcpListener>, String> {
    let failed = |error: io::Error| format!("{option} {place}: {error}; write HOST:PORT, such as localhost:8080");
    let (host, port) = place.rsplit_once(':').unwrap_or_default();
    let mut addresses: Vec<SocketAddr> = match port.parse() {
        Ok(port) if host.eq_ignore_ascii_case("localhost") => {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            both.map(|ip| SocketAddr::new(ip, port)).to_vec()
        }
        _ => place.to_socket_addrs().map_err(failed)?.collect(),
    };
    addresses.sort();
    addresses.dedup();
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_all(&addresses) {
            // Port 0: a port that is free at the first address may be taken at another.
            Err(error) if port == "0" && error.kind() == io::ErrorKind::AddrInUse && tries < MOST_TRIES => {}
            bound => return bound.map_err(|error| format!("{option} {place}: {error}")),
        }
    }
}

fn bind_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in addresses {
        let mut wanted = *address;
        if let Some(first) = bound.first() {
            wanted.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(wanted) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                bound.push(listener);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => missing = Some(error),
            // This machine has no addresses of that family.
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|code| matches!(code, 47 | 97 | 10_047)) =>
            {
                missing = Some(error)
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

const MOST_TRIES: usize = 16;

#[cfg(test)]
#[path = "../../crates/entra-cli/tests/it/common/skips.rs"]
mod skips;

#[cfg(test)]
mod tests {
    use super::skips::skip;
    use super::*;

    #[test]
    fn localhost_is_bound_in_both_families() {
        let bound = listen("--connect", "localhost:0").unwrap();
        let port = bound[0].local_addr().unwrap().port();
        assert!(
            bound
                .iter()
                .all(|listener| listener.local_addr().unwrap().port() == port)
        );
        let taken = listen("--connect", &format!("localhost:{port}"));
        assert!(taken.is_err());
        assert!(listen("--connect", "localhost").is_err() && listen("--connect", "localhost:x").is_err());
        if bound.len() == 1 {
            skip("ipv6", "this machine has no IPv6");
        }
    }
}
