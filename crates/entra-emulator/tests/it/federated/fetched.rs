//! Keys that the emulator fetches from the metadata of an issuer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use entra_emulator::{App, Emulator, FederatedCredential};
use serde_json::{Value, json};

use super::{SUBJECT, draft, jwks};
use crate::support::assertion::{NOW, SCOPE, TYPE};
use crate::support::encode;

/// An issuer with configurable documents, by path.
struct Issuer {
    address: SocketAddr,
    documents: Arc<Mutex<Vec<(String, String)>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (documents, requests) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let issuer = Self {
            address,
            documents: Arc::clone(&documents),
            requests: Arc::clone(&requests),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut line = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let _ = reader.read_line(&mut line);
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                requests.lock().unwrap().push(path.clone());
                let documents: Vec<(String, String)> = documents.lock().unwrap().clone();
                match documents.iter().find(|(known, _)| *known == path) {
                    Some((_, response)) => drop(stream.write_all(response.as_bytes())),
                    None => drop(stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
                }
            }
        });
        issuer.serve(METADATA, &issuer.metadata());
        issuer.serve("/keys", &jwks());
        issuer
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn metadata(&self) -> Value {
        json!({"issuer": self.url(), "jwks_uri": format!("{}/keys", self.url())})
    }

    fn serve(&self, path: &str, document: &Value) {
        let body = document.to_string();
        let length = body.len();
        self.respond(
            path,
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        );
    }

    fn respond(&self, path: &str, response: &str) {
        let mut documents = self.documents.lock().unwrap();
        documents.retain(|(known, _)| known != path);
        documents.push((path.to_owned(), response.to_owned()));
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

const METADATA: &str = "/.well-known/openid-configuration";

/// Starts an emulator that is registered with an issuer.
fn registered(issuer: &str) -> Emulator {
    let app = App::new("daemon").without_secrets();
    Emulator::builder()
        .frozen_at(std::time::UNIX_EPOCH + Duration::from_secs(NOW))
        .app(app.federated_credential(FederatedCredential::new(issuer, SUBJECT)))
        .start()
}

/// Sends an assertion over the network, and returns the AADSTS code with the description.
fn sent(emulator: &Emulator, assertion: &str) -> (u64, String) {
    let body = encode(&[
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("scope", SCOPE),
    ]);
    let mut stream = TcpStream::connect(emulator.address().unwrap()).unwrap();
    let head = format!(
        "POST /{}/oauth2/v2.0/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        emulator.tenant_id(),
        emulator.address().unwrap(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let body: Value = serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let code = body["error_codes"][0].as_u64().unwrap_or(0);
    assert_eq!(code == 0, body["access_token"].is_string(), "{body}");
    let description = body["error_description"].as_str().unwrap_or_default();
    (code, description.to_owned())
}

fn assertion(emulator: &Emulator, issuer: &str) -> String {
    draft(emulator).claim("iss", issuer).sign()
}

#[test]
fn keys_are_fetched_from_the_metadata() {
    let issuer = Issuer::start();
    let emulator = registered(&issuer.url());
    let assertion = assertion(&emulator, &issuer.url());
    assert_eq!(sent(&emulator, &assertion).0, 0);
    assert_eq!(issuer.requests(), [METADATA, "/keys"]);
    // A rotation takes effect at once.
    issuer.serve(
        "/keys",
        &json!({"keys": [{"kty": "RSA", "kid": "key-2", "n": jwks()["keys"][1]["n"], "e": "AQAB"}]}),
    );
    assert_eq!(sent(&emulator, &assertion).0, 7_000_272);
}

#[test]
fn only_registered_issuers_are_contacted() {
    let (issuer, other) = (Issuer::start(), Issuer::start());
    let emulator = registered(&issuer.url());
    assert_eq!(sent(&emulator, &assertion(&emulator, &other.url())).0, 700_211);
    let wrong = draft(&emulator).claim("iss", issuer.url()).claim("sub", "other");
    assert_eq!(sent(&emulator, &wrong.sign()).0, 700_213);
    let wrong = draft(&emulator).claim("iss", issuer.url()).claim("aud", "other");
    assert_eq!(sent(&emulator, &wrong.sign()).0, 700_212);
    assert_eq!((issuer.requests().len(), other.requests().len()), (0, 0));
}

#[test]
fn bad_metadata_is_a_failed_request() {
    let issuer = Issuer::start();
    let emulator = registered(&issuer.url());
    let assertion = assertion(&emulator, &issuer.url());
    let good = issuer.metadata();
    let far = Issuer::start();
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}{METADATA}\r\nContent-Length: 0\r\n\r\n",
        far.url()
    );
    issuer.respond(METADATA, &redirect);
    let (code, description) = sent(&emulator, &assertion);
    assert!(code == 50166 && description.contains("status 200"), "{description}");
    assert!(far.requests().is_empty());
    for (metadata, problem) in [
        (
            json!({"issuer": "https://other.example", "jwks_uri": good["jwks_uri"]}),
            "another issuer",
        ),
        (json!({"issuer": good["issuer"]}), "no jwks_uri"),
        (
            json!({"issuer": good["issuer"], "jwks_uri": "ftp://127.0.0.1/keys"}),
            "neither",
        ),
        (
            json!({"issuer": good["issuer"], "jwks_uri": "http://10.0.0.1/keys"}),
            "neither",
        ),
        (
            json!({"issuer": good["issuer"], "jwks_uri": "http://localhost.example/keys"}),
            "neither",
        ),
        (json!({"issuer": good["issuer"], "jwks_uri": "a b"}), "invalid address"),
        (json!([]), "another issuer"),
    ] {
        issuer.serve(METADATA, &metadata);
        let (code, description) = sent(&emulator, &assertion);
        assert!(
            code == 50166 && description.contains(problem),
            "{problem}: {description}"
        );
    }
    issuer.serve(METADATA, &good);
    for (response, problem) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", "not JSON"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}",
            "no RSA key",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "not received"),
        ("garbage", "not received"),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "status 200"),
    ] {
        issuer.respond("/keys", response);
        let (code, description) = sent(&emulator, &assertion);
        assert!(
            code == 50166 && description.contains(problem),
            "{problem}: {description}"
        );
    }
    let huge = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}",
        " ".repeat(300_000)
    );
    issuer.respond("/keys", &huge);
    let (code, description) = sent(&emulator, &assertion);
    assert!(code == 50166 && description.contains("256 KiB"), "{description}");
}

