//! A credential that is acquired by a request of its own, over every transport and through both
//! clients.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use entra_client::blocking;
use entra_credential::ClientCertificate;
use entra_emulator::{App, Emulator};
use entra_proto::acquired::{AcquiredCredential, AssertionExchange};
use entra_proto::assertion::{ClientAssertion, Signer, SignerError};
use entra_proto::{Application, Body, ClientCredential, ClientSecret, Error, Guid, Target, Timestamp, TokenRequest};
use entra_tests::{application, call, carriers};
use entra_transport::{AcquireError, TransportErrorKind};
use entra_transport_hyper::HyperTransport;
use entra_transport_ureq::UreqTransport;
use http::{Request, Response};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com";
const JOB_TOKEN: &str = "Bearer canary-of-the-job";

/// A service on this machine that issues assertions, as a CI system does: by GET, to who has its
/// token, as a member of JSON.
struct Issuer {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    received: Arc<Mutex<String>>,
}

impl Issuer {
    /// Starts a service that responds to each request with the head and the body that `response`
    /// returns.
    fn start(response: impl Fn() -> (String, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            received: Arc::default(),
        };
        let (requests, received) = (Arc::clone(&issuer.requests), Arc::clone(&issuer.received));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let head = read_head(&mut stream);
                received.lock().unwrap().push_str(&head);
                requests.fetch_add(1, SeqCst);
                let (head, body) = response();
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        });
        issuer
    }

    /// An issuer of assertions for this application, which the emulator accepts by its certificate.
    fn of_assertions(app: &Application, certificate: ClientCertificate) -> Self {
        let signing = Application::new(app.authority().clone(), app.client_id(), certificate.clone());
        let request = signing.client_credentials(Target::resource(GRAPH).unwrap()).unwrap();
        Self::start(move || {
            let id = entra_transport::request_id().unwrap();
            let unsigned = request.unsigned_assertion(id, SystemTime::now().into()).unwrap();
            let signature = certificate.sign(unsigned.certificate(), unsigned.algorithm(), unsigned.input());
            let assertion = unsigned.signed(&signature.unwrap());
            (
                "200 OK".to_owned(),
                json!({ "count": 1, "value": assertion.expose() }).to_string(),
            )
        })
    }

    fn uri(&self) -> String {
        format!(
            "http://{}/token?audience=api%3A%2F%2FAzureADTokenExchange",
            self.address
        )
    }

    fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => head.extend_from_slice(&chunk[..count]),
        }
    }
    String::from_utf8(head).unwrap()
}

/// The request to an issuer.
struct FromIssuer(String);

impl AssertionExchange for FromIssuer {
    fn name(&self) -> &str {
        "the issuer of this machine"
    }

    fn request(&self, _: &str, _: Guid) -> Request<Body> {
        let request = Request::get(&self.0).header("authorization", JOB_TOKEN);
        request.body(Body::default()).unwrap()
    }

    fn decode(&self, response: &Response<Body>, _: Timestamp) -> Result<ClientAssertion, Error> {
        let body: Value = serde_json::from_slice(response.body().as_bytes()).unwrap_or_default();
        match body.pointer("/value").and_then(Value::as_str) {
            Some(jwt) => ClientAssertion::new(jwt),
            None => Err(SignerError::new(format!("the issuer responded with status {}", response.status())).into()),
        }
    }
}

/// An emulator with a daemon that has a secret and a certificate, and that certificate.
fn stage() -> (Emulator, ClientCertificate) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let certificate = ClientCertificate::from_pem(format!("{pem}{}", key.serialize_pem()), None).unwrap();
    let daemon = App::new("daemon")
        .secret("also a secret")
        .certificate_pem(&pem)
        .grant(Emulator::GRAPH, "User.Read.All");
    (Emulator::builder().app(daemon).tls().start(), certificate)
}

fn with(app: &Application, credential: impl Into<ClientCredential>) -> Application {
    Application::new(app.authority().clone(), app.client_id(), credential)
}

fn from(uri: impl Into<String>) -> AcquiredCredential {
    AcquiredCredential::of_exchange(FromIssuer(uri.into()))
}

fn for_graph(app: &Application) -> TokenRequest {
    app.client_credentials(Target::resource(GRAPH).unwrap()).unwrap()
}

#[test]
fn assertion_of_another_service_gets_a_token() {
    let (emulator, certificate) = stage();
    let app = application(&emulator, "daemon");
    let issuer = Issuer::of_assertions(&app, certificate);
    for (at, carrier) in carriers(emulator.ca_pem()).iter().enumerate() {
        let token = carrier
            .acquire(for_graph(&with(&app, from(issuer.uri()))))
            .unwrap_or_else(|error| panic!("{}: {error}", carrier.name()));
        assert_eq!(issuer.requests(), at + 1);
        let url = format!("{}/v1.0/users", emulator.tls_url().unwrap());
        assert_eq!(call(&**carrier, &url, &token.access_token).0, 200);
    }
    let received = issuer.received.lock().unwrap().to_ascii_lowercase();
    // The token of the job went to the issuer, and nothing that is Entra's did.
    assert!(received.contains(&JOB_TOKEN.to_ascii_lowercase()) && !received.contains("client_id"));
    assert!(!format!("{:?}", emulator.requests()).contains("canary-of-the-job"));
}

