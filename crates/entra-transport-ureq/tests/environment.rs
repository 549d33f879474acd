//! What the environment of a process changes: the proxy, and the file of roots.

#![cfg(feature = "native-roots")]

use std::io::Read;
use std::net::TcpListener;
use std::process::Command;

use entra_transport::{BlockingTransport, Body, TransportErrorKind};
use entra_transport_ureq::UreqTransport;

#[test]
fn a_proxy_in_the_environment_is_asked() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let mut start = [0; 34];
        proxy.accept().unwrap().0.read_exact(&mut start).unwrap();
        start
    });
    again_with(
        "HTTPS_PROXY",
        &format!("http://{address}"),
        "child_sends_through_the_proxy",
    );
    assert_eq!(&asked.join().unwrap(), b"CONNECT login.example:443 HTTP/1.1");
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_and_not_ignored() {
    again_with("HTTPS_PROXY", "socks5://127.0.0.1:1080", "child_cannot_be_built");
}

#[test]
fn a_file_of_roots_that_is_not_there_leaves_nobody_to_trust() {
    again_with("SSL_CERT_FILE", "/no/such/file.pem", "child_cannot_be_built");
}

#[test]
#[ignore = "run by the tests above in a process of its own"]
fn child_sends_through_the_proxy() {
    let request = http::Request::get("https://login.example/")
        .body(Body::default())
        .unwrap();
    let transport = UreqTransport::new().unwrap();
    let error = transport.send(request).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Connect);
}

#[test]
#[ignore = "run by the tests above in a process of its own"]
fn child_cannot_be_built() {
    assert_eq!(
        UreqTransport::new().unwrap_err().kind(),
        TransportErrorKind::Configuration
    );
}

/// Runs one test of this file again, in a process whose environment says so.
fn again_with(name: &str, value: &str, test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in [
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ] {
        command.env_remove(name);
    }
    let ended = command
        .args(["--exact", test, "--ignored"])
        .env(name, value)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}
