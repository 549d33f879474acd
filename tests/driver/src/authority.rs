//! The authority's side door: what it counts, and how slow it is.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Returns the authority's counter of this name.
pub(crate) fn count(name: &str) -> u64 {
    let counts: Value = serde_json::from_str(&get("/_stats")).expect("the counts are JSON");
    counts[name].as_u64().unwrap_or_default()
}

/// Sets the milliseconds that each response takes.
pub(crate) fn latency(milliseconds: u64) {
    get(&format!("/_latency?ms={milliseconds}"));
}

fn get(path: &str) -> String {
    let base = variable("AUTH_HTTP");
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("the authority's plain port");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("a request");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    response
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}
