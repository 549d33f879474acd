//! The TLS listener: only clients that trust its authority accept it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use entra_emulator::{Channel, Emulator, Fault};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::form;
use crate::support::skips::has_ipv6;

fn exchange(emulator: &Emulator, ca_pem: &str, name: &'static str, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let port: u16 = emulator.tls_url().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let connection = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

fn request(emulator: &Emulator, host: &str) -> String {
    let body = form(emulator, &[("scope", "https://graph.microsoft.com/.default")]);
    let length = body.len();
    format!(
        "POST /{}/oauth2/v2.0/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}",
        emulator.tenant_id()
    )
}

#[test]
fn certificate_covers_loopback_and_service_names() {
    let emulator = Emulator::builder().tls().start();
    let ca = emulator.ca_pem().unwrap();
    for name in [
        "localhost",
        "127.0.0.1",
        "login.microsoftonline.com",
        "contoso.ciamlogin.com",
        "westus2.login.microsoft.com",
    ] {
        let response = exchange(&emulator, ca, name, &request(&emulator, name)).unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{name}: {response}");
    }
    assert!(emulator.requests().iter().all(|event| event.channel == Channel::Https));
    assert!(exchange(&emulator, ca, "other.example", &request(&emulator, "other.example")).is_err());
}

#[test]
fn certificate_covers_configured_names() {
    let emulator = Emulator::builder()
        .reached_as("emulator")
        .reached_as("10.1.2.3")
        .tls()
        .start();
    let port = emulator.tls_url().unwrap().rsplit(':').next().unwrap();
    assert_eq!(emulator.tls_url(), Some(&*format!("https://emulator:{port}")));
    let ca = emulator.ca_pem().unwrap();
    for name in ["emulator", "10.1.2.3", "localhost"] {
        let response = exchange(&emulator, ca, name, &request(&emulator, name)).unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{name}: {response}");
    }
    assert!(exchange(&emulator, ca, "another", &request(&emulator, "another")).is_err());
}

#[test]
fn unspecified_addresses_listen_in_both_families() {
    for (ip, url) in [("0.0.0.0", "https://127.0.0.1:"), ("::", "https://[::1]:")] {
        let builder = Emulator::builder().ip(ip.parse().unwrap()).allow_other_machines().tls();
        if ip == "::" && !has_ipv6() {
            continue;
        }
        let emulator = builder.start();
        assert!(emulator.tls_url().unwrap().starts_with(url));
        // The helper connects to 127.0.0.1.
        let response = exchange(
            &emulator,
            emulator.ca_pem().unwrap(),
            "localhost",
            &request(&emulator, "localhost"),
        );
        assert!(response.unwrap().starts_with("HTTP/1.1 200"), "{ip}");
    }
}

#[test]
fn documents_over_tls_name_https() {
    let emulator = Emulator::builder().tls().start();
    let host = emulator.tls_url().unwrap().strip_prefix("https://").unwrap();
    let request = format!(
        "GET /common/v2.0/.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    let response = exchange(&emulator, emulator.ca_pem().unwrap(), "localhost", &request).unwrap();
    assert!(
        response.contains(&format!(
            "\"token_endpoint\":\"https://{host}/common/oauth2/v2.0/token\""
        )),
        "{response}"
    );
}

#[test]
fn other_authority_is_not_trusted() {
    let emulator = Emulator::builder().tls().start();
    let other = Emulator::builder().tls().start();
    assert!(
        exchange(
            &emulator,
            other.ca_pem().unwrap(),
            "localhost",
            &request(&emulator, "localhost")
        )
        .is_err()
    );
    // The failed handshake does not affect other clients.
    exchange(
        &emulator,
        emulator.ca_pem().unwrap(),
        "localhost",
        &request(&emulator, "localhost"),
    )
    .unwrap();
}

#[test]
fn reset_works_under_tls() {
    let emulator = Emulator::builder().tls().start();
    emulator.fault(Fault::reset());
    let error = exchange(
        &emulator,
        emulator.ca_pem().unwrap(),
        "localhost",
        &request(&emulator, "localhost"),
    )
    .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn tls_is_off_by_default() {
    let emulator = Emulator::start();
    assert_eq!((emulator.tls_url(), emulator.ca_pem()), (None, None));
}

#[test]
fn localhost_listens_in_both_families() {
    let emulator = Emulator::builder().tls().start();
    let port: u16 = emulator.tls_url().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    if !has_ipv6() {
        return;
    }
    for ip in ["127.0.0.1", "::1"] {
        assert!(TcpStream::connect((ip, port)).is_ok(), "{ip}");
    }
    let taken = Emulator::builder().tls_port(port).try_start();
    assert!(taken.is_err());
}
