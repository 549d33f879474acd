//! The scripted servers on loopback, and the record of what they received.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

/// A server on loopback that runs a script for each connection and records what it receives.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Server {
    /// Starts a server for plain TCP.
    pub(crate) fn start(script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::listen(None, script)
    }

    /// Starts a server for TLS. The script starts after the handshake.
    pub(crate) fn start_tls(
        config: impl Into<Arc<ServerConfig>>,
        script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(config.into()), script)
    }

    /// Starts a server that responds to each request of each connection with the same bytes.
    pub(crate) fn responding(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |peer| {
            while peer.request()?.is_some() {
                peer.write(&response)?;
            }
            Ok(())
        })
    }

    /// Returns a closed port of loopback.
    pub(crate) fn closed_port() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        listener.local_addr().expect("it is bound").port()
    }

    fn listen(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let (script, watched) = (Arc::new(script), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if watched.is_stopped() {
                    break;
                }
                let Ok(stream) = stream else { continue };
                watched.connections.fetch_add(1, Ordering::SeqCst);
                let (script, seen, tls) = (Arc::clone(&script), Arc::clone(&watched), tls.clone());
                thread::spawn(move || {
                    // A script fails if the client closes the connection. The case checks the
                    // record.
                    if let Ok(mut peer) = Peer::new(stream, tls, Arc::clone(&seen)) {
                        let _ = script(&mut peer);
                    }
                    seen.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns `http://127.0.0.1:port` followed by `path`.
    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns `https://127.0.0.1:port` followed by `path`. It has no host name, because some
    /// machines do not resolve `localhost`.
    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Returns the number of accepted connections.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of received bytes of requests, without those of TLS.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.bytes.load(Ordering::SeqCst)
    }

    /// Returns all complete requests.
    pub(crate) fn requests(&self) -> Vec<RawRequest> {
        self.seen.requests().clone()
    }

    /// Returns the name of the server that the last client sent in TLS.
    pub(crate) fn server_name(&self) -> Option<String> {
        let name = self.seen.server_name.lock();
        name.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until all accepted connections have ended. A client with a short timeout may not have
    /// connected at all.
    pub(crate) fn wait_for_ends(&self) -> bool {
        self.wait_for_end(self.connections())
    }

    /// Waits until `count` connections have ended. Returns `false` if they do not end within a
    /// minute.
    pub(crate) fn wait_for_end(&self, count: usize) -> bool {
        for _ in 0..6000 {
            if self.seen.ended.load(Ordering::SeqCst) >= count {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// A port of loopback whose queue of connections is full, so that it never accepts another one.
pub(crate) struct Unaccepting {
    listener: Socket,
    /// The connections that fill the queue.
    waiting: Vec<TcpStream>,
}

impl Unaccepting {
    /// Starts one. Returns `None` if the queue of this system does not fill, or if the system
    /// rejects connections that do not fit into it.
    pub(crate) fn start() -> Option<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("this machine has sockets");
        listener.bind(&address.into()).expect("loopback has a free port");
        listener.listen(1).expect("it is bound");
        let mut server = Self {
            listener,
            waiting: Vec::new(),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        for _ in 0..MOST_WAITING {
            match TcpStream::connect_timeout(&address, FULL) {
                Ok(stream) => server.waiting.push(stream),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Some(server),
                Err(_) => return None,
            }
        }
        None
    }

    pub(crate) fn port(&self) -> u16 {
        let address = self.listener.local_addr().expect("it is bound");
        address.as_socket().expect("it is an address of IPv4").port()
    }

    /// Returns `http://127.0.0.1:port` followed by `path`.
    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }
}

#[derive(Default)]
struct Seen {
    stopped: AtomicBool,
    connections: AtomicUsize,
    ended: AtomicUsize,
    bytes: AtomicUsize,
    requests: Mutex<Vec<RawRequest>>,
    /// The name that the last client sent in TLS.
    server_name: Mutex<Option<String>>,
}

impl Seen {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn requests(&self) -> MutexGuard<'_, Vec<RawRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct RawRequest {
    pub(crate) line: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl RawRequest {
    /// Returns the values of all headers of this name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

type Headers = Vec<(String, String)>;

/// The server's end of one connection.
pub(crate) struct Peer {
    stream: Stream,
    seen: Arc<Seen>,
    unread: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Peer {
    fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>, seen: Arc<Seen>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(config) => {
                let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
                let mut stream = stream;
                while connection.is_handshaking() {
                    if let Err(error) = connection.complete_io(&mut stream) {
                        // An alert of TLS is still sent.
                        let _ = connection.write_tls(&mut stream);
                        return Err(error);
                    }
                }
                let name = connection.server_name().map(str::to_owned);
                *seen.server_name.lock().unwrap_or_else(PoisonError::into_inner) = name;
                Stream::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
        };
        Ok(Self {
            stream,
            seen,
            unread: Vec::new(),
        })
    }

    /// Reads the next request. Returns `None` if the client closed the connection between two
    /// requests.
    pub(crate) fn request(&mut self) -> io::Result<Option<RawRequest>> {
        let Some((line, headers)) = self.head()? else {
            return Ok(None);
        };
        let mut request = RawRequest {
            line,
            headers,
            body: Vec::new(),
        };
        let length = request
            .all("content-length")
            .first()
            .and_then(|value| value.parse().ok())
            .unwrap_or(0);
        while self.unread.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        request.body = self.unread.drain(..length).collect();
        self.seen.requests().push(request.clone());
        Ok(Some(request))
    }

    /// Reads one byte of the request and leaves the rest unread, so that closing resets the
    /// connection.
    pub(crate) fn reset_later(&mut self) -> io::Result<()> {
        self.stream.read_exact(&mut [0])
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Writes `bytes` repeatedly, one byte at a time with a pause before each, until the client is
    /// gone. Writes nothing if `bytes` is empty.
    pub(crate) fn trickle_on(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        if bytes.is_empty() {
            return self.until_gone();
        }
        let seen = Arc::clone(&self.seen);
        for byte in bytes.iter().cycle().take_while(|_| !seen.is_stopped()) {
            thread::sleep(pause);
            self.write(&[*byte])?;
        }
        Ok(())
    }

    /// Leaves TLS: from now on, bytes are written to the connection directly.
    pub(crate) fn leave_tls(&mut self) -> io::Result<()> {
        if let Stream::Tls(stream) = &self.stream {
            self.stream = Stream::Plain(stream.sock.try_clone()?);
        }
        Ok(())
    }

    /// Reads `bytes` bytes at a time, with a pause before each read, until the server stops.
    pub(crate) fn read_slowly(&mut self, bytes: usize, pause: Duration) -> io::Result<()> {
        let mut some = vec![0; bytes];
        while !self.seen.is_stopped() {
            thread::sleep(pause);
            if bytes > 0 && self.stream.read(&mut some)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Reads until the client closes the connection.
    pub(crate) fn until_gone(&mut self) -> io::Result<()> {
        loop {
            match self.fill() {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    // The client is still connected, so the connection must not count as ended.
                    thread::sleep(PATIENCE);
                    return Err(error);
                }
                Err(_) => return Ok(()),
            }
        }
    }

    /// Forwards all bytes to `port` of loopback, and back.
    pub(crate) fn tunnel(&self, port: u16) -> io::Result<()> {
        let Stream::Plain(near) = &self.stream else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let (mut out, mut back) = ((near.try_clone()?, far.try_clone()?), (far, near.try_clone()?));
        thread::spawn(move || {
            let _ = io::copy(&mut back.0, &mut back.1);
            let _ = back.1.shutdown(Shutdown::Write);
        });
        io::copy(&mut out.0, &mut out.1)?;
        out.1.shutdown(Shutdown::Write)
    }

    /// Sends TLS' `close_notify`, and closes the sending side.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                stream.sock.shutdown(Shutdown::Write)
            }
        }
    }

    fn head(&mut self) -> io::Result<Option<(String, Headers)>> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        Ok(Some((line, headers)))
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let length = self.stream.read(&mut chunk)?;
        self.unread.extend_from_slice(&chunk[..length]);
        self.seen.bytes.fetch_add(length, Ordering::SeqCst);
        Ok(length)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// The time after which a connection that is not established shows that the queue is full.
const FULL: Duration = Duration::from_millis(200);
const MOST_WAITING: usize = 32;
/// The timeout of the servers' sockets. It is longer than the deadlines that cases test.
const PATIENCE: Duration = Duration::from_secs(10);
