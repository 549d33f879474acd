//! The token proxy of a Kubernetes cluster with identity bindings.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use entra_proto::environment::{
    KUBERNETES_CA_DATA, KUBERNETES_CA_FILE, KUBERNETES_SNI_NAME, TokenProxySettings, TokenProxyTrust,
};
use entra_proto::managed_identity::LocalRoute;
use http::uri::PathAndQuery;
use http::{Method, Uri};

use crate::adapter::FromSettings;
use crate::{BlockingTransport, Request, Response, Transport, TransportBuilder, TransportError, TransportErrorKind};

/// A transport that sends token requests to the token proxy of a Kubernetes cluster, and all other
/// requests to their host.
///
/// A workload identity of Azure Kubernetes Service with identity bindings needs it. A token request
/// is a `POST` to a path that ends with `/oauth2/v2.0/token`. It is sent to the proxy under the
/// proxy's path followed by its own, and otherwise unchanged.
///
/// The settings of the builder apply to the proxy as well, except for the trusted certificate
/// authorities and the server name, which the [`TokenProxySettings`] determine. If a file has the
/// authorities, it is read for each token request, and the connections are replaced after a change.
/// A file that is empty, incomplete or missing is being written: the authorities before the change
/// stay in use.
///
/// ```
/// use entra_proto::environment::TokenProxySettings;
/// use entra_transport::adapter::FromSettings;
/// use entra_transport::{Report, TokenProxy, TransportBuilder};
///
/// fn transport<T>() -> Result<Option<TokenProxy<T>>, Report>
/// where
///     T: FromSettings + Clone,
/// {
///     let builder = TransportBuilder::new();
///     let lookup = |name: &str| std::env::var_os(name);
///     Ok(match TokenProxySettings::read(lookup)? {
///         Some(settings) => Some(TokenProxy::new(builder, settings)?),
///         None => None, // builder.build() is the transport
///     })
/// }
/// ```
pub struct TokenProxy<T> {
    /// The error is that of a machine without the system's authorities, which the proxy does not
    /// need.
    direct: Result<T, TransportError>,
    url: Uri,
    through: Through<T>,
}

/// The transport to the proxy.
enum Through<T> {
    Fixed(T),
    Reloaded(Box<Reloaded<T>>),
}

/// The transport that trusts the authorities in a file.
struct Reloaded<T> {
    path: PathBuf,
    builder: TransportBuilder<T>,
    current: Mutex<Current<T>>,
}

/// The last valid content of the file, and the transport that trusts it.
struct Current<T> {
    pem: Vec<u8>,
    transport: T,
}

impl<T: FromSettings + Clone> TokenProxy<T> {
    /// Creates the transport with these settings of the proxy. `builder` has all other settings.
    ///
    /// # Errors
    /// Returns [`Configuration`](TransportErrorKind::Configuration) if there is no valid
    /// certificate in the settings or in their file, if the server name is invalid, or if the
    /// transport cannot be built otherwise.
    pub fn new(builder: TransportBuilder<T>, settings: TokenProxySettings) -> Result<Self, TransportError> {
        let direct = builder.clone().build();
        let builder = match &settings.server_name {
            Some(name) => builder.server_name(name)?,
            None => builder,
        };
        let through = match settings.trust {
            TokenProxyTrust::Pem(pem) => Through::Fixed(builder.trusting_only(pem.as_bytes())?.build()?),
            TokenProxyTrust::File(path) => Through::Reloaded(Box::new(Reloaded::new(path, builder)?)),
            _ => Through::Fixed(builder.build()?),
        };
        Ok(Self {
            direct,
            url: settings.url,
            through,
        })
    }

    /// Returns the transport to the proxy, and directs a token request there. Returns `None` for
    /// other requests.
    fn to_proxy(&self, request: &mut Request) -> Result<Option<T>, TransportError> {
        if !is_token_request(request) {
            return Ok(None);
        }
        *request.uri_mut() = below(&self.url, request.uri())?;
        Ok(Some(match &self.through {
            Through::Fixed(transport) => transport.clone(),
            Through::Reloaded(reloaded) => reloaded.transport(),
        }))
    }
}

impl<T: FromSettings + Clone> Reloaded<T> {
    fn new(path: PathBuf, builder: TransportBuilder<T>) -> Result<Self, TransportError> {
        let pem = read(&path).map_err(|error| {
            let problem = format!("the file that {KUBERNETES_CA_FILE} names cannot be read");
            TransportError::new(TransportErrorKind::Configuration, problem)
                .with_hint("check the path, and that the volume is mounted")
                .because(error)
        })?;
        let transport = builder.clone().trusting_only(&pem)?.build()?;
        Ok(Self {
            path,
            builder,
            current: Mutex::new(Current { pem, transport }),
        })
    }

