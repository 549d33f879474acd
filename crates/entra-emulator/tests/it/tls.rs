//! The TLS listener: trusted by who was given its authority, and by nobody else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use entra_emulator::{Channel, Emulator, Fault};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::form;

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
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
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
fn its_authority_is_believed_for_loopback_and_the_services_names() {
    let emulator = Emulator::builder().tls().start();
    let ca = emulator.ca_pem().unwrap();
    for name in [
        "localhost",
        "127.0.0.1",
        "login.microsoftonline.com",
        "contoso.ciamlogin.com",
        "westus2.login.microsoft.com",
    ] {
        let answer = exchange(&emulator, ca, name, &request(&emulator, name)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
    }
    assert!(emulator.requests().iter().all(|event| event.channel == Channel::Https));
    assert!(exchange(&emulator, ca, "other.example", &request(&emulator, "other.example")).is_err());
}

#[test]
fn the_certificate_has_the_names_that_clients_use() {
    let emulator = Emulator::builder()
        .reached_as("emulator")
        .reached_as("10.1.2.3")
        .tls()
        .start();
    let port = emulator.tls_url().unwrap().rsplit(':').next().unwrap();
    assert_eq!(emulator.tls_url(), Some(&*format!("https://emulator:{port}")));
    let ca = emulator.ca_pem().unwrap();
    for name in ["emulator", "10.1.2.3", "localhost"] {
        let answer = exchange(&emulator, ca, name, &request(&emulator, name)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
    }
    assert!(exchange(&emulator, ca, "another", &request(&emulator, "another")).is_err());
}

#[test]
fn every_address_of_both_families_is_listened_at() {
    for (ip, url) in [("0.0.0.0", "https://127.0.0.1:"), ("::", "https://[::1]:")] {
        let builder = Emulator::builder().ip(ip.parse().unwrap()).allow_other_machines().tls();
        if ip == "::" && TcpListener::bind("[::1]:0").is_err() {
            let _ = std::io::stderr().write_all(b"SKIPPED: this machine has no IPv6\n");
            continue;
        }
        let emulator = builder.start();
        assert!(emulator.tls_url().unwrap().starts_with(url));
        // The helper connects to 127.0.0.1.
        let answer = exchange(
            &emulator,
            emulator.ca_pem().unwrap(),
            "localhost",
            &request(&emulator, "localhost"),
        );
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"), "{ip}");
    }
}

#[test]
fn documents_read_over_tls_name_https() {
    let emulator = Emulator::builder().tls().start();
    let host = emulator.tls_url().unwrap().strip_prefix("https://").unwrap();
    let request = format!(
        "GET /common/v2.0/.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    let answer = exchange(&emulator, emulator.ca_pem().unwrap(), "localhost", &request).unwrap();
    assert!(
        answer.contains(&format!(
            "\"token_endpoint\":\"https://{host}/common/oauth2/v2.0/token\""
        )),
        "{answer}"
    );
}

#[test]
fn another_authority_is_not_believed() {
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
    // And the failed handshake hurts nobody else.
    exchange(
        &emulator,
        emulator.ca_pem().unwrap(),
        "localhost",
        &request(&emulator, "localhost"),
    )
    .unwrap();
}

#[test]
fn a_reset_is_a_reset_under_tls_too() {
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
fn without_asking_there_is_no_tls() {
    let emulator = Emulator::start();
    assert_eq!((emulator.tls_url(), emulator.ca_pem()), (None, None));
}

#[test]
fn localhost_is_listened_at_in_both_families() {
    let emulator = Emulator::builder().tls().start();
    let port: u16 = emulator.tls_url().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    if TcpListener::bind("[::1]:0").is_err() {
        // Not by `eprintln!`, which the test harness keeps to itself.
        let _ = std::io::stderr().write_all(b"SKIPPED: this machine has no IPv6\n");
        return;
    }
    for ip in ["127.0.0.1", "::1"] {
        assert!(TcpStream::connect((ip, port)).is_ok(), "{ip}");
    }
    let taken = Emulator::builder().tls_port(port).try_start();
    assert!(taken.is_err());
}
