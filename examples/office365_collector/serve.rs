//! Connections of the listeners: bounded in number and in time, with or without TLS.

use std::error::Error;
use std::io;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

/// Serves the routes at these listeners, until the program ends.
///
/// # Errors
/// Returns an error if a listener cannot be used.
pub(crate) fn serve(listeners: Vec<StdListener>, router: &Router, tls: Option<&TlsAcceptor>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(accept(listener, router.clone(), tls.cloned(), Arc::clone(&places)));
    }
    Ok(())
}

async fn accept(listener: TcpListener, router: Router, tls: Option<TlsAcceptor>, places: Arc<Semaphore>) {
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, say: it passes.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            let _ = timeout(LONGEST_CONNECTION, connection(stream, router, tls)).await;
            drop(place);
        });
    }
}

/// Serves one connection. What goes wrong with it is the client's matter.
async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>) {
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(LARGEST_HEAD);
    match tls {
        None => drop(http.serve_connection(TokioIo::new(stream), service).await),
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(LONGEST_HEAD, tls.accept(stream)).await {
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

/// Reads a certificate chain and its key, for TLS.
///
/// # Errors
/// Returns an error, with the file, if one cannot be read or they do not belong together.
pub(crate) fn tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let failed = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| failed(certificate, &error))?;
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|error| failed(certificate, &error))?;
    if chain.is_empty() {
        return Err(failed(certificate, &"it holds no certificate in PEM form").into());
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| failed(key, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections of one server at a time.
const MOST_CONNECTIONS: usize = 256;
const LONGEST_CONNECTION: Duration = Duration::from_secs(120);
/// A handshake, or the head of a request.
const LONGEST_HEAD: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 64 << 10;
