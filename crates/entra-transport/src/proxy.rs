use std::ffi::OsString;
use std::{env, fmt};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_proto::endpoint::is_loopback_host;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::no_proxy::{Exceptions, Host};
use crate::policy::is_connectable;
use crate::{TransportError, TransportErrorKind};

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
    except: Exceptions,
}

impl Proxies {
    /// The environment variables that may name the proxy, the first that is set before the others.
    pub const VARIABLES: [&'static str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

    /// No proxy for anything.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The proxy that the environment names, as curl reads it: the proxy in one of [`VARIABLES`](Self::VARIABLES), the exceptions in
    /// `no_proxy` or `NO_PROXY`. An empty variable counts as none.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] if the proxy cannot be used, or a variable that counts is not UTF-8: to go without the
    /// proxy is not what its user wants.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// The proxy at `uri`: `http://proxy.example:3128`, with `user:password@` in it where the proxy wants that (percent-encoded).
    /// Without a scheme, `http://` is meant; without a port, 80, where curl takes 1080. The variable `http_proxy` is never read.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] where it is no such URI. SOCKS and proxies over TLS cannot be used.
    pub fn through(uri: &str) -> Result<Self, TransportError> {
        Ok(Self {
            through: Some(Proxy::parse(uri).map_err(|unfit| {
                TransportError::new(TransportErrorKind::Configuration, unfit.problem).with_hint(unfit.advice)
            })?),
            except: Exceptions::default(),
        })
    }

    /// Adds hosts that are reached without the proxy, in the form of `NO_PROXY`, as curl reads it.
    ///
    /// Commas or blanks separate the entries. An entry is
    /// - a name, which stands for everything below it as well, with or without a dot before or behind it;
    /// - an address, of IPv6 with or without brackets;
    /// - a network: `192.0.2.0/24`, `2001:db8::/32`.
    ///
    /// A `*` that is the whole of `hosts` stands for every host; it is no wildcard elsewhere. An entry with a port matches nothing.
    ///
    /// curl reads networks since 7.86, those of IPv6 since 8.18; since 8.9, it ends the list at the first blank without a comma.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        self.except.add(hosts);
        self
    }

    /// The proxy that a request to `uri` has to go through, if any.
    #[must_use]
    pub fn for_uri(&self, uri: &Uri) -> Option<&Proxy> {
        let name = uri.host()?;
        let host = Host::parse(name);
        let loopback = is_loopback_host(name) || host.is_loopback();
        let direct = uri.scheme() != Some(&Scheme::HTTPS) || loopback || self.except.contains(&host);
        self.through.as_ref().filter(|_| !direct)
    }

    /// The proxy, whatever it is for.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.through.as_ref()
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, TransportError> {
        let Some((name, uri)) = first(&var, &Self::VARIABLES, |value| !value.trim().is_empty())? else {
            return Ok(Self::none());
        };
        let through = Proxy::parse(&uri).map_err(|unfit| unusable(name, &unfit))?;
        let except = first(&var, &["no_proxy", "NO_PROXY"], |value| !value.is_empty())?;
        let proxies = Self {
            through: Some(through),
            except: Exceptions::default(),
        };
        Ok(match except {
            Some((_, hosts)) => proxies.except(&hosts),
            None => proxies,
        })
    }
}

/// The first of these variables that counts as set. Its value is never shown: a password may stand in it.
fn first<'a>(
    var: impl Fn(&str) -> Option<OsString>,
    names: &[&'a str],
    counts: impl Fn(&str) -> bool,
) -> Result<Option<(&'a str, Zeroizing<String>)>, TransportError> {
    for name in names {
        let value = match var(name).map(OsString::into_string) {
            None => continue,
            Some(Ok(value)) => Zeroizing::new(value),
            Some(Err(_)) => {
                let unfit = Unfit {
                    problem: "it is not UTF-8",
                    advice: "percent-encode a password that is not ASCII, and write names of hosts as xn--...",
                };
                return Err(unusable(name, &unfit));
            }
        };
        if counts(&value) {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

fn unusable(name: &str, unfit: &Unfit) -> TransportError {
    let problem = format!("the variable {name} cannot be used: {}", unfit.problem);
    TransportError::new(TransportErrorKind::Configuration, problem).with_hint(unfit.advice)
}

/// The reason why a text names no proxy, and what to do about it.
struct Unfit {
    problem: &'static str,
    advice: &'static str,
}

/// An HTTP proxy. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// `user:password`, decoded: the bytes that the proxy compares, in whatever encoding.
    credentials: Option<Zeroizing<Vec<u8>>>,
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

    /// Whether its URI holds a user name or a password.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The value of `Proxy-Authorization`, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        let encoded = Zeroizing::new(STANDARD.encode(self.credentials.as_deref()?));
        let mut value = HeaderValue::try_from(format!("Basic {}", *encoded)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn parse(uri: &str) -> Result<Self, Unfit> {
        const NO_URI: Unfit = Unfit {
            problem: "the proxy is no URI",
            advice: "give it as http://host:port, without quotes",
        };
        // `user:password` holds characters that `http::Uri` refuses when they are not encoded, so it is taken off first.
        let uri = uri.trim();
        let (scheme, rest) = uri.split_once("://").unwrap_or(("http", uri));
        if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NO_URI);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(Unfit {
                problem: "the proxy is not one with http://: SOCKS, and TLS to the proxy, are not supported",
                advice: "name a proxy as http://host:port",
            });
        }
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, rest),
        };
        let authority = host.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority
            .parse::<Authority>()
            .ok()
            .filter(|authority| is_connectable(authority) && is_plain(authority.host()))
            .ok_or(NO_URI)?;
        // curl sends none either where both are empty, as in `http://$USER:$PASSWORD@host` without the variables.
        let credentials = credentials.filter(|credentials| !matches!(*credentials, "" | ":"));
        let credentials = credentials.map(|credentials| {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            let decoded = percent_decode_str(user)
                .chain([b':'])
                .chain(percent_decode_str(password));
            Zeroizing::new(decoded.collect())
        });
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            credentials,
        })
    }
}

