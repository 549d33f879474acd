//! An API that can only be reached through a proxy.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use entra_emulator::{App, Emulator};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::collector::fake::{Fake, Seen};
use crate::collector::world::{Folder, Run, bare_command, command, ids, tenant, tokens_for};

/// The host of the API, which only the proxy can resolve.
const API: &str = "https://manage.example";

#[test]
fn api_is_called_through_the_configured_proxy() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .api(entra_emulator::Api::new(API))
        .app(App::new("collector"))
        .start();
    let api = Fake::start(|seen| {
        let seen = Seen {
            origin: API.to_owned(),
            ..seen.clone()
        };
        seen.is("/subscriptions/content").then(|| seen.page(&["a"]))
    });
    let folder = Folder::new();
    let root = folder.path().join("root.pem");
    let proxy = Proxy::start(&root, api.url.strip_prefix("http://").unwrap().to_owned());
    let mut collector = command(&emulator, emulator.tenant_id(), &folder);
    let output = collector
        .args(["--once", "--api", API, "--content-type", "audit.general"])
        .env("SSL_CERT_FILE", &root)
        .env("HTTPS_PROXY", format!("http://user:pr0xyc4n4ry@{}", proxy.address))
        .output()
        .unwrap();
    let run = Run::of(&emulator, &output);
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(ids(&folder), ["a"]);
    assert_eq!(api.requests("/audit/a").len(), 1);
    // The emulator is on this machine: its tokens are requested without the proxy.
    let heads = proxy.heads.lock().unwrap().clone();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with("CONNECT manage.example:443 HTTP/1.1\r\n"), "{head}");
        // printf 'user:pr0xyc4n4ry' | base64
        assert!(head.contains("Basic dXNlcjpwcjB4eWM0bjRyeQ=="), "{head}");
    }
    assert!(![run.stdout, run.stderr].concat().contains("pr0xyc4n4ry"));
}

#[test]
fn unusable_proxy_is_reported_at_the_start() {
    let emulator = tokens_for(&["contoso.example"]);
    let output = bare_command(&emulator, emulator.tenant_id())
        .args(["--once", "--api", API, "--output"])
        .arg(Folder::new().path())
        .env("HTTPS_PROXY", "socks5://user:pr0xyc4n4ry@127.0.0.1:1080")
        .output()
        .unwrap();
    let run = Run::of(&emulator, &output);
    assert!(!run.succeeded && run.stderr.contains("HTTPS_PROXY"), "{}", run.stderr);
    assert!(!run.stderr.contains("pr0xyc4n4ry"), "{}", run.stderr);
    assert!(emulator.token_requests().is_empty());
}

/// A proxy that always connects to the API: behind TLS, with a certificate for its name.
struct Proxy {
    address: String,
    /// The CONNECT requests.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts the proxy. Its certificate is written to `root`, so that it can be trusted. `api` is
    /// a host and port without TLS.
    fn start(root: &Path, api: String) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let host = API.strip_prefix("https://").unwrap();
        let certificate = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        fs::write(root, certificate.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let (tls, heads) = (Arc::new(tls), Arc::<Mutex<Vec<String>>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::clone(&heads);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, heads, api) = (Arc::clone(&tls), Arc::clone(&seen), api.clone());
                std::thread::spawn(move || serve(stream, tls, &heads, &api));
            }
        });
        Self { address, heads }
    }
}

/// Serves one connection: the tunnel, then requests, each with one response of the API.
fn serve(mut stream: TcpStream, tls: Arc<ServerConfig>, heads: &Mutex<Vec<String>>, api: &str) -> Option<()> {
    let head = head(&mut stream)?;
    heads.lock().unwrap().push(head);
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let mut client = StreamOwned::new(ServerConnection::new(tls).ok()?, stream);
    // One request per connection: the API ends its response by closing it, and the request has no
    // body.
    let request = self::head(&mut client)?.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut api = TcpStream::connect(api).ok()?;
    api.write_all(request.as_bytes()).ok()?;
    std::io::copy(&mut api, &mut client).ok()?;
    client.conn.send_close_notify();
    client.flush().ok()?;
    client.sock.shutdown(Shutdown::Write).ok()
}

fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
