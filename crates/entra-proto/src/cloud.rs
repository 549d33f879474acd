//! Clouds, and the origins of their login hosts.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;

use crate::error::{Error, Input, InputError};
use crate::known_api::KnownApi;
use crate::loopback::is_loopback_host;
use crate::pasted::unwrapped;
use crate::tenant::is_label;

/// The Entra cloud: public, national, or a custom login host.
///
/// ```
/// use entra_proto::Cloud;
///
/// let cloud: Cloud = "https://login.microsoftonline.us".parse()?;
/// assert_eq!(cloud, Cloud::UsGovernment);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Cloud {
    /// `login.microsoftonline.com`.
    #[default]
    Public,
    /// `login.microsoftonline.us`.
    UsGovernment,
    /// `login.partner.microsoftonline.cn`, operated by 21Vianet.
    China,
    /// Another host: another sovereign cloud, an external tenant's `contoso.ciamlogin.com`, or an
    /// emulator.
    Custom(Origin),
}

impl Cloud {
    /// Parses the `https` address of a cloud. The hosts of a named cloud, including its older ones
    /// such as `login.windows.net`, yield that cloud. Any other host, or another port, yields
    /// [`Cloud::Custom`].
    ///
    /// # Errors
    /// Returns an error if the text is not `https://host[:port]`, with or without a trailing slash,
    /// or if the host is that of a Microsoft portal or API, which issues no tokens. Plain `http` is
    /// an error, too: an emulator's requires [`Cloud::loopback`].
    pub fn at(url: &str) -> Result<Self, Error> {
        let origin = Origin::parse(url, LOGIN)?;
        if !origin.is_https() {
            let advice = if origin.is_loopback() {
                "call Cloud::loopback for a test"
            } else {
                "write https"
            };
            return Err(InputError::new(
                Input::Authority,
                "is plain http, which would send the credential in the clear",
            )
            .with_hint(advice)
            .into());
        }
        if PORTALS.contains(&origin.host()) || KnownApi::served_by(origin.host()).is_some() {
            return Err(InputError::new(
                Input::Authority,
                "is the address of a portal or an API, not of a token service",
            )
            .value(origin.as_str())
            .with_hint(LOGIN.1)
            .into());
        }
        // Another port means another server.
        Ok(match origin.as_str() {
            "https://login.microsoftonline.com"
            | "https://login.windows.net"
            | "https://login.microsoft.com"
            | "https://sts.windows.net" => Self::Public,
            "https://login.microsoftonline.us" | "https://login.usgovcloudapi.net" => Self::UsGovernment,
            "https://login.partner.microsoftonline.cn"
            | "https://login.chinacloudapi.cn"
            | "https://sts.chinacloudapi.cn" => Self::China,
            _ => Self::Custom(origin),
        })
    }

    /// Parses the address of an emulator on this machine. Plain `http` is allowed.
    ///
    /// # Errors
    /// Returns an error if the host is not `localhost`, in 127.0.0.0/8 or `[::1]`.
    pub fn loopback(url: &str) -> Result<Self, Error> {
        let origin = Origin::parse(url, LOGIN)?;
        if !origin.is_loopback() {
            return Err(InputError::new(Input::Authority, "is not on this machine")
                .value(origin.as_str())
                .into());
        }
        Ok(Self::Custom(origin))
    }

    /// Parses the setting of a program that names the cloud, such as `AZURE_AUTHORITY_HOST`.
    ///
    /// Accepts a name or an `https` address as [`FromStr`](Self::from_str) does, a bare host with a
    /// dot, and the address of an emulator on this machine, which may be plain `http`. If the
    /// transport is built with `for_cloud`, which allows plain `http` for the same addresses, this
    /// one setting makes a program use an emulator.
    ///
    /// ```
    /// use entra_proto::Cloud;
    ///
    /// assert_eq!(
    ///     Cloud::from_setting("login.microsoftonline.us")?,
    ///     Cloud::UsGovernment
    /// );
    /// let emulator = Cloud::from_setting("http://localhost:8500")?;
    /// assert_eq!(emulator.origin(), "http://localhost:8500");
    /// assert!(Cloud::from_setting("http://login.microsoftonline.com").is_err());
    /// # Ok::<(), entra_proto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error for any other text, for plain `http` to another machine, and for the host
    /// of a Microsoft portal or API.
    pub fn from_setting(text: &str) -> Result<Self, Error> {
        if let Ok(cloud) = Self::loopback(text) {
            return Ok(cloud);
        }
        // Documents of other libraries write the bare host.
        let bare = unwrapped(text);
        if !bare.contains("://") && bare.contains('.') {
            return Self::at(&format!("https://{bare}"));
        }
        text.parse()
    }

