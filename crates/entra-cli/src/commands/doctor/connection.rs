//! The check of the connection to the authority.

use entra_proto::Timestamp;
use entra_proto::error::hints::FOREIGN_RESPONSE;
use entra_transport::adapter::endpoint;
use entra_transport::{BlockingTransport, Response, TransportError, TransportErrorKind, now};
use http::Uri;

use crate::commands::doctor::configuration::{Configuration, Network};
use crate::commands::doctor::name;
use crate::commands::doctor::report::{Check, Report};
use crate::discovery;
use crate::exit::Failure;

/// The authority's response to the discovery request, with its times by this machine's clock.
pub(crate) struct TimedResponse {
    pub(crate) response: Response,
    pub(crate) sent: Timestamp,
    pub(crate) received: Timestamp,
}

/// Sends one discovery request to the authority.
pub(crate) fn examine(configuration: &Configuration, report: &mut Report) -> Result<Option<TimedResponse>, Failure> {
    let (Some(url), Some(network)) = (&configuration.discovery, &configuration.network) else {
        report.skip(name::CONNECTION, &[name::AUTHORITY, name::NETWORK])?;
        return Ok(None);
    };
    let request = discovery::request(url)?;
    let uri = request.uri().clone();

    let sent = now();
    let response = match network.transport.send(request) {
        Ok(response) => response,
        Err(error) => {
            report.add(transport_failure(name::CONNECTION, error, &uri, network))?;
            return Ok(None);
        }
    };
    let received = now();
    let (host, status, took) = (endpoint(&uri), response.status().as_u16(), received.since(sent));
    let secured = if uri.scheme_str() == Some("https") {
        "TLS"
    } else {
        "plain http"
    };
    let route = network
        .proxy
        .as_ref()
        .map_or_else(String::new, |(proxy, _)| format!(" through {proxy}"));
    let found = format!("{host} responded{route} over {secured} in {} ms", took.as_millis());
    report.add(
        Check::ok(name::CONNECTION, found)
            .with("url", url.as_str())
            .with("status", status),
    )?;
    Ok(Some(TimedResponse {
        response,
        sent,
        received,
    }))
}

/// Returns the failed check of a request without a response: the stage that failed, and a hint.
pub(crate) fn transport_failure(name: &'static str, error: TransportError, uri: &Uri, network: &Network) -> Check {
    let stage = stage(error.kind(), network.proxy.is_some());
    let host = endpoint(uri);
    let fix = match (stage, &network.proxy) {
        ("proxy", Some((proxy, variable))) => format!(
            "check the proxy {proxy} in {variable}: its name and port, its user name and password, and that it allows connections \
             to {host}; or list the host in NO_PROXY"
        ),
        ("dns", _) => "check the host's spelling, and this machine's name resolution: its DNS server, a VPN".to_owned(),
        ("connect", _) => {
            format!(
                "check that a server listens at {host} and that no firewall blocks it; if a proxy is required, name it in HTTPS_PROXY"
            )
        }
        ("tls", _) => format!(
            "check that {host} is the host you mean, and this machine's clock; if a company's proxy or an emulator responds \
             there, pass its root certificate with --ca-file"
        ),
        ("timeout", _) => {
            format!(
                "check that no firewall drops packets to {host}; if a proxy is required, name it in HTTPS_PROXY; or raise --timeout"
            )
        }
        _ => FOREIGN_RESPONSE.to_owned(),
    };
    let failure = Failure::from(error);
    let check = Check::fail(name, failure.exit, format!("{stage}: {}", failure.problem), fix).with("stage", stage);
    match stage {
        // The hint of the error itself says the same in fewer words.
        "connect" | "timeout" => check,
        _ => check.with_hints_of(&failure),
    }
}

/// Returns the stage at which a request failed.
fn stage(kind: TransportErrorKind, proxied: bool) -> &'static str {
    match kind {
        // The proxy resolves the name of the host, so a name that fails here is the proxy's.
        TransportErrorKind::Dns | TransportErrorKind::Connect if proxied => "proxy",
        TransportErrorKind::ProxyAuthentication => "proxy",
        TransportErrorKind::Dns => "dns",
        TransportErrorKind::Connect => "connect",
        TransportErrorKind::Tls => "tls",
        TransportErrorKind::Timeout => "timeout",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_error_kind_determines_stage() {
        use TransportErrorKind::{Connect, Dns, Interrupted, Malformed, ProxyAuthentication, Timeout, Tls};
        let stages = |proxied| [Dns, Connect, Tls, Timeout, Interrupted, Malformed].map(|kind| stage(kind, proxied));
        assert_eq!(stages(false), ["dns", "connect", "tls", "timeout", "http", "http"]);
        assert_eq!(stages(true), ["proxy", "proxy", "tls", "timeout", "http", "http"]);
        assert_eq!(stage(ProxyAuthentication, true), "proxy");
    }
}
