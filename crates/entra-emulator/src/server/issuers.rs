//! Keys of other issuers, read from their metadata: over TLS, or over plain HTTP on loopback,
//! without redirects, and limited in number, size and time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::api::activity::is_loopback;
use crate::state::jwks::Jwks;

/// Reads keys of issuers, of at most eight at a time.
#[derive(Clone)]
pub(crate) struct Issuers {
    room: Arc<Semaphore>,
}

impl Issuers {
    pub(crate) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(MOST_CALLS)),
        }
    }

    /// Returns the keys of a registered issuer.
    ///
    /// # Errors
    /// Returns the reason why they cannot be read. It repeats nothing that the issuer sent.
    pub(crate) async fn keys(&self, issuer: &str) -> Result<Jwks, String> {
        let Ok(_permit) = self.room.acquire().await else {
            return Err("the emulator stops".to_owned());
        };
        match tokio::time::timeout(PATIENCE, read(issuer)).await {
            Ok(keys) => keys,
            Err(_) => Err(format!("there was no response within {} s", PATIENCE.as_secs())),
        }
    }
}

/// Reads the metadata (OpenID Connect Discovery 1.0, section 4) and the keys that it names.
async fn read(issuer: &str) -> Result<Jwks, String> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let metadata = get("metadata", &address, issuer).await?;
    if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("the metadata names another issuer".to_owned());
    }
    let keys = metadata.get("jwks_uri").and_then(Value::as_str);
    let keys = keys.ok_or_else(|| "the metadata has no jwks_uri".to_owned())?;
    let set = get("key set", keys, issuer).await?;
    Jwks::read(&set).ok_or_else(|| "the key set has no RSA key of 2048 bits or more".to_owned())
}

/// Reads a JSON document. Only an issuer on loopback may use plain HTTP, and only on loopback.
async fn get(what: &str, address: &str, issuer: &str) -> Result<Value, String> {
    let failed = |why: &str| format!("the {what} {why}");
    let url: Uri = address.parse().map_err(|_| failed("has an invalid address"))?;
    let host = url.host().unwrap_or_default().to_owned();
    let is_local = |url: &Uri| url.scheme_str() == Some("http") && url.host().is_some_and(is_loopback);
    let stream: Box<dyn Duplex> = match url.scheme_str() {
        Some("https") => {
            let stream = connect(&host, url.port_u16().unwrap_or(443)).await;
            let stream = stream.ok_or_else(|| failed("is not reachable"))?;
            secure(&host, stream).await.map_err(failed)?
        }
        Some("http") if is_local(&url) && issuer.parse().is_ok_and(|issuer| is_local(&issuer)) => {
            let stream = connect(&host, url.port_u16().unwrap_or(80)).await;
            Box::new(stream.ok_or_else(|| failed("is not reachable"))?)
        }
        _ => {
            return Err(failed(
                "is neither at an https address nor, with the issuer, on loopback",
            ));
        }
    };
    let body = send(url, stream).await.map_err(failed)?;
    serde_json::from_slice(&body).map_err(|_| failed("is not JSON"))
}

async fn send(url: Uri, stream: Box<dyn Duplex>) -> Result<Bytes, &'static str> {
    const BROKEN: &str = "was not received";
    let authority = url.authority().map_or("", |authority| authority.as_str()).to_owned();
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| "has an invalid address")?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|_| BROKEN)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|_| BROKEN)?;
        if response.status() != StatusCode::OK {
            return Err("does not have status 200");
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok(body
            .map_err(|_| "was not received, or is longer than 256 KiB")?
            .to_bytes())
    };
    // The connection ends with this request, whatever the other side does.
    tokio::select! {
        body = exchange => body,
        _ = async { let _ = connection.await; std::future::pending::<()>().await } => Err(BROKEN),
    }
}

/// Connects to a host. `localhost` is not resolved.
async fn connect(host: &str, port: u16) -> Option<TcpStream> {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = match address.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) if is_loopback(host) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Err(_) => return TcpStream::connect((host, port)).await.ok(),
    };
    for ip in addresses {
        if let Ok(stream) = TcpStream::connect((ip, port)).await {
            return Some(stream);
        }
    }
    None
}

/// Performs the TLS handshake, with the root certificates of the machine.
#[cfg(feature = "tls")]
async fn secure(host: &str, stream: TcpStream) -> Result<Box<dyn Duplex>, &'static str> {
    const NO_TLS: &str = "is not reachable over TLS with a certificate that this machine trusts";
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| NO_TLS)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = rustls::pki_types::ServerName::try_from(name).map_err(|_| "has an invalid address")?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|_| NO_TLS)?;
    Ok(Box::new(stream))
}

#[cfg(not(feature = "tls"))]
async fn secure(_: &str, _: TcpStream) -> Result<Box<dyn Duplex>, &'static str> {
    Err("requires TLS, which this build does not have")
}

/// A connection of either kind.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

const MOST_CALLS: usize = 8;
/// The real time limit for both documents.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest document, in bytes.
const LARGEST: usize = 256 * 1024;
