//! A server on loopback that a test scripts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// An API on loopback: one request on each connection.
pub(crate) struct Server {
    pub(crate) origin: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

/// Returns the head of a response for a path and a token: status and fields.
type Script = dyn Fn(&str, &str) -> (u16, String) + Send + Sync;

impl Server {
    pub(crate) fn start(script: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::<Mutex<Vec<_>>>::default());
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // The server ignores clients that hang up.
                drop(stream.and_then(|stream| response(stream, &*script, &record)));
            }
        });
        Self { origin, seen }
    }

    /// Returns the path and token of each request.
    pub(crate) fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.seen().into_iter().map(|(_, token)| token).collect()
    }
}

fn response(mut stream: TcpStream, script: &Script, seen: &Mutex<Vec<(String, String)>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = reader.by_ref().lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut token, mut length) = (String::new(), 0_usize);
    for line in lines.by_ref() {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token.push_str(value.strip_prefix("Bearer ").unwrap_or(value)),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    // A connection that is closed before the body is read is reset.
    reader.read_exact(&mut vec![0; length])?;
    seen.lock().unwrap().push((path.clone(), token.clone()));
    let (status, fields) = script(&path, &token);
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{fields}\r\n{token}",
        token.len()
    )
}
