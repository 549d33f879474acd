use std::{env, fmt};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_proto::is_loopback_host;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::policy::is_connectable;
use crate::{TransportError, TransportErrorKind, endpoint};

/// The way out of a company's network: an HTTP proxy, and the hosts that are reached without it.
///
/// A request goes through the proxy as a tunnel (`CONNECT`, RFC 9110 section 9.3.6), so TLS stays between this program and the
/// token service: the proxy learns the host's name and nothing else. Two things are never sent to a proxy: plain `http`, which
/// goes to this very machine only, and anything else for this very machine, as a proxy has another idea of `localhost`.
///
/// ```
/// use entra_transport::Proxies;
///
/// let proxies = Proxies::through("http://proxy.corp.example:3128")?.except("intranet.example, .corp.example");
/// let proxied = |uri: &'static str| proxies.for_uri(&uri.parse().unwrap()).is_some();
/// assert!(proxied("https://login.microsoftonline.com/common/oauth2/v2.0/token"));
/// assert!(!proxied("https://sts.corp.example/"));
/// assert!(!proxied("https://localhost:8443/"));
/// # Ok::<(), entra_transport::TransportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    through: Option<Proxy>,
    except: Vec<String>,
}

impl Proxies {
    /// The environment variables that may name the proxy, the first that is set before the others.
    pub const VARIABLES: [&'static str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

    /// No proxy for anything.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What the environment says, as curl reads it: the proxy in one of [`VARIABLES`](Self::VARIABLES), the exceptions in `no_proxy`
    /// or `NO_PROXY`. An empty variable counts as none.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] where the proxy is none that can be used: going out without it instead would be
    /// against the wish of whoever set it.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_vars(|name| env::var(name).ok())
    }

    /// The proxy at `uri`: `http://proxy.example:3128`, with `user:password@` in it where the proxy wants that (percent-encoded).
    /// Without a scheme `http://` is meant, without a port 80. The variable `http_proxy` is never read.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] where it is no such URI. SOCKS and proxies over TLS cannot be used.
    pub fn through(uri: &str) -> Result<Self, TransportError> {
        Ok(Self {
            through: Some(Proxy::parse(uri)?),
            except: Vec::new(),
        })
    }

    /// Adds hosts that are reached without the proxy, in the form of `NO_PROXY`: names and addresses with commas between them. A
    /// name stands for everything below it as well, with or without a dot before it; a port may follow; `*` stands for all.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        let hosts = hosts
            .split([',', ' '])
            .map(|host| host.trim().to_ascii_lowercase())
            .filter(|host| !host.is_empty());
        self.except.extend(hosts);
        self
    }

    /// The proxy that a request to `uri` has to go through, if any.
    #[must_use]
    pub fn for_uri(&self, uri: &Uri) -> Option<&Proxy> {
        let host = uri.host()?;
        let direct = uri.scheme() != Some(&Scheme::HTTPS) || is_loopback_host(host) || self.is_excepted(uri, host);
        self.through.as_ref().filter(|_| !direct)
    }

    /// The proxy, whatever it is for.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.through.as_ref()
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, TransportError> {
        let var = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| var(name))
                .find(|value| !value.trim().is_empty())
        };
        let Some(uri) = var(&Self::VARIABLES) else {
            return Ok(Self::none());
        };
        let proxies = Self::through(uri.trim())?;
        Ok(proxies.except(&var(&["no_proxy", "NO_PROXY"]).unwrap_or_default()))
    }

    fn is_excepted(&self, uri: &Uri, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let with_port = endpoint(uri).to_ascii_lowercase();
        self.except.iter().any(|except| {
            let except = except.strip_prefix('*').unwrap_or(except);
            let except = except.strip_prefix('.').unwrap_or(except);
            [&host, &with_port].into_iter().any(|name| {
                name.strip_suffix(except)
                    .is_some_and(|rest| except.is_empty() || rest.is_empty() || rest.ends_with('.'))
            })
        })
    }
}

/// An HTTP proxy. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    credentials: Option<(String, Zeroizing<String>)>,
}

