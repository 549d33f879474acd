//! Log events, metrics, and new settings for a running endpoint.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use entra_client::Client;
use entra_proto::{Application, ClientSecret};
use entra_serve::{AllowedResources, Endpoint, Identities, Identity, Limits, Listener, Server};
use entra_transport::{Body, Response, transport_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::server::Running;
use crate::support::{CLIENT_ID, Served, TOKEN, WRONG_SECRET, get};

/// The events of a thread, one a line. The runtime of a test has one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

thread_local! {
    static LOG: RefCell<Log> = RefCell::default();
}

impl Log {
    /// Returns the log of this thread. All threads have one subscriber: with one for each test, an
    /// event that another thread without a subscriber logs first is lost.
    fn start() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ThreadLog)).unwrap();
        });
        LOG.with_borrow(Self::clone)
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until there are this many lines.
    async fn wait(&self, lines: usize) -> Vec<String> {
        let enough = async {
            while self.lines().len() < lines {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(30), enough).await;
        self.lines()
    }
}

/// Writes events to the log of their thread.
struct ThreadLog;

impl<S: Subscriber> Layer<S> for ThreadLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "entra_serve" {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LOG.with_borrow(|log| log.0.lock().unwrap().push(line.0));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
}

#[tokio::test]
async fn every_request_is_one_event_without_secrets() {
    let log = Log::start();
    let served = Served::new();
    let key = served.key.expose();
    let path = Endpoint::APP_SERVICE_PATH;
    let graph = "api-version=2019-08-01&resource=https://graph.microsoft.com";
    for (query, header, expected) in [
        (graph, key, "outcome=requested"),
        (graph, key, "outcome=cached"),
        (graph, "wrong-key-of-a-client", "outcome=wrong_key"),
        (
            "api-version=2019-08-01&resource=https://vault.azure.net",
            key,
            "outcome=not_allowed",
        ),
        (
            "api-version=2019-08-01&resource=x%0d%0aINFO%20forged%1b[31m",
            key,
            "outcome=malformed",
        ),
        ("api-version=2019-08-01", key, "outcome=malformed"),
    ] {
        let before = log.lines().len();
        served
            .send(get(&format!("{path}?{query}")).header("x-identity-header", header), "")
            .await;
        let lines = log.lines();
        assert_eq!(lines.len(), before + 1, "{lines:#?}");
        let line = &lines[before];
        assert!(
            line.starts_with("INFO ") && line.contains(expected),
            "{expected}: {line}"
        );
        for part in [
            "caller=127.0.0.1:50000",
            "protocol=app-service",
            "method=GET",
            "path=/msi/token",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        for secret in [key, TOKEN, "wrong-key-of-a-client", "api-version"] {
            assert!(
                !line.contains(secret) || expected == "outcome=malformed" && secret == "api-version",
                "{line}"
            );
        }
        assert!(!line.contains(['\r', '\n', '\u{1b}']), "{line:?}");
    }
    assert!(log.lines()[0].contains("resource=https://graph.microsoft.com identity=default"));
    served.send(get(&format!("/{}?secret=s", "x".repeat(5000))), "").await;
    let line = log.lines().pop().unwrap();
    assert!(
        line.contains("protocol=none") && line.len() < 400 && !line.contains("secret"),
        "{line}"
    );
}

#[tokio::test]
async fn event_of_a_failure_has_its_code() {
    let log = Log::start();
    let served = Served::with_response(401, WRONG_SECRET);
    let request = get("/msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com");
    served
        .send(request.header("x-identity-header", served.key.expose()), "")
        .await;
    let line = log.lines().pop().unwrap();
    assert!(
        line.contains("outcome=failed") && line.contains("aadsts=7000215"),
        "{line}"
    );
    assert!(!line.contains("s3cret"), "{line}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn event_names_the_process_of_the_caller() {
    let log = Log::start();
    let running = Running::start(Served::new(), Limits::default()).await;
    let mut stream = running.connect().await;
    assert!(running.has_token(&mut stream).await);
    let lines = log.wait(1).await;
    let expected = format!(" pid {} uid ", std::process::id());
    assert!(lines[0].contains(&expected), "{expected}: {lines:#?}");
}

#[tokio::test]
async fn metrics_and_health_have_their_own_server() {
    let running = Running::start(Served::new(), Limits::default()).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        assert!(running.has_token(&mut stream).await);
    }
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().unwrap();
    let server = Server::new(vec![listener], Limits::default());
    let run = tokio::spawn(server.run(running.served.endpoint.metrics(), std::future::pending()));
    let get = async |address, path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: prometheus\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    let text = get(address, "/metrics").await;
    for line in [
        "entra_serve_requests_total{protocol=\"app-service\",outcome=\"requested\"} 1",
        "entra_serve_requests_total{protocol=\"app-service\",outcome=\"cached\"} 2",
        "entra_serve_tokens_total 3",
        "entra_serve_connections_open 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let expiry =
        "entra_serve_token_expires_timestamp_seconds{identity=\"default\",resource=\"https://graph.microsoft.com\"} ";
    assert!(text.contains(expiry), "{text}");
    assert!(!text.contains(TOKEN) && !text.contains(running.served.key.expose()));
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/msi/token").await.starts_with("HTTP/1.1 404"));
    // The endpoint has no metrics. Its health probe works without a key.
    assert!(get(running.address, "/metrics").await.starts_with("HTTP/1.1 404"));
    assert!(get(running.address, "/healthz").await.starts_with("HTTP/1.1 200"));
    run.abort();
}

#[tokio::test]
async fn new_settings_apply_to_open_connections() {
    let running = Running::start(Served::new(), Limits::default()).await;
    let mut stream = running.connect().await;
    assert!(running.has_token(&mut stream).await);
    let settings = |resource: &str| {
        let transport = transport_fn(|_| async {
            let body = r#"{"access_token":"new-token","expires_in":3599,"token_type":"Bearer"}"#;
            Ok(Response::new(Body::from(body.to_owned())))
        });
        let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
            .parse()
            .unwrap();
        let app = Application::new(authority, CLIENT_ID.parse().unwrap(), ClientSecret::new("s").unwrap());
        let identities = Identities::new(Identity::new("new", Client::new(app, transport)));
        let resources = AllowedResources::new([resource]).unwrap();
        Endpoint::builder(identities, resources).app_service(running.served.key.clone())
    };
    let ask = async |stream: &mut TcpStream| {
        let request = format!(
            "GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com HTTP/1.1\r\nHost: localhost\r\nX-IDENTITY-HEADER: {}\r\n\r\n",
            running.served.key.expose()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 8192];
        let length = stream.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    running.served.endpoint.replace(settings("https://graph.microsoft.com"));
    assert!(ask(&mut stream).await.contains("new-token"));
    running.served.endpoint.replace(settings("https://vault.azure.net"));
    assert!(ask(&mut stream).await.starts_with("HTTP/1.1 403"));
    let metrics = running.served.endpoint.metrics().to_text();
    assert!(metrics.contains("entra_serve_tokens_total 2"), "{metrics}");
}
