use entra_proto::Timestamp;
use entra_transport::adapter::endpoint;
use entra_transport::{BlockingTransport, Response, TransportError, TransportErrorKind, now};
use http::Uri;

use crate::commands::doctor::configuration::{Configuration, Network};
use crate::commands::doctor::name;
use crate::commands::doctor::report::{Check, Report};
use crate::discovery;
use crate::exit::Failure;

/// What the authority answered when it was asked about itself, and when, by this machine's clock.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) sent: Timestamp,
    pub(crate) received: Timestamp,
}

/// Asks the authority about itself, once.
pub(crate) fn examine(configuration: &Configuration, report: &mut Report) -> Result<Option<Answer>, Failure> {
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
            report.add(lost(name::CONNECTION, error, &uri, network))?;
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
    let way = network
        .proxy
        .as_ref()
        .map_or_else(String::new, |(proxy, _)| format!(" through {proxy}"));
    let found = format!("{host} answers{way} over {secured}, in {} ms", took.as_millis());
    report.add(
        Check::ok(name::CONNECTION, found)
            .with("url", url.as_str())
            .with("status", status),
    )?;
    Ok(Some(Answer {
        response,
        sent,
        received,
    }))
}

/// No answer came: where on the way it failed, and what to do there.
pub(crate) fn lost(name: &'static str, error: TransportError, uri: &Uri, network: &Network) -> Check {
    let stage = stage(error.kind(), network.proxy.is_some());
    let host = endpoint(uri);
    let fix = match (stage, &network.proxy) {
        ("proxy", Some((proxy, variable))) => format!(
            "check the proxy {proxy} in {variable}: its name and port, its user name and password, and that it lets through to {host}; \
             or except the host in NO_PROXY"
        ),
        ("dns", _) => {
            "check the host's spelling, and that this machine resolves names: its DNS server, a VPN".to_owned()
        }
        ("connect", _) => {
            format!(
                "check that something listens at {host} and that no firewall is in between; if only a proxy leads out, name it in HTTPS_PROXY"
            )
        }
        ("tls", _) => format!(
            "check that {host} is meant, and this machine's clock; if a company's proxy or an emulator answers there, name its root with --ca-file"
        ),
        ("timeout", _) => {
            format!(
                "check that no firewall swallows what goes to {host}; if only a proxy leads out, name it in HTTPS_PROXY; or raise --timeout"
            )
        }
        _ => "look for a proxy or a sign-in portal between this machine and the service, and check the authority"
            .to_owned(),
    };
    let failure = Failure::from(error);
    let check = Check::fail(name, failure.exit, format!("{stage}: {}", failure.problem), fix).with("stage", stage);
    match stage {
        // The error's own advice says the same in fewer words.
        "connect" | "timeout" => check,
        _ => check.advise(&failure),
    }
}

/// Where on the way a request failed.
fn stage(kind: TransportErrorKind, proxied: bool) -> &'static str {
    match kind {
        // The proxy looks up the host's name, so the one not found here is its own.
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
    fn each_kind_of_failure_has_its_stage() {
        use TransportErrorKind::{Connect, Dns, Interrupted, Malformed, ProxyAuthentication, Timeout, Tls};
        let stages = |proxied| [Dns, Connect, Tls, Timeout, Interrupted, Malformed].map(|kind| stage(kind, proxied));
        assert_eq!(stages(false), ["dns", "connect", "tls", "timeout", "http", "http"]);
        assert_eq!(stages(true), ["proxy", "proxy", "tls", "timeout", "http", "http"]);
        assert_eq!(stage(ProxyAuthentication, true), "proxy");
    }
}
