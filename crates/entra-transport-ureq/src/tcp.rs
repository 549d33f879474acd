//! DNS lookups and TCP connections, both under a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use entra_transport::{TransportError, TransportErrorKind};

use crate::deadline::Deadline;

/// Connects to a host by its name or address.
pub(crate) fn connect(host: &str, port: u16, deadline: Deadline) -> Result<TcpStream, TransportError> {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            let host = host.to_owned();
            LOOKUPS
                .within(deadline, move || (host, port).to_socket_addrs().map(Vec::from_iter))?
                .map_err(|error| TransportError::not_found().because(error))?
        }
    };
    connect_first(&addresses, deadline, connect_to)
}

/// Connects to the first address that accepts a connection.
///
/// Each attempt has a head start before the next one starts (RFC 8305, section 5), so that an
/// address that does not respond delays the others only briefly.
fn connect_first<T: Send + 'static>(
    addresses: &[SocketAddr],
    deadline: Deadline,
    connect_to: fn(SocketAddr, Duration) -> Result<T, TransportError>,
) -> Result<T, TransportError> {
    let late = |_| TransportError::late_connection();
    if let [address] = addresses {
        return connect_to(*address, deadline.left().map_err(late)?);
    }
    let mut failure = TransportError::not_found();
    let mut waiting = alternating(addresses).into_iter();
    let (done, outcomes) = channel();
    let mut open = 0;
    loop {
        let left = deadline.left().map_err(late)?;
        let next = if open < MOST_AT_ONCE { waiting.next() } else { None };
        let patience = match next {
            Some(address) => {
                let done = done.clone();
                // The receiver is gone if another attempt was faster. The timeout ends the thread
                // as well.
                start(move || drop(done.send(connect_to(address, left))))?;
                open += 1;
                left.min(HEAD_START)
            }
            None if open == 0 => return Err(failure),
            None => left,
        };
        match outcomes.recv_timeout(patience) {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => (failure, open) = (error, open - 1),
            Err(_) => {}
        }
    }
}

/// Returns the addresses of both families alternately, each family in its order. Many machines have
/// a route for only one family.
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| Some(address.is_ipv6()) == first);
    let pairs = (0..addresses.len()).flat_map(|at| [one.get(at), other.get(at)]);
    pairs.flatten().copied().collect()
}

fn connect_to(address: SocketAddr, within: Duration) -> Result<TcpStream, TransportError> {
    let connected = TcpStream::connect_timeout(&address, within);
    let connected = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => TransportError::late_connection().because(error),
        _ => TransportError::not_connected().because(error),
    })
}

/// A limit on the threads with work that cannot be canceled, such as the system's DNS lookups.
struct Uncancelable {
    limit: usize,
    running: Mutex<usize>,
    ended: Condvar,
}

impl Uncancelable {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            running: Mutex::new(0),
            ended: Condvar::new(),
        }
    }

    /// Runs the work on a thread and waits for it until the deadline. If all threads are busy,
    /// first waits for one of them.
    fn within<T: Send + 'static>(
        &'static self,
        deadline: Deadline,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TransportError> {
        let late = |_| TransportError::late_connection();
        let slot = self.slot(deadline.left().map_err(late)?)?;
        let left = deadline.left().map_err(late)?;
        let (done, outcome) = channel();
        start(move || {
            let outcome = work();
            drop(slot);
            // The receiver is gone if the work took too long.
            drop(done.send(outcome));
        })?;
        outcome
            .recv_timeout(left)
            .map_err(|_| TransportError::late_connection())
    }

    fn slot(&'static self, left: Duration) -> Result<Slot, TransportError> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .ended
            .wait_timeout_while(running, left, |running| *running >= self.limit);
        let (mut running, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(TransportError::late_connection().because("too many DNS lookups do not end"));
        }
        *running += 1;
        Ok(Slot(self))
    }
}