    /// Returns the cloud's origin, `https://host[:port]`, without a trailing slash.
    #[must_use]
    pub fn origin(&self) -> &str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Custom(origin) => origin.as_str(),
        }
    }

    /// Returns whether this cloud issues tokens under this origin: v2 tokens under its own, v1
    /// tokens under another. The origins are those of the clouds' discovery documents.
    pub(crate) fn issues_from(&self, origin: &str) -> bool {
        let of_v1 = match self {
            Self::Public | Self::UsGovernment => "https://sts.windows.net",
            Self::China => "https://sts.chinacloudapi.cn",
            // An emulator may issue tokens under the public cloud's origin.
            Self::Custom(own) if own.is_loopback() && Self::Public.issues_from(origin) => return true,
            Self::Custom(own) => own.as_str(),
        };
        origin == of_v1 || origin == self.origin()
    }

    /// Returns the audience of tokens and assertions that authenticate an application of this
    /// cloud, unless a federated credential names another: `api://AzureADTokenExchange` in the
    /// public cloud.
    #[must_use]
    pub fn token_exchange_audience(&self) -> &'static str {
        match self {
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
            Self::Custom(origin) if origin.host() == US_NAT => "api://AzureADTokenExchangeUSNat",
            Self::Custom(origin) if origin.host() == US_SEC => "api://AzureADTokenExchangeUSSec",
            Self::Public | Self::Custom(_) => "api://AzureADTokenExchange",
        }
    }

    /// Returns whether the cloud is on this machine, such as an emulator.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    /// Returns the host, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::UsGovernment => "login.microsoftonline.us",
            Self::China => "login.partner.microsoftonline.cn",
            Self::Custom(origin) => origin.host(),
        }
    }
}

impl FromStr for Cloud {
    type Err = Error;

    /// Parses a name in any case (`public`, `usgovernment`, `china`, or the name that Azure's tools
    /// use, such as `AzureUSGovernment`), or an address as [`Cloud::at`] does.
    ///
    /// # Errors
    /// Returns an error if the text is neither a known name nor a valid address.
    fn from_str(text: &str) -> Result<Self, Error> {
        match unwrapped(text).to_ascii_lowercase().as_str() {
            "public" | "azurecloud" | "azurepubliccloud" => Ok(Self::Public),
            "usgovernment" | "azureusgovernment" | "azureusgovernmentcloud" => Ok(Self::UsGovernment),
            "china" | "azurechinacloud" => Ok(Self::China),
            _ => Self::at(text),
        }
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin())
    }
}

/// A scheme, a host and an optional port: `https://host[:port]`, in lower case. The scheme may also
/// be `http`: check [`is_https`](Self::is_https) before you send a secret to it.
///
/// ```
/// use entra_proto::endpoint::Origin;
///
/// let origin: Origin = "https://Graph.Microsoft.com:443/".parse()?;
/// assert_eq!(origin.as_str(), "https://graph.microsoft.com");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    text: Arc<str>,
    host_end: usize,
}