#[test]
fn unreachable_issuer_does_not_delay_others() {
    // A listener that accepts connections and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let emulator = registered(&url);
    let assertion = assertion(&emulator, &url);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sent(&emulator, &assertion));
        std::thread::sleep(Duration::from_millis(200));
        let mut stream = TcpStream::connect(emulator.address().unwrap()).unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(start.elapsed() < Duration::from_secs(4));
        let (code, description) = waiting.join().unwrap();
        assert!(code == 50166 && description.contains("within 5 s"), "{description}");
    });
}

/// The second issuer of one emulator, as the issuer of another one.
#[test]
fn one_emulator_trusts_the_second_issuer_of_another() {
    let now = std::time::UNIX_EPOCH + Duration::from_secs(NOW);
    let issuer = Emulator::builder().second_issuer().frozen_at(now).start();
    let emulator = registered(issuer.second_issuer_url().unwrap());
    let own = Emulator::builder().second_issuer().frozen_at(now).start();
    assert_eq!(sent(&emulator, &issuer.assertion().token()).0, 0);
    assert_eq!(sent(&emulator, &own.assertion().token()).0, 700_211);
    assert_eq!(
        sent(&emulator, &issuer.assertion().unpublished_key().token()).0,
        7_000_272
    );
    drop(issuer);
    let closed = own
        .assertion()
        .claim("iss", emulator.apps()[0].federated_credentials[0].issuer.clone());
    let (code, description) = sent(&emulator, &closed.token());
    assert!(code == 50166 && description.contains("not reachable"), "{description}");
}
