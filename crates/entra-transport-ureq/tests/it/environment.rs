//! What the environment of a process changes: the proxy, and the file of roots.

use std::ffi::OsStr;
use std::io::Read;
use std::net::TcpListener;

use entra_transport::conformance::{root_pem, run_with};
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
    let proxy = format!("http://{address}");
    run_with(
        &[("HTTPS_PROXY", OsStr::new(&proxy))],
        "environment::child_sends_through_the_proxy",
    );
    assert_eq!(&asked.join().unwrap(), b"CONNECT login.example:443 HTTP/1.1");
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_and_not_ignored() {
    let proxy = OsStr::new("socks5://127.0.0.1:1080");
    run_with(&[("HTTPS_PROXY", proxy)], "environment::child_cannot_be_built");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_an_error_and_not_ignored() {
    use std::os::unix::ffi::OsStrExt;

    let broken = OsStr::from_bytes(b"http://user:p\xe9ss@127.0.0.1:1");
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        run_with(&[(name, broken)], "environment::child_cannot_be_built");
    }
    let proxy = OsStr::new("http://127.0.0.1:1");
    run_with(
        &[("HTTPS_PROXY", proxy), ("NO_PROXY", broken)],
        "environment::child_cannot_be_built",
    );
    run_with(
        &[("HTTPS_PROXY", proxy), ("no_proxy", broken)],
        "environment::child_cannot_be_built",
    );
}

#[test]
fn a_file_of_roots_that_is_not_there_is_an_error() {
    run_with(
        &[("SSL_CERT_FILE", OsStr::new("/no/such/file.pem"))],
        "environment::child_trusts_nobody",
    );
    run_with(
        &[("SSL_CERT_DIR", OsStr::new("/no/such/folder"))],
        "environment::child_trusts_nobody",
    );
}

#[test]
#[ignore = "run by the tests above in a process of its own"]
fn child_sends_through_the_proxy() {
    let request = http::Request::get("https://login.example/")
        .body(Body::default())
        .unwrap();
    let builder = UreqTransport::builder().root_certificates_pem(root_pem().as_bytes());
    let transport = builder.unwrap().build().unwrap();
    let error = transport.send(request).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(error.to_string().starts_with("the proxy 127.0.0.1:"), "{error}");
}

#[test]
#[ignore = "run by the tests above in a process of its own"]
fn child_cannot_be_built() {
    let builder = UreqTransport::builder().root_certificates_pem(root_pem().as_bytes());
    let error = builder.unwrap().build().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    assert!(error.to_string().to_ascii_lowercase().contains("_proxy"), "{error}");
}

#[test]
#[ignore = "run by the tests above in a process of its own"]
fn child_trusts_nobody() {
    let error = UreqTransport::new().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    assert!(error.to_string().contains("SSL_CERT_"), "{error}");
    // An emulator over plain http needs no roots.
    assert!(UreqTransport::builder().allow_plain_loopback(true).build().is_ok());
}
