//! An API of Azure on loopback, and the transport that leads the SDK's clients to it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, ClientOptions, HttpClient, Request, Transport};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An API on loopback: one request on each connection.
#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request that the API received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) body: String,
}

/// A response: its status, header fields and body.
pub(crate) type Reply = (u16, String, &'static str);

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

impl Api {
    pub(crate) fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::<Mutex<Vec<Seen>>>::default());
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, record) = (Arc::clone(&script), Arc::clone(&record));
                // The API ignores clients that hang up.
                thread::spawn(move || drop(stream.and_then(|stream| serve(stream, &*script, &record))));
            }
        });
        Self { address, seen }
    }

    /// Accepts everything.
    pub(crate) fn accepting_all() -> Self {
        Self::start(accept)
    }

    /// Returns options of an SDK client that lead its requests to this API.
    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions {
            transport: Some(Transport::new(Arc::new(self.clone()))),
            ..ClientOptions::default()
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the token of each request.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.token).collect()
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}

/// The transport: it ends the `https` that the SDK insists on.
#[async_trait::async_trait]
impl HttpClient for Api {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        assert_eq!(url.scheme(), "https");
        let uri = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let mut copy = http::Request::builder().method(request.method().as_ref()).uri(uri);
        for (name, value) in request.headers().iter() {
            copy = copy.header(name.as_str(), value.as_str());
        }
        let Body::Bytes(body) = request.body().clone() else {
            panic!("the tests send bytes");
        };
        let copy = copy
            .header("host", url.host_str().unwrap())
            .body(Full::new(body))
            .unwrap();
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(copy).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut headers = Headers::new();
        for (name, value) in &head.headers {
            let value = value.to_str().unwrap().to_owned();
            headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value));
        }
        Ok(AsyncRawResponse::from_bytes(head.status.as_u16().into(), headers, body))
    }
}

fn serve(mut stream: std::net::TcpStream, script: &Script, record: &Mutex<Vec<Seen>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut seen, mut length) = (String::new(), Seen::default(), 0);
    reader.read_line(&mut first)?;
    let mut words = first.split(' ').map(str::to_owned);
    seen.method = words.next().unwrap_or_default();
    seen.path = words.next().unwrap_or_default();
    for line in reader.by_ref().lines() {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.trim_start_matches("Bearer ").clone_into(&mut seen.token),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    seen.body = String::from_utf8(body).unwrap();
    record.lock().unwrap().push(seen.clone());
    let (status, fields, body) = script(&seen);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Accepts a request as Storage does.
pub(crate) fn accept(seen: &Seen) -> Reply {
    let status = if seen.method == "PUT" { 201 } else { 200 };
    (status, String::new(), "")
}

/// Returns a 401 as Storage sends it.
pub(crate) fn unauthorized() -> Reply {
    let challenge = "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize \
                     resource_id=https://storage.azure.com";
    (401, format!("www-authenticate: {challenge}\r\n"), "")
}

/// Returns a 401 that requires these claims, in base64, in the name of this authority.
pub(crate) fn challenge(authority: &str, claims: &str) -> Reply {
    let challenge = format!(
        r#"Bearer authorization_uri="{authority}", resource="https://vault.azure.net", error="insufficient_claims", claims="{claims}""#
    );
    (401, format!("www-authenticate: {challenge}\r\n"), "")
}

/// `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`
pub(crate) const NOT_BEFORE: &str = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ==";

/// The authority that the APIs of the public cloud name.
pub(crate) const PUBLIC: &str = "https://login.microsoftonline.com/common/oauth2/authorize";