impl Proxy {
    /// Its host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user name and the password it wants, if any, decoded.
    #[must_use]
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials
            .as_ref()
            .map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// The value of `Proxy-Authorization`, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials()?;
        let plain = Zeroizing::new(format!("{user}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain.as_bytes()))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn parse(uri: &str) -> Result<Self, TransportError> {
        let wrong = |why: &'static str| TransportError::new(TransportErrorKind::Configuration, why);
        let no_uri = || wrong("the proxy is no URI: give it as http://host:port, here or in HTTPS_PROXY");
        // `user:password` holds characters that `http::Uri` refuses when they are not encoded, so it is taken off first.
        let (scheme, rest) = uri.split_once("://").unwrap_or(("http", uri));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(wrong(
                "only proxies with http:// can be used, not with SOCKS or over TLS: see HTTPS_PROXY",
            ));
        }
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, rest),
        };
        let authority = host.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.parse::<Authority>().map_err(|_| no_uri())?;
        if !is_connectable(&authority) {
            return Err(no_uri());
        }
        let credentials = credentials.map(|credentials| {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decoded(user), Zeroizing::new(decoded(password)))
        });
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            credentials,
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> Result<Proxies, TransportError> {
        Proxies::from_vars(|name| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn proxied(proxies: &Proxies, uri: &str) -> bool {
        proxies.for_uri(&uri.parse().unwrap()).is_some()
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let login = "https://login.microsoftonline.com/";
        assert!(!proxied(&from(&[]).unwrap(), login));
        assert!(!proxied(&from(&[("HTTPS_PROXY", " ")]).unwrap(), login));
        assert!(!proxied(
            &from(&[("HTTP_PROXY", "http://p:1"), ("http_proxy", "http://p:1")]).unwrap(),
            login
        ));
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            let proxies = from(&[(name, "p.example:3128"), ("NO_PROXY", "other.example")]).unwrap();
            assert!(proxied(&proxies, login));
            assert!(!proxied(&proxies, "https://other.example/"));
        }
        let proxies = from(&[("https_proxy", "http://lower"), ("HTTPS_PROXY", "http://upper")]).unwrap();
        let proxy = proxies.for_uri(&login.parse().unwrap()).unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("lower", 80));
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_tells_no_secret() {
        for uri in [
            "socks5://u:canary@h:1",
            "https://u:canary@h:1",
            "http://u:canary@",
            "http://u:canary@h:99999",
            "http:// /",
        ] {
            let error = from(&[("HTTPS_PROXY", uri)]).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Configuration, "{uri}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn exceptions_are_names_addresses_and_ports() {
        let proxies = Proxies::through("http://p:1")
            .unwrap()
            .except("a.example,.b.example, *.c.example,D.example:444 192.0.2.7");
        for uri in [
            "https://a.example/",
            "https://x.a.example/",
            "https://b.example/",
            "https://x.b.example/",
            "https://x.C.example/",
            "https://d.example:444/",
            "https://192.0.2.7:8443/",
            "https://localhost/",
            "https://127.0.0.1:1/",
            "https://[::1]:1/",
            "http://localhost/",
        ] {
            assert!(!proxied(&proxies, uri), "{uri}");
        }
        for uri in [
            "https://xa.example/",
            "https://a.example.com/",
            "https://d.example/",
            "https://192.0.2.77/",
        ] {
            assert!(proxied(&proxies, uri), "{uri}");
        }
        assert!(!proxied(
            &Proxies::through("http://p:1").unwrap().except("*"),
            "https://anything.example/"
        ));
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let proxies = Proxies::through("http://us%20er:can%40ary@p.example:3128").unwrap();
        let proxy = proxies.for_uri(&Uri::from_static("https://h/")).unwrap();
        assert_eq!(proxy.credentials(), Some(("us er", "can@ary")));
        // printf 'us er:can@ary' | base64
        assert_eq!(proxy.authorization().unwrap(), "Basic dXMgZXI6Y2FuQGFyeQ==");
        assert_eq!(
            format!("{proxies:?}"),
            "Proxies { through: Some(Proxy(p.example:3128)), except: [] }"
        );
        assert_eq!(format!("{:?}", proxy.authorization().unwrap()), "Sensitive");
    }
}