/// Whether this is a name as a host has one, or an address: `http` takes `http=proxy.example` for a host, too.
fn is_plain(host: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    host.starts_with('[') || host.bytes().all(is_of_a_name)
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
        Proxies::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
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
            "\"http://u:canary@h:1\"",
            "http=h:1;https=h:2",
            "http://h:1, http://h:2",
            "http://h%3a1",
        ] {
            let error = from(&[("HTTPS_PROXY", uri)]).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Configuration, "{uri}");
            assert!(!format!("{error} {error:?}").contains("canary"));
            assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_an_error_where_it_counts() {
        use std::os::unix::ffi::OsStringExt;

        let broken = |broken: &'static str, vars: &'static [(&str, &str)]| {
            Proxies::from_vars(move |name| {
                if name == broken {
                    return Some(OsString::from_vec(b"http://user:canary\xe9@p:1".to_vec()));
                }
                vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())
            })
        };
        for name in Proxies::VARIABLES {
            let error = broken(name, &[]).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(error.to_string().contains(name) && !format!("{error:?}").contains("canary"));
        }
        assert!(broken("no_proxy", &[("ALL_PROXY", "p:1")]).is_err());
        assert!(broken("NO_PROXY", &[("ALL_PROXY", "p:1"), ("no_proxy", "")]).is_err());
        // What curl does not look at does not count here either.
        assert!(broken("ALL_PROXY", &[("HTTPS_PROXY", "p:1")]).is_ok());
        assert!(broken("NO_PROXY", &[("ALL_PROXY", "p:1"), ("no_proxy", "h")]).is_ok());
        assert!(broken("NO_PROXY", &[]).is_ok());
        assert!(broken("HTTP_PROXY", &[]).is_ok());
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        let proxies = Proxies::through("http://p:1").unwrap();
        for uri in [
            "https://localhost/",
            "https://127.0.0.1:1/",
            "https://127.1/",
            "https://2130706433/",
            "https://[::1]:1/",
            "http://localhost/",
        ] {
            assert!(!proxied(&proxies, uri), "{uri}");
        }
        for uri in ["https://localhost.example/", "https://192.0.2.1/", "https://[::2]/"] {
            assert!(proxied(&proxies, uri), "{uri}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let proxies = Proxies::through("http://us%20er:can%40ary@p.example:3128").unwrap();
        let proxy = proxies.for_uri(&Uri::from_static("https://h/")).unwrap();
        assert_eq!(proxy.credentials.as_ref().unwrap().as_slice(), b"us er:can@ary");
        // printf 'us er:can@ary' | base64
        assert_eq!(proxy.authorization().unwrap(), "Basic dXMgZXI6Y2FuQGFyeQ==");
        assert_eq!(
            format!("{proxies:?}"),
            "Proxies { through: Some(Proxy(p.example:3128)), except: Exceptions { all: false, entries: [] } }"
        );
        for none in ["@p.example", "http://:@p.example", " http://p.example\t"] {
            let none = Proxies::through(none).unwrap();
            assert!(!none.proxy().unwrap().has_credentials());
        }
        assert!(
            Proxies::through(":canary@p.example")
                .unwrap()
                .proxy()
                .unwrap()
                .has_credentials()
        );
        // printf 'user:p\xe9' | base64: what is no UTF-8 reaches the proxy as it is.
        let latin = Proxies::through("user:p%E9@p.example").unwrap();
        assert_eq!(latin.proxy().unwrap().authorization().unwrap(), "Basic dXNlcjpw6Q==");
        assert_eq!(format!("{:?}", proxy.authorization().unwrap()), "Sensitive");
    }
}