impl Origin {
    /// Parses an origin. Errors name the input and have the hint of the pair.
    fn parse(url: &str, (input, hint): (Input, &'static str)) -> Result<Self, Error> {
        // The errors do not repeat the text: the part before an `@` may be a password.
        let invalid = |problem: &'static str| Error::from(InputError::new(input, problem).with_hint(hint));
        let url = unwrapped(url);
        if url.contains(['#', '?']) {
            return Err(invalid("has a query or a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| invalid("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(invalid("has no scheme or no host"));
        };
        if !matches!(scheme, "https" | "http") {
            return Err(invalid("is neither https nor http"));
        }
        if authority.as_str().contains('@') {
            return Err(invalid("has a user name before its host"));
        }
        if !matches!(uri.path(), "" | "/") {
            return Err(invalid("has a path"));
        }
        let host = authority.host().to_ascii_lowercase();
        let is_v6 = |host: &str| {
            host.strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok())
        };
        if !host.split('.').all(is_label) && !is_v6(&host) {
            return Err(invalid("has a host that is neither a DNS name nor an IP address"));
        }
        let mut text = format!("{scheme}://{host}");
        let host_end = text.len();
        match (scheme, authority.port_u16()) {
            (_, None) if authority.as_str().len() > authority.host().len() => return Err(invalid("has no valid port")),
            ("https", Some(443)) | ("http", Some(80)) | (_, None) => {}
            (_, Some(port)) => text.push_str(&format!(":{port}")),
        }
        Ok(Self {
            text: text.into(),
            host_end,
        })
    }

    /// Returns `https://host[:port]`, without a trailing slash and without the scheme's default
    /// port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host, without the port. An IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let whole = self.text.get(..self.host_end).unwrap_or_default();
        whole.split_once("://").map_or(whole, |(_, host)| host)
    }

    /// Returns whether the host is on this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    /// Returns whether the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }
}

impl FromStr for Origin {
    type Err = Error;

    /// Parses an address, with or without a trailing slash. White space, quotation marks and a byte
    /// order mark around it are ignored.
    ///
    /// # Errors
    /// Returns an error if the scheme is neither `https` nor `http`, if the host or the port is
    /// invalid, or if there is anything else: a user, a path, a query.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, (Input::Origin, "write it as https://graph.microsoft.com"))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The input that errors name for the address of a cloud, and their hint.
const LOGIN: (Input, &str) = (Input::Authority, "write it as https://login.microsoftonline.com");

/// The hosts of Microsoft's portals, which issue no tokens. Users copy them by mistake.
const PORTALS: [&str; 6] = [
    "portal.azure.com",
    "portal.azure.us",
    "portal.azure.cn",
    "aad.portal.azure.com",
    "entra.microsoft.com",
    "entra.microsoft.us",
];

/// The login hosts of two isolated clouds of the United States.
const US_NAT: &str = "login.microsoftonline.eaglex.ic.gov";
const US_SEC: &str = "login.microsoftonline.microsoft.scloud";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn each_cloud_has_its_token_exchange_audience() {
        for (cloud, suffix) in [
            ("public", ""),
            ("usgovernment", "USGov"),
            ("china", "China"),
            ("https://login.microsoftonline.eaglex.ic.gov", "USNat"),
            ("https://login.microsoftonline.microsoft.scloud", "USSec"),
            ("https://emulator.test", ""),
        ] {
            let audience = cloud.parse::<Cloud>().unwrap().token_exchange_audience();
            assert_eq!(audience, format!("api://AzureADTokenExchange{suffix}"), "{cloud}");
        }
    }

    #[test]
    fn aliases_yield_their_cloud() {
        for (url, cloud) in [
            ("https://login.microsoftonline.com", Cloud::Public),
            ("https://LOGIN.windows.net/", Cloud::Public),
            (" https://login.microsoftonline.com:443/ ", Cloud::Public),
            ("https://login.usgovcloudapi.net", Cloud::UsGovernment),
            ("https://login.chinacloudapi.cn", Cloud::China),
            ("https://sts.chinacloudapi.cn", Cloud::China),
            ("usgovernment", Cloud::UsGovernment),
            ("AzureUSGovernment", Cloud::UsGovernment),
            ("AzureCloud", Cloud::Public),
            ("AzureChinaCloud", Cloud::China),
        ] {
            assert_eq!(url.parse::<Cloud>().unwrap(), cloud, "{url}");
        }
    }

    #[test]
    fn portals_and_apis_are_rejected() {
        let apis = ["graph.microsoft.com", "management.azure.com", "contoso.vault.azure.net"];
        for host in PORTALS.into_iter().chain(apis) {
            let error = Cloud::at(&format!("https://{host}/")).expect_err(host).to_string();
            assert!(
                error.contains(host) && error.contains("not of a token service"),
                "{error}"
            );
        }
    }