struct Slot(&'static Uncancelable);

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<(), TransportError> {
    let started = thread::Builder::new().spawn(work);
    started.map(drop).map_err(|error| {
        let problem = "the system cannot start a thread for connecting";
        TransportError::new(TransportErrorKind::Other, problem)
            .because(error)
            .unsent()
    })
}

static LOOKUPS: Uncancelable = Uncancelable::new(64);

/// The head start of each address. hyper's connector has the same.
const HEAD_START: Duration = Duration::from_millis(300);

/// The most addresses of a name that are tried at the same time.
const MOST_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn endless_lookup_ends_at_deadline() {
        static ONE: Uncancelable = Uncancelable::new(1);
        let (release, forever) = channel::<()>();
        let soon = || Deadline::after(Duration::from_millis(400));
        let late = ONE.within(soon(), move || forever.recv().is_ok()).unwrap_err();
        // The thread of the first lookup is still busy.
        let waiting = ONE.within(soon(), || ()).unwrap_err();
        for error in [late, waiting] {
            assert_eq!(error.kind(), TransportErrorKind::Timeout);
            assert!(error.is_unsent());
        }
        drop(release);
        for _ in 0..3 {
            ONE.within(Deadline::after(LONG), || ()).unwrap();
        }
    }

    #[test]
    fn addresses_are_tried_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = closed.local_addr().unwrap();
        drop(closed);
        let kind = |addresses: &[SocketAddr], time| {
            let outcome = connect_first(addresses, Deadline::after(time), connect_to);
            outcome.err().map(|error| error.kind())
        };
        assert_eq!(kind(&[dead, alive], LONG), None);
        assert_eq!(kind(&[alive], LONG), None);
        assert_eq!(kind(&[dead, dead], LONG), Some(TransportErrorKind::Connect));
        assert_eq!(kind(&[dead], LONG), Some(TransportErrorKind::Connect));
        assert_eq!(kind(&[], LONG), Some(TransportErrorKind::Dns));
        for addresses in [&[alive][..], &[alive, alive]] {
            assert_eq!(kind(addresses, Duration::ZERO), Some(TransportErrorKind::Timeout));
        }
    }

    /// Connects to port 1 only. Port 2 is closed, and all other ports do not respond.
    fn script(address: SocketAddr, within: Duration) -> Result<u16, TransportError> {
        match address.port() {
            1 => Ok(1),
            2 => Err(TransportError::not_connected()),
            _ => {
                thread::sleep(within);
                Err(TransportError::late_connection())
            }
        }
    }

    fn on(ports: impl IntoIterator<Item = u16>) -> Vec<SocketAddr> {
        ports.into_iter().map(|port| ([192, 0, 2, 1], port).into()).collect()
    }

    #[test]
    fn silent_addresses_do_not_block_others() {
        // If one of them used up all the time, the last would not be tried.
        let deadline = Deadline::after(Duration::from_secs(3600));
        assert_eq!(connect_first(&on([3, 4, 2, 5, 1]), deadline, script).unwrap(), 1);
        let deadline = Deadline::after(Duration::from_millis(400));
        let late = connect_first(&on([3, 2, 4]), deadline, script).unwrap_err();
        assert_eq!(late.kind(), TransportErrorKind::Timeout);
        // With the maximum of attempts, one has to end before another starts.
        let deadline = Deadline::after(Duration::from_secs(3));
        let silent = (3..).take(MOST_AT_ONCE).chain([1]);
        assert!(connect_first(&on(silent), deadline, script).is_err());
    }

    #[test]
    fn address_families_alternate() {
        let v6 = |port| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], port));
        let v4 = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let sorted = alternating(&[v6(1), v6(2), v6(3), v4(1), v4(2)]);
        assert_eq!(sorted, [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(alternating(&[v4(1), v4(2)]), [v4(1), v4(2)]);
        assert_eq!(alternating(&[v4(1), v6(1)]), [v4(1), v6(1)]);
        assert!(alternating(&[]).is_empty());
    }

    const LONG: Duration = Duration::from_secs(60);
}
