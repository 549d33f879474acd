//! A token endpoint over TLS that returns the same token to every request at once. The client side
//! is measured.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The CA that its certificate is from.
    pub(crate) ca_pem: String,
}

impl Server {
    /// Serves on a thread of its own until the process ends, on the CPUs that this thread may use.
    pub(crate) fn start(response: String) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &ca)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (sender, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let response: Arc<str> = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncache-control: no-store, no-cache\r\n\
                     pragma: no-cache\r\ncontent-length: {}\r\n\r\n{response}",
                    response.len()
                )
                .into();
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, response) = (acceptor.clone(), Arc::clone(&response));
                    // A client that disconnects does not affect the others.
                    tokio::spawn(async move { drop(serve(acceptor, stream, &response).await) });
                }
            });
        });
        Self {
            address: address.recv().unwrap(),
            ca_pem: ca.pem(),
        }
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, response: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await?;
        if length == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..length]);
        if is_whole(&request) {
            request.clear();
            stream.write_all(response.as_bytes()).await?;
        }
    }
}

/// Returns true if the head and the declared length of the body have arrived.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let declared = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = declared
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or_default();
    request.len() >= end + 4 + length
}
