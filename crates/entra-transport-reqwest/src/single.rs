//! The clients that send a single request: on a local route, or with a server name for TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use entra_transport::adapter::LocalRoute;
use entra_transport::tls::pinned;
use entra_transport::{Proxies, Proxy, Request, TransportError, TransportErrorKind, TransportPolicy};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name as HyperName};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower_service::Service;

use crate::settings::build;

/// The source of clients for single requests. The connection of such a client ends with it.
pub(crate) struct Single {
    tls: ClientConfig,
    policy: TransportPolicy,
    server_name: Option<String>,
}

impl Single {
    /// Creates the source with the settings of the transport.
    ///
    /// # Errors
    /// Returns an error if the server name is an address, which reqwest cannot distinguish from the
    /// address to connect to.
    pub(crate) fn new(
        tls: ClientConfig,
        policy: TransportPolicy,
        server_name: Option<ServerName<'static>>,
    ) -> Result<Self, TransportError> {
        let server_name = match server_name {
            None => None,
            Some(ServerName::DnsName(name)) => Some(name.as_ref().to_owned()),
            Some(_) => return Err(unsupported("reqwest cannot use an address as the server name for TLS")),
        };
        Ok(Self {
            tls,
            policy,
            server_name,
        })
    }

    /// Returns the client for a request on this route.
    pub(crate) fn local(&self, route: &LocalRoute) -> Result<Client, TransportError> {
        let tls = match route.pin() {
            Some(pin) => pinned(*pin)?,
            None => self.tls.clone(),
        };
        let direct = Arc::new(Proxies::none());
        build(ClientBuilder::new(), tls, &self.policy.on_route(route), &direct)
    }

    /// Returns the client for a request to a server that has another name for TLS, if there is such
    /// a name.
    ///
    /// reqwest takes the name from the URI. So the name takes the place of the host, and the
    /// client's resolver looks up the host.
    ///
    /// # Errors
    /// Returns an error if the request uses a proxy: the proxy would look up the name.
    pub(crate) fn named(&self, request: &mut Request, proxy: Option<&Proxy>) -> Result<Option<Client>, TransportError> {
        let (Some(name), Some("https")) = (&self.server_name, request.uri().scheme_str()) else {
            return Ok(None);
        };
        let uri = request.uri().clone();
        if proxy.is_some() {
            return Err(unsupported("reqwest cannot use a server name for TLS through a proxy").at(&uri));
        }
        let (Some(authority), Some(renamed)) = (uri.authority(), renamed(&uri, name)) else {
            return Err(unsupported("the URI is not supported").at(&uri));
        };
        if let Ok(host) = HeaderValue::try_from(authority.as_str()) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        let resolver = FixedHost(bare(authority.host()).to_owned());
        *request.uri_mut() = renamed;
        let client = ClientBuilder::new().dns_resolver(resolver);
        build(client, self.tls.clone(), &self.policy, &Arc::new(Proxies::none())).map(Some)
    }
}

fn unsupported(problem: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, problem).with_hint("use a HyperTransport")
}

/// Returns the URI with another host and the same port.
fn renamed(uri: &Uri, name: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let authority = match uri.port_u16() {
        Some(port) => Authority::try_from(format!("{name}:{port}")),
        None => Authority::try_from(name),
    };
    parts.authority = Some(authority.ok()?);
    Uri::from_parts(parts).ok()
}

/// Returns a host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// A resolver that looks up one host, whichever name is asked for.
struct FixedHost(String);

impl Resolve for FixedHost {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.parse::<HyperName>();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = GaiResolver::new().call(host?).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
