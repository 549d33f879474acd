//! Names and TCP.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use entra_transport::{TransportError, TransportErrorKind};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

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
            LOOK_UPS
                .within(deadline, move || (host, port).to_socket_addrs().map(Vec::from_iter))?
                .map_err(|error| TransportError::not_found().because(error))?
        }
    };
    any(&addresses, deadline, to)
}

/// Connects to the first address that takes a connection.
///
/// Each has a head start before the next joins (RFC 8305, section 5), so that one that says nothing holds up no other.
fn any<T: Send + 'static>(
    addresses: &[SocketAddr],
    deadline: Deadline,
    to: fn(SocketAddr, Duration) -> Result<T, TransportError>,
) -> Result<T, TransportError> {
    let late = |_| TransportError::late_connection();
    if let [address] = addresses {
        return to(*address, deadline.left().map_err(late)?);
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
                // The receiver is gone where another was faster. The time bounds the thread as well.
                start(move || drop(done.send(to(address, left))))?;
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

/// The addresses of both families in turn, each in its order: a machine often has one family without a way out.
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| Some(address.is_ipv6()) == first);
    let pairs = (0..addresses.len()).flat_map(|at| [one.get(at), other.get(at)]);
    pairs.flatten().copied().collect()
}

fn to(address: SocketAddr, within: Duration) -> Result<TcpStream, TransportError> {
    let connected = TcpStream::connect_timeout(&address, within);
    let connected = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => TransportError::late_connection().because(error),
        _ => TransportError::not_connected().because(error),
    })
}

/// Work that cannot be told to stop, such as the system's look-up of names, and a bound on the threads that it may hold.
struct Unstoppable {
    most: usize,
    running: Mutex<usize>,
    ended: Condvar,
}

impl Unstoppable {
    const fn new(most: usize) -> Self {
        Self {
            most,
            running: Mutex::new(0),
            ended: Condvar::new(),
        }
    }

    /// Does the work, and waits for it until the deadline: first for a thread, where all of them are busy.
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
            // The receiver is gone where the work took too long.
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
            .wait_timeout_while(running, left, |running| *running >= self.most);
        let (mut running, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(TransportError::late_connection().because("the look-ups of other names do not end"));
        }
        *running += 1;
        Ok(Slot(self))
    }
}

struct Slot(&'static Unstoppable);

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<(), TransportError> {
    let started = thread::Builder::new().spawn(work);
    started.map(drop).map_err(|error| {
        let message = "the system starts no thread to connect in";
        TransportError::new(TransportErrorKind::Other, message)
            .because(error)
            .unsent()
    })
}

/// A TCP connection whose every step ends by its deadline, also where the other side takes or gives a byte now and then.
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream, buffers: LazyBuffers) -> Self {
        Self { stream, buffers }
    }
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = &self.buffers.output()[..amount];
        let written = Deadline::of(timeout).bound(&self.stream).write_all(output);
        written.map_err(|error| late(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let mut stream = Deadline::of(timeout).bound(&self.stream);
        let length = loop {
            match stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| late(error, timeout))?,
            }
        };
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    /// An idle connection is open while there is nothing to read: neither its end, nor bytes without a request.
    fn is_open(&mut self) -> bool {
        let probe = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            peeked
        };
        probe(&self.stream).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

fn late(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

static LOOK_UPS: Unstoppable = Unstoppable::new(64);

/// As long as hyper's connector gives it.
const HEAD_START: Duration = Duration::from_millis(300);

/// How many addresses of a name may be tried at the same time.
const MOST_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_name_that_is_never_found_meets_the_deadline() {
        static ONE: Unstoppable = Unstoppable::new(1);
        let (release, forever) = channel::<()>();
        let soon = || Deadline::after(Duration::from_millis(400));
        let late = ONE.within(soon(), move || forever.recv().is_ok()).unwrap_err();
        // The thread of the first is still busy.
        let kept_out = ONE.within(soon(), || ()).unwrap_err();
        for error in [late, kept_out] {
            assert_eq!(error.kind(), TransportErrorKind::Timeout);
            assert!(error.is_unsent());
        }
        drop(release);
        for _ in 0..3 {
            ONE.within(Deadline::after(LONG), || ()).unwrap();
        }
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = nobody.local_addr().unwrap();
        drop(nobody);
        let kind = |addresses: &[SocketAddr], time| {
            let outcome = any(addresses, Deadline::after(time), to);
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

    /// Port 1 takes a connection, port 2 refuses one, and all others say nothing.
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
    fn addresses_that_say_nothing_hold_up_no_other() {
        // Where one of them had the time to itself, the last would not come to its turn.
        let deadline = Deadline::after(Duration::from_secs(3600));
        assert_eq!(any(&on([3, 4, 2, 5, 1]), deadline, script).unwrap(), 1);
        let deadline = Deadline::after(Duration::from_millis(400));
        let late = any(&on([3, 2, 4]), deadline, script).unwrap_err();
        assert_eq!(late.kind(), TransportErrorKind::Timeout);
        // One of those that are tried has to end before another begins.
        let deadline = Deadline::after(Duration::from_secs(3));
        let silent = (3..).take(MOST_AT_ONCE).chain([1]);
        assert!(any(&on(silent), deadline, script).is_err());
    }

    #[test]
    fn both_families_are_tried_in_turn() {
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