#[test]
fn both_clients_cache_the_last_token_alone() {
    let (emulator, certificate) = stage();
    let app = application(&emulator, "daemon");
    let issuer = Issuer::of_assertions(&app, certificate);
    let app = with(&app, from(issuer.uri()));
    let ca = emulator.ca_pem().unwrap();
    let (graph, other) = (
        Target::resource(GRAPH).unwrap(),
        Target::resource("https://management.azure.com").unwrap(),
    );

    let transport = UreqTransport::builder()
        .allow_plain_loopback(true)
        .root_certificates_pem(ca.as_bytes());
    let client = blocking::Client::new(app.clone(), transport.unwrap().build().unwrap());
    let token = client.token(&graph).unwrap();
    client.token(&graph).unwrap();
    assert_eq!(issuer.requests(), 1);
    // Another token takes another assertion, and so does a new one in the place of a rejected one.
    client.token(&other).unwrap();
    client.invalidate(&token);
    client.token(&graph).unwrap();
    assert_eq!(issuer.requests(), 3);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let transport = HyperTransport::builder()
            .allow_plain_loopback(true)
            .root_certificates_pem(ca.as_bytes());
        let client = entra_client::Client::new(app, transport.unwrap().build().unwrap());
        client.token(&graph).await.unwrap();
        client.token(&graph).await.unwrap();
        assert_eq!(issuer.requests(), 4);
        client.token(&other).await.unwrap();
        assert_eq!(issuer.requests(), 5);
    });
}

#[test]
fn a_token_of_entra_is_the_assertion_of_the_next_request() {
    let (emulator, _) = stage();
    let app = application(&emulator, "daemon");
    let inner = AcquiredCredential::of_token(for_graph(&app)).unwrap();
    let refused = AcquiredCredential::of_token(for_graph(&with(&app, ClientSecret::new("wrong").unwrap()))).unwrap();
    for carrier in carriers(emulator.ca_pem()) {
        // The emulator knows no federated credentials: it names the issuer of the token that it was
        // shown.
        let error = carrier.acquire(for_graph(&with(&app, inner.clone()))).unwrap_err();
        let service = error.service().unwrap();
        assert_eq!(service.codes, [700_211], "{error}");
        assert!(
            service.description.contains(emulator.tenant_id()),
            "{}",
            service.description
        );
        assert!(matches!(error, AcquireError::Protocol(Error::Service(_))));

        let error = carrier.acquire(for_graph(&with(&app, refused.clone()))).unwrap_err();
        assert_eq!(error.service().unwrap().codes, [7_000_215]);
        assert!(error.to_string().starts_with("request 1 of 2 ("), "{error}");
    }
}

#[test]
fn transport_rejects_plain_http_beyond_loopback() {
    let (emulator, _) = stage();
    let app = application(&emulator, "daemon");
    for carrier in carriers(emulator.ca_pem()) {
        let request = for_graph(&with(&app, from("http://192.0.2.1/token")));
        let error = carrier.acquire(request).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("request 1 of 2 (the issuer of this machine): "),
            "{text}"
        );
        assert!(matches!(error, AcquireError::Transport(error) if error.kind() == TransportErrorKind::NotAllowed));
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn a_redirect_of_another_service_is_not_followed() {
    let (emulator, _) = stage();
    let app = application(&emulator, "daemon");
    let elsewhere = Issuer::start(|| ("200 OK".to_owned(), String::new()));
    let location = elsewhere.uri();
    let issuer = Issuer::start(move || (format!("302 Found\r\nLocation: {location}"), String::new()));
    for carrier in carriers(emulator.ca_pem()) {
        let request = for_graph(&with(&app, from(issuer.uri())));
        let error = carrier.acquire(request).unwrap_err();
        assert!(
            error.to_string().contains("redirect") && !error.is_retryable(),
            "{error}"
        );
    }
    assert_eq!((issuer.requests(), elsewhere.requests()), (3, 0));
    assert!(emulator.requests().is_empty());
}

#[test]
fn a_service_that_is_busy_is_called_again() {
    let (emulator, certificate) = stage();
    let app = application(&emulator, "daemon");
    let issuer = Issuer::of_assertions(&app, certificate);
    let busy = Arc::new(AtomicUsize::new(0));
    let (count, address) = (Arc::clone(&busy), issuer.address);
    // Every other request fails; the rest go to the issuer.
    let front = Issuer::start(move || {
        if count.fetch_add(1, SeqCst) % 2 == 0 {
            return ("503 Service Unavailable".to_owned(), String::new());
        }
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /token HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        ("200 OK".to_owned(), body.to_owned())
    });
    for carrier in carriers(emulator.ca_pem()) {
        let request = for_graph(&with(&app, from(front.uri())));
        assert!(carrier.acquire(request).is_ok(), "{}", carrier.name());
    }
    assert_eq!(front.requests(), 6);
}
