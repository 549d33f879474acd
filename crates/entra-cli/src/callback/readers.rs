//! The limited set of open connections of the loopback server.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};

/// The open connections. If there are too many, the oldest is closed, so that idle connections do
/// not block a browser.
#[derive(Default)]
pub(super) struct Readers(Mutex<(u64, VecDeque<(u64, TcpStream)>)>);

impl Readers {
    /// Adds a connection, and returns its ID.
    ///
    /// # Errors
    /// Returns an error if the handle of the connection cannot be cloned.
    pub(super) fn enter(&self, stream: &TcpStream) -> io::Result<u64> {
        let handle = stream.try_clone()?;
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, open) = &mut *inside;
        if open.len() >= READERS
            && let Some((_, oldest)) = open.pop_front()
        {
            let _ = oldest.shutdown(Shutdown::Both);
        }
        *last += 1;
        open.push_back((*last, handle));
        Ok(*last)
    }

    /// Removes a connection.
    pub(super) fn leave(&self, id: u64) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.1.retain(|(known, _)| *known != id);
    }
}

/// The maximum number of open connections.
pub(super) const READERS: usize = 32;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn oldest_connection_is_closed_for_a_new_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let browser = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            browser.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            (browser, listener.accept().unwrap().0)
        };
        let is_open = |browser: &mut TcpStream| browser.read(&mut [0]).is_err();
        let readers = Readers::default();
        let mut all: Vec<_> = (0..READERS).map(|_| connect()).collect();
        let ids: Vec<_> = all.iter().map(|(_, stream)| readers.enter(stream).unwrap()).collect();
        // A finished connection frees its place.
        readers.leave(ids[5]);
        let next = connect();
        readers.enter(&next.1).unwrap();
        assert!(is_open(&mut all[0].0));
        let one_more = connect();
        readers.enter(&one_more.1).unwrap();
        assert!(!is_open(&mut all[0].0) && is_open(&mut all[1].0));
    }
}