    /// Returns the transport for the present content of the file, or for the last valid one.
    fn transport(&self) -> T {
        let pem = read(&self.path);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = pem.ok().filter(|pem| *pem != current.pem) {
            let builder = self.builder.clone().trusting_only(&changed);
            if let Ok(transport) = builder.and_then(TransportBuilder::build) {
                *current = Current {
                    pem: changed,
                    transport,
                };
            }
        }
        current.transport.clone()
    }
}

#[async_trait]
impl<T: Transport + FromSettings + Clone> Transport for TokenProxy<T> {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        match self.to_proxy(&mut request)? {
            Some(proxy) => proxy.send(request).await.map_err(explained),
            None => self.direct.clone()?.send(request).await,
        }
    }
}

impl<T: BlockingTransport + FromSettings + Clone> BlockingTransport for TokenProxy<T> {
    fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        match self.to_proxy(&mut request)? {
            Some(proxy) => proxy.send(request).map_err(explained),
            None => self.direct.clone()?.send(request),
        }
    }
}

impl<T> fmt::Debug for TokenProxy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenProxy")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Replaces the hint of a failure of TLS: the authorities of the proxy are not those of the system.
fn explained(error: TransportError) -> TransportError {
    if error.kind() != TransportErrorKind::Tls {
        return error;
    }
    error.with_hint(format!(
        "check the token proxy of the cluster: its certificate authority in {KUBERNETES_CA_FILE} or \
         {KUBERNETES_CA_DATA}, and its name in {KUBERNETES_SNI_NAME}"
    ))
}

/// Returns whether a request is one for a token of the cloud. The requests of managed identities
/// have a route of their own.
fn is_token_request(request: &Request) -> bool {
    *request.method() == Method::POST
        && request.uri().path().ends_with("/oauth2/v2.0/token")
        && LocalRoute::of(request).is_none()
}

/// Returns the URL of the proxy followed by the path and the query of `uri`.
fn below(url: &Uri, uri: &Uri) -> Result<Uri, TransportError> {
    let rest = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let mut parts = url.clone().into_parts();
    let whole = format!("{}{rest}", url.path().trim_end_matches('/'));
    parts.path_and_query = PathAndQuery::try_from(whole).ok();
    Uri::from_parts(parts).map_err(|_| {
        TransportError::new(
            TransportErrorKind::NotAllowed,
            "the path is not valid below the token proxy",
        )
        .at(url)
    })
}

/// Reads a file of at most [`LONGEST`] bytes.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut pem = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut pem)?;
    if pem.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(pem)
}

const LONGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;

    #[test]
    fn only_token_requests_go_to_the_proxy() {
        let is_one = |method: Method, uri: &'static str| {
            let request = http::Request::builder().method(method).uri(uri);
            is_token_request(&request.body(Body::default()).unwrap())
        };
        assert!(is_one(Method::POST, "https://login.example/t/oauth2/v2.0/token"));
        assert!(is_one(Method::POST, "https://login.example/t/oauth2/v2.0/token?dc=x"));
        assert!(!is_one(Method::GET, "https://login.example/t/oauth2/v2.0/token"));
        assert!(!is_one(Method::POST, "https://login.example/t/oauth2/v2.0/devicecode"));
        assert!(!is_one(Method::POST, "https://login.example/t/oauth2/v2.0/token/x"));
        assert!(!is_one(Method::GET, "https://login.example/common/discovery/instance"));
    }

    #[test]
    fn path_of_token_request_follows_that_of_the_proxy() {
        for (url, expected) in [
            ("https://10.0.0.1", "https://10.0.0.1/t/oauth2/v2.0/token?q=1"),
            ("https://10.0.0.1:444/", "https://10.0.0.1:444/t/oauth2/v2.0/token?q=1"),
            ("https://p.example/a/b", "https://p.example/a/b/t/oauth2/v2.0/token?q=1"),
            (
                "https://p.example/a/b/",
                "https://p.example/a/b/t/oauth2/v2.0/token?q=1",
            ),
        ] {
            let uri = Uri::from_static("https://login.example/t/oauth2/v2.0/token?q=1");
            assert_eq!(below(&Uri::from_static(url), &uri).unwrap(), expected);
        }
    }
}
