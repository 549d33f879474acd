//! `entra serve`: tokens for local programs.

mod config;
mod guest;
mod identities;
mod life;
mod options;
#[cfg(target_os = "linux")]
mod systemd;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{GRAPH, Running, command};

/// A running server, with what it has printed so far.
struct Served {
    child: Running,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

impl Served {
    /// Starts a server, and waits until it is ready.
    fn start(words: &[&str], variables: &[(&str, &str)]) -> Self {
        let served = Self::begin(words, variables);
        served.wait_for("ready: ");
        served
    }

    fn begin(words: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(&mut command(&[&["serve"], words].concat(), variables))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = Running::start(command);
        let (out, err) = (Arc::default(), Arc::default());
        let readers = [
            read(child.stdout.take().unwrap(), &out),
            read(child.stderr.take().unwrap(), &err),
        ];
        Self {
            child,
            out,
            err,
            readers,
        }
    }

    fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits until a text is on standard error.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait(|| self.err().contains(text), || format!("no {text:?}: {}", self.err()));
    }

    /// Returns a variable of the printed lines.
    fn variable(&self, name: &str) -> String {
        let start = format!("export {name}=");
        wait(|| self.out().contains(&start), || format!("no {name}: {}", self.out()));
        let out = self.out();
        let line = out.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
        line.trim_matches('\'').to_owned()
    }

    /// Returns the client that the variables describe.
    fn client(&self) -> Client {
        let endpoint = self.variable("IDENTITY_ENDPOINT");
        let host = endpoint.strip_prefix("http://").unwrap().strip_suffix("/msi/token");
        Client {
            host: host.unwrap().to_owned(),
            key: self.variable("IDENTITY_HEADER"),
        }
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{name}"), &self.child.id().to_string()]);
        assert!(kill.stdin(Stdio::null()).status().unwrap().success());
    }

    /// Waits for the end of the process.
    fn end(self) -> Output {
        let mut output = self.child.output();
        for reader in self.readers {
            reader.join().unwrap();
        }
        output.stdout = self.out.lock().unwrap().clone().into_bytes();
        output.stderr = self.err.lock().unwrap().clone().into_bytes();
        output
    }
}

fn read(pipe: impl Read + Send + 'static, text: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let text = Arc::clone(text);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = text.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    })
}

#[track_caller]
fn wait(is_done: impl Fn() -> bool, problem: impl Fn() -> String) {
    let since = Instant::now();
    while !is_done() {
        assert!(since.elapsed() < Duration::from_secs(60), "{}", problem());
        thread::sleep(Duration::from_millis(10));
    }
}

/// A program that asks the server.
#[derive(Clone)]
struct Client {
    host: String,
    key: String,
}

impl Client {
    /// Asks for a token of Graph.
    fn ask(&self) -> (u16, Value) {
        self.ask_for(GRAPH, "")
    }

    fn ask_for(&self, resource: &str, more: &str) -> (u16, Value) {
        let path = format!("/msi/token?api-version=2019-08-01&resource={resource}{more}");
        self.get(&path, &[("X-IDENTITY-HEADER", &self.key)])
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        self.try_get(path, headers).unwrap()
    }

    fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> std::io::Result<(u16, Value)> {
        exchange(TcpStream::connect(&self.host)?, &self.host, path, headers)
    }
}

/// Sends a request, and returns the status and the JSON of the response, or its text.
fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<(u16, Value)> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{request}\r\n").as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, serde_json::from_str(body).unwrap_or_else(|_| body.into())))
}

/// Asserts that a response is a token for an audience.
#[track_caller]
fn is_token((status, body): &(u16, Value), audience: &str) -> String {
    assert_eq!(*status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    let claims = entra_proto::claims::UnverifiedClaims::decode(token).unwrap();
    assert_eq!(claims.audience(), Some(audience));
    token.to_owned()
}