    #[test]
    fn other_hosts_are_custom_and_keep_their_port() {
        let cloud: Cloud = "https://login.microsoftonline.com:8443".parse().unwrap();
        assert_eq!(cloud.origin(), "https://login.microsoftonline.com:8443");
        let cloud: Cloud = "https://Emulator.Test:8443/".parse().unwrap();
        assert_eq!(
            (cloud.origin(), cloud.host()),
            ("https://emulator.test:8443", "emulator.test")
        );
        let cloud = Cloud::loopback("http://[::1]:80").unwrap();
        assert_eq!((cloud.origin(), cloud.host()), ("http://[::1]", "[::1]"));
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(Cloud::at("http://login.microsoftonline.com").is_err());
        assert!(in_full(&Cloud::at("http://127.0.0.1:8080").unwrap_err()).contains("Cloud::loopback"));
        assert!(Cloud::loopback("http://127.0.0.1.evil.test").is_err());
        assert_eq!(
            Cloud::loopback("http://127.0.0.1:8080").unwrap().origin(),
            "http://127.0.0.1:8080"
        );
    }

    #[test]
    fn settings_reach_clouds_and_emulators() {
        for (setting, origin) in [
            ("public", "https://login.microsoftonline.com"),
            ("AzureChinaCloud", "https://login.partner.microsoftonline.cn"),
            ("login.microsoftonline.us", "https://login.microsoftonline.us"),
            (" 'login.microsoftonline.us/' ", "https://login.microsoftonline.us"),
            ("https://contoso.ciamlogin.com/", "https://contoso.ciamlogin.com"),
            ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
            ("http://127.8.8.8:8500/", "http://127.8.8.8:8500"),
            (" http://LOCALHOST:8500 ", "http://localhost:8500"),
            ("http://[::1]:8500", "http://[::1]:8500"),
            ("https://localhost:8501", "https://localhost:8501"),
        ] {
            assert_eq!(
                Cloud::from_setting(setting).expect(setting).origin(),
                origin,
                "{setting}"
            );
        }
        for setting in [
            "",
            "nowhere",
            "localhost:8500",
            "http://login.microsoftonline.com",
            "http://192.0.2.1:8500",
            "http://127.0.0.1.evil.test",
            "http://localhost.evil.test:8500",
            "http://localhost@evil.test",
            "http://127.0.0.1:8500/contoso",
            "http://[::2]:8500",
            "portal.azure.com",
            "user:canary@login.microsoftonline.com",
        ] {
            let error = Cloud::from_setting(setting).expect_err(setting).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn origin_may_be_any_host() {
        let origin: Origin = " HTTP://Api.Contoso.com:80/ ".parse().unwrap();
        assert_eq!((origin.as_str(), origin.is_https()), ("http://api.contoso.com", false));
        let error = "https://api.contoso.com/v1".parse::<Origin>().unwrap_err();
        assert_eq!(
            in_full(&error),
            "origin has a path; write it as https://graph.microsoft.com"
        );
        // Origins have no aliases; only clouds do.
        let origin: Origin = "https://login.windows.net".parse().unwrap();
        assert_eq!(origin.as_str(), "https://login.windows.net");
    }

    #[test]
    fn invalid_origin_is_rejected_and_not_repeated() {
        for url in [
            "",
            "login.microsoftonline.com",
            "ftp://login.microsoftonline.com",
            "https://",
            "https:///path",
            "https://user:canary@login.microsoftonline.com",
            "https://login.microsoftonline.com/canary",
            "https://login.microsoftonline.com?canary",
            "https://login.microsoftonline.com#canary",
            "https://login.microsoftonline.com:canary",
            "https://login.microsoftonline.com:99999",
            "https://login.microsoftonline.com:",
            "https://login.micro%73oftonline.com",
            "https://....",
            "https://-bad-",
            "https://[::g]",
        ] {
            let error = Cloud::at(url).expect_err(url).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
