//! The HTTP proxy of a transport, and the environment variables that name it.

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

/// The proxy settings: an HTTP proxy, and the hosts that are reached without it.
///
/// Requests pass through the proxy in a tunnel (`CONNECT`, RFC 9110, section 9.3.6), so TLS is
/// between this program and the token service: the proxy learns the host name and nothing else.
/// Requests to this machine never use a proxy, because `localhost` means another machine to the
/// proxy. This includes all plain `http` requests, which are only allowed to this machine.
///
/// ```
/// use entra_transport::Proxies;
///
/// let proxies = Proxies::through("http://proxy.corp.example:3128")?
///     .except("intranet.example, .corp.example");
/// let is_proxied = |uri: &str| proxies.for_uri(&uri.parse().unwrap()).is_some();
/// assert!(is_proxied("https://login.microsoftonline.com/common"));
/// assert!(!is_proxied("https://sts.corp.example/"));
/// assert!(!is_proxied("https://localhost:8443/"));
/// # Ok::<(), entra_transport::TransportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    through: Option<Proxy>,
    except: Exceptions,
}

impl Proxies {
    /// The environment variables that can name the proxy. The first one that is set is used.
    pub const VARIABLES: [&'static str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

    /// Creates settings without a proxy.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the settings from the environment, as curl does: the proxy from one of
    /// [`VARIABLES`](Self::VARIABLES), the exceptions from `no_proxy` or `NO_PROXY`. A variable
    /// that is empty counts as not set. The variable `http_proxy` is never read.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::Configuration`] if the proxy cannot be used, or if a variable
    /// that is used is not UTF-8. A direct connection would bypass a deliberate setting.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// Creates settings with the proxy at `uri`, such as `http://proxy.example:3128`.
    ///
    /// The URI may contain a percent-encoded `user:password@`. The default scheme is `http://`, and
    /// the default port is 80 (curl uses 1080).
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::Configuration`] if `uri` is not such a URI. SOCKS proxies and
    /// TLS connections to a proxy are not supported.
    pub fn through(uri: &str) -> Result<Self, TransportError> {
        Ok(Self {
            through: Some(Proxy::parse(uri).map_err(|invalid| {
                TransportError::new(TransportErrorKind::Configuration, invalid.problem).with_hint(invalid.hint)
            })?),
            except: Exceptions::default(),
        })
    }

    /// Adds hosts that are reached without the proxy, in the format of `NO_PROXY`, as in curl.
    ///
    /// Commas or white space separate the entries. An entry is one of
    /// - a name, which includes all names below it, with or without a dot before or after it;
    /// - an address, with or without brackets for IPv6;
    /// - a network: `192.0.2.0/24`, `2001:db8::/32`.
    ///
    /// If `hosts` is `*`, it means every host; elsewhere, `*` is not a wildcard. An entry with a
    /// port matches nothing.
    ///
    /// curl supports networks since 7.86, and networks of IPv6 since 8.18. Since 8.9, it ends the
    /// list at the first white space without a comma.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        self.except.add(hosts);
        self
    }

    /// Returns the proxy for a request to `uri`, if it needs one.
    #[must_use]
    pub fn for_uri(&self, uri: &Uri) -> Option<&Proxy> {
        let name = uri.host()?;
        let host = Host::parse(name);
        let loopback = is_loopback_host(name) || host.is_loopback();
        let direct = uri.scheme() != Some(&Scheme::HTTPS) || loopback || self.except.contains(&host);
        self.through.as_ref().filter(|_| !direct)
    }

    /// Returns the proxy, without regard to the exceptions.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.through.as_ref()
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, TransportError> {
        let Some((name, uri)) = first(&var, &Self::VARIABLES, |value| !value.trim().is_empty())? else {
            return Ok(Self::none());
        };
        let through = Proxy::parse(&uri).map_err(|invalid| unusable(name, &invalid))?;
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

/// Returns the first of these variables that is set. Its value is never shown, because it may
/// contain a password.
fn first<'a>(
    var: impl Fn(&str) -> Option<OsString>,
    names: &[&'a str],
    is_set: impl Fn(&str) -> bool,
) -> Result<Option<(&'a str, Zeroizing<String>)>, TransportError> {
    for name in names {
        let value = match var(name).map(OsString::into_string) {
            None => continue,
            Some(Ok(value)) => Zeroizing::new(value),
            Some(Err(_)) => {
                let invalid = InvalidProxy {
                    problem: "it is not UTF-8",
                    hint: "percent-encode a password that is not ASCII, and write host names in their ASCII form (xn--...)",
                };
                return Err(unusable(name, &invalid));
            }
        };
        if is_set(&value) {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

fn unusable(name: &str, invalid: &InvalidProxy) -> TransportError {
    let problem = format!("the variable {name} cannot be used: {}", invalid.problem);
    TransportError::new(TransportErrorKind::Configuration, problem).with_hint(invalid.hint)
}

/// The problem of a text that does not name a proxy, and what to do about it.
struct InvalidProxy {
    problem: &'static str,
    hint: &'static str,
}

/// An HTTP proxy. `Debug` shows no password.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// `user:password`, percent-decoded: bytes in the encoding that the proxy uses.
    credentials: Option<Zeroizing<Vec<u8>>>,
}

impl Proxy {
    /// Returns the host of the proxy.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port of the proxy.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether the URI of the proxy contains a user name or a password.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Returns the value of the `Proxy-Authorization` header, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        let encoded = Zeroizing::new(STANDARD.encode(self.credentials.as_deref()?));
        let mut value = HeaderValue::try_from(format!("Basic {}", *encoded)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn parse(uri: &str) -> Result<Self, InvalidProxy> {
        const NOT_A_URI: InvalidProxy = InvalidProxy {
            problem: "the proxy is not a URI",
            hint: "write the proxy as http://host:port, without quotes",
        };
        // `user:password` may contain characters that `http::Uri` rejects unencoded, so it is split
        // off first.
        let uri = uri.trim();
        let (scheme, rest) = uri.split_once("://").unwrap_or(("http", uri));
        if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NOT_A_URI);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(InvalidProxy {
                problem: "the scheme of the proxy is not http: SOCKS and TLS to the proxy are not supported",
                hint: "use an HTTP proxy, as http://host:port",
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
            .ok_or(NOT_A_URI)?;
        // As in curl, there are no credentials if both are empty, as in
        // `http://$USER:$PASSWORD@host` without the variables.
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

/// Returns whether a text is a host name or an address. The crate `http` accepts
/// `http=proxy.example` as a host as well.
fn is_plain(host: &str) -> bool {
    let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    host.starts_with('[') || host.bytes().all(is_in_name)
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
    fn environment_is_read_as_in_curl() {
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
    fn error_for_invalid_proxy_shows_no_secret() {
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
    fn non_utf8_variable_is_an_error_if_it_is_used() {
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
        // As in curl, a variable that is not used may have any value.
        assert!(broken("ALL_PROXY", &[("HTTPS_PROXY", "p:1")]).is_ok());
        assert!(broken("NO_PROXY", &[("ALL_PROXY", "p:1"), ("no_proxy", "h")]).is_ok());
        assert!(broken("NO_PROXY", &[]).is_ok());
        assert!(broken("HTTP_PROXY", &[]).is_ok());
    }

    #[test]
    fn loopback_never_uses_proxy() {
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
    fn credentials_are_decoded_and_hidden() {
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
        // printf 'user:p\xe9' | base64: a password that is not UTF-8 reaches the proxy unchanged.
        let latin = Proxies::through("user:p%E9@p.example").unwrap();
        assert_eq!(latin.proxy().unwrap().authorization().unwrap(), "Basic dXNlcjpw6Q==");
        assert_eq!(format!("{:?}", proxy.authorization().unwrap()), "Sensitive");
    }
}
