//! Service Fabric.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use entra_emulator::{Channel, Emulator, Fault, Lint, Machine, ManagedIdentitySource, Purpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::managed_identity::{Asked, CLIENT_ID, OBJECT_ID, VAULT, check_identity_parameters_of, identities};
use crate::support::{claims, get_as};

const FABRIC: ManagedIdentitySource = ManagedIdentitySource::ServiceFabric;

fn emulator() -> Emulator {
    let machine = identities().into_iter().fold(Machine::default(), Machine::identity);
    Emulator::builder().machine(machine).service_fabric().start()
}

fn hex(algorithm: &'static aws_lc_rs::digest::Algorithm, bytes: &[u8]) -> String {
    let hash = digest(algorithm, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn listener_has_a_certificate_with_the_thumbprint() {
    let emulator = emulator();
    let environment = emulator.managed_identity_environment(FABRIC);
    let variable = |wanted: &str| &environment.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let pem = emulator.service_fabric_pem().unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(
        variable("IDENTITY_SERVER_THUMBPRINT").to_lowercase(),
        hex(&SHA1_FOR_LEGACY_USE_ONLY, &der)
    );
    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let rest = variable("IDENTITY_ENDPOINT").strip_prefix("https://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(authority).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    let secret = variable("IDENTITY_HEADER");
    let request = format!(
        "GET /{path}?api-version=2019-07-01-preview&resource={VAULT} HTTP/1.1\r\nHost: {authority}\r\n\
         Secret: {secret}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let event = emulator.requests().pop().unwrap();
    assert_eq!(event.lints, []);
    assert_eq!(
        (event.channel, event.purpose),
        (Channel::Https, Some(Purpose::ManagedIdentity))
    );
}

#[test]
fn plain_listener_has_no_service_fabric() {
    let emulator = emulator();
    let path = "/managed-identity/service-fabric/metadata/identity/oauth2/token";
    let mut stream = TcpStream::connect(emulator.address().unwrap()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
}

#[test]
fn listeners_have_different_certificates() {
    let (one, two) = (emulator(), emulator());
    assert_ne!(one.service_fabric_pem(), two.service_fabric_pem());
    let both = Emulator::builder().tls().service_fabric().start();
    assert_ne!(both.ca_pem(), both.service_fabric_pem());
    assert_eq!(Emulator::start().service_fabric_pem(), None);
}

#[test]
fn response_has_its_end_as_a_string() {
    let emulator = emulator();
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    emulator.clock().freeze();
    let mut body = Asked::new(&emulator, FABRIC).body();
    body["access_token"].take();
    let expected = json!({
        "token_type": "Bearer",
        "access_token": null,
        "expires_on": "1700086400",
        "resource": VAULT,
    });
    assert_eq!(body, expected);
}

#[test]
fn only_object_ids_name_an_identity() {
    check_identity_parameters_of(&emulator(), FABRIC, &[("principalId", OBJECT_ID)]);
}

#[test]
fn errors_have_the_documented_codes() {
    let emulator = emulator();
    let asked = || Asked::new(&emulator, FABRIC);
    for (asked, status, code) in [
        (asked().header("secret", "-"), 400, "SecretHeaderNotFound"),
        (asked().header("secret", "x"), 404, "ManagedIdentityNotFound"),
        (asked().with("principalId", CLIENT_ID), 404, "ManagedIdentityNotFound"),
        (asked().with("api-version", "-"), 400, "InvalidApiVersion"),
        (asked().with("api-version", "2018-02-01"), 400, "InvalidApiVersion"),
        (asked().with("resource", "-"), 400, "ArgumentNullOrEmpty"),
        (asked().method("POST"), 405, "MethodNotAllowed"),
        (
            asked().with("resource", "https://nowhere.example"),
            500,
            "InternalServerError",
        ),
        (
            asked().with("resource", "https://vault.azure.net/"),
            500,
            "InternalServerError",
        ),
    ] {
        assert_eq!(asked.error("/error/code"), (status, json!(code)), "{:?}", asked.query);
        assert!(asked.error("/error/correlationId").1.is_string());
    }
    assert!(emulator.requests().pop().unwrap().lints.contains(&Lint::TrailingSlash));
    for version in ["2019-07-01-preview", "2020-05-01"] {
        asked().with("api-version", version).body();
    }
}

#[test]
fn token_is_cached_until_it_is_named_as_rejected() {
    let emulator = emulator();
    let token = |rejected: Option<&str>| -> Value {
        let asked = Asked::new(&emulator, FABRIC).with("resource", Emulator::GRAPH);
        match rejected {
            Some(hash) => asked
                .with("token_sha256_to_refresh", hash)
                .with("xms_cc", "cp1,cp2")
                .body(),
            None => asked.body(),
        }
    };
    let text = |body: &Value| body["access_token"].as_str().unwrap().to_owned();
    let users = |token: &str| get_as(&emulator, "/v1.0/users", token).status().as_u16();
    let old = text(&token(None));
    assert_eq!((text(&token(None)), users(&old)), (old.clone(), 200));
    emulator.revoke_tokens();
    assert_eq!(text(&token(None)), old, "it is still the cached one");
    assert_eq!(users(&old), 401);
    let hash = hex(&SHA256, old.as_bytes());
    let wrong = hex(&SHA256, b"another token");
    assert_eq!(text(&token(Some(&wrong))), old);
    let new = text(&token(Some(&hash)));
    assert_eq!((users(&new), text(&token(None))), (200, new.clone()));
    assert_eq!(
        text(&token(Some(&hash))),
        new,
        "the rejected token is not cached any more"
    );
    assert!(!emulator.requests().iter().any(|event| {
        let is_unknown = |lint: &Lint| matches!(lint, Lint::UnknownParameter(_));
        event.lints.iter().any(is_unknown)
    }));
    emulator.reset();
    assert_ne!(text(&token(None)), new);
}

#[test]
fn cached_token_is_renewed_at_half_its_life() {
    let emulator = emulator();
    emulator.clock().freeze();
    let id = || claims(&Asked::new(&emulator, FABRIC).body())["uti"].clone();
    let first = id();
    emulator.clock().advance(Duration::from_secs(43_199));
    assert_eq!(id(), first);
    emulator.clock().advance(Duration::from_secs(1));
    assert_ne!(id(), first);
}

#[test]
fn faults_reach_the_source() {
    let emulator = emulator();
    emulator.fault(Fault::redirect(307, "https://other.example/").on("/service-fabric/"));
    emulator.fault(
        Fault::status(429)
            .retry_after(Duration::from_secs(3))
            .on("/service-fabric/"),
    );
    let statuses: Vec<u16> = (0..3)
        .map(|_| Asked::new(&emulator, FABRIC).send().status().as_u16())
        .collect();
    assert_eq!(statuses, [307, 429, 200]);
}
