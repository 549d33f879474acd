//! Other reqwest clients of the same program: they work as without this crate.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use entra_transport::{Body, Transport};
use entra_transport_conformance::{root_pem, run_with};
use entra_transport_reqwest::ReqwestTransport;
use rustls::crypto::CryptoProvider;

#[test]
fn other_clients_are_built_as_without_this_crate() {
    // reqwest reads the roots whenever it builds a client that supports TLS.
    let roots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside.pem");
    std::fs::write(&roots, root_pem()).unwrap();
    run_with(&[("SSL_CERT_FILE", OsStr::new(&roots))], "beside::child_builds_clients");
}

#[test]
#[ignore = "the test above runs it in a separate process"]
fn child_builds_clients() {
    // The crate's documentation says so for programs that choose ring.
    #[cfg(not(feature = "aws-lc-rs"))]
    rustls::crypto::ring::default_provider().install_default().unwrap();

    let client = reqwest::Client::new();
    let transport = ReqwestTransport::builder().allow_plain_loopback(true).build().unwrap();
    let built = reqwest::Client::builder().build().unwrap();
    if cfg!(feature = "aws-lc-rs") {
        assert!(
            CryptoProvider::get_default().is_none(),
            "a default for the process is installed"
        );
    }

    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            stream.write_all(response).unwrap();
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for client in [client, built] {
            assert_eq!(client.get(&uri).send().await.unwrap().text().await.unwrap(), "ok");
        }
        let request = http::Request::get(&uri).body(Body::default()).unwrap();
        assert_eq!(transport.send(request).await.unwrap().body().as_bytes(), b"ok");
    });
}
