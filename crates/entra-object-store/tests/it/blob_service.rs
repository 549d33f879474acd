//! A blob service on loopback with one container, which checks the token of each request.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A blob service on loopback: one request on each connection.
pub(crate) struct BlobService {
    pub(crate) origin: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Vec<u8>>,
    /// The token of each request.
    tokens: Vec<String>,
    rejected: Vec<&'static str>,
}

impl BlobService {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // The service ignores clients that hang up.
                drop(stream.and_then(|stream| serve(stream, &shared)));
            }
        });
        Self { origin, state }
    }

    /// Rejects this token from now on.
    pub(crate) fn reject(&self, token: &'static str) {
        self.state.lock().unwrap().rejected.push(token);
    }

    /// Returns the token of each request.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.state.lock().unwrap().tokens.clone()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut token, mut length) = (String::new(), 0);
    for line in reader.by_ref().lines() {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = value.trim_start_matches("Bearer ").to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut state = state.lock().unwrap();
    state.tokens.push(token.clone());
    let path = uri.split('?').next().unwrap_or_default().to_owned();
    let (status, body) = if token.is_empty() || state.rejected.contains(&token.as_str()) {
        (401, Vec::new())
    } else if method == "PUT" {
        state.blobs.insert(path, body);
        (201, Vec::new())
    } else if uri.contains("comp=list") {
        (200, list(&state.blobs).into_bytes())
    } else {
        state
            .blobs
            .get(&path)
            .map_or((404, Vec::new()), |blob| (200, blob.clone()))
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\netag: \"1\"\r\nlast-modified: {MODIFIED}\r\n\
         content-type: application/xml\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

fn list(blobs: &BTreeMap<String, Vec<u8>>) -> String {
    let blobs: String = blobs
        .iter()
        .map(|(path, blob)| {
            let (name, length) = (path.rsplit('/').next().unwrap(), blob.len());
            format!(
                "<Blob><Name>{name}</Name><Properties><Last-Modified>{MODIFIED}</Last-Modified>\
                 <Etag>1</Etag><Content-Length>{length}</Content-Length>\
                 <Content-Type>text/plain</Content-Type></Properties></Blob>"
            )
        })
        .collect();
    format!("<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>")
}

const MODIFIED: &str = "Mon, 30 Nov 2026 10:00:00 GMT";
