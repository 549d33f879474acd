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

/// Which Entra: the public cloud, a national one, or a host of one's own.
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
    /// Another host: another sovereign cloud, an external tenant's `contoso.ciamlogin.com`, an emulator.
    Custom(Origin),
}

impl Cloud {
    /// The cloud at this `https` address. A host known to belong to a named cloud gives that cloud.
    ///
    /// # Errors
    /// Where it is not `https://host[:port]` with nothing behind it. Plain `http` needs [`Cloud::loopback`].
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
        // With another port, it is another server.
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

    /// An emulator on this machine, where plain `http` is allowed.
    ///
    /// # Errors
    /// Where the host is not `localhost`, in 127.0.0.0/8 or `[::1]`.
    pub fn loopback(url: &str) -> Result<Self, Error> {
        let origin = Origin::parse(url, LOGIN)?;
        if !origin.is_loopback() {
            return Err(InputError::new(Input::Authority, "is not on this machine")
                .value(origin.as_str())
                .into());
        }
        Ok(Self::Custom(origin))
    }

    /// Reads a setting of a program, as users write it in `AZURE_AUTHORITY_HOST`.
    ///
    /// It takes what [`FromStr`](Self::from_str) takes, a host alone, and the address of an emulator on this machine, where
    /// plain `http` is allowed. So one setting is enough to send a program to an emulator: the builders of the transports
    /// have `for_cloud`, which allows the same there.
    ///
    /// ```
    /// use entra_proto::Cloud;
    ///
    /// assert_eq!(Cloud::from_setting("login.microsoftonline.us")?, Cloud::UsGovernment);
    /// assert_eq!(Cloud::from_setting("http://localhost:8500")?.origin(), "http://localhost:8500");
    /// assert!(Cloud::from_setting("http://login.microsoftonline.com").is_err());
    /// # Ok::<(), entra_proto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the text is none of these, and if it is plain `http` to another machine.
    pub fn from_setting(text: &str) -> Result<Self, Error> {
        if let Ok(cloud) = Self::loopback(text) {
            return Ok(cloud);
        }
        // As documents of other libraries write it: login.microsoftonline.us
        let bare = unwrapped(text);
        if !bare.contains("://") && bare.contains('.') {
            return Self::at(&format!("https://{bare}"));
        }
        text.parse()
    }

    /// Its address, `https://host[:port]`, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> &str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Custom(origin) => origin.as_str(),
        }
    }

    /// Whether this cloud issues tokens under this address: v2 under its own, v1 under another. The list is that of the clouds'
    /// discovery documents.
    pub(crate) fn issues_from(&self, origin: &str) -> bool {
        let of_v1 = match self {
            Self::Public | Self::UsGovernment => "https://sts.windows.net",
            Self::China => "https://sts.chinacloudapi.cn",
            // An emulator speaks in the public cloud's name.
            Self::Custom(own) if own.is_loopback() && Self::Public.issues_from(origin) => return true,
            Self::Custom(own) => own.as_str(),
        };
        origin == of_v1 || origin == self.origin()
    }

    /// Returns whether it is on this machine, as an emulator is.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    /// Its host, without the port.
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

    /// Reads `public`, `usgovernment`, `china`, the names of Azure's tools for them, such as `AzureUSGovernment`, or an address as
    /// [`Cloud::at`] does.
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

/// A scheme, a host and perhaps a port: `https://host[:port]`, in lower case. `http` is one as well: whoever sends something there that
/// is secret asks [`is_https`](Self::is_https) first.
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
    /// What the errors are about comes along: the input's name, and how it is written.
    fn parse(url: &str, (input, hint): (Input, &'static str)) -> Result<Self, Error> {
        // The text is not repeated: what stands before an `@` may be a password.
        let refused = |problem: &'static str| Error::from(InputError::new(input, problem).with_hint(hint));
        let url = unwrapped(url);
        if url.contains(['#', '?']) {
            return Err(refused("has a query or a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| refused("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("has no scheme or no host"));
        };
        if !matches!(scheme, "https" | "http") {
            return Err(refused("is neither https nor http"));
        }
        if authority.as_str().contains('@') {
            return Err(refused("has a user name before its host"));
        }
        if !matches!(uri.path(), "" | "/") {
            return Err(refused("has a path"));
        }
        let host = authority.host().to_ascii_lowercase();
        let is_v6 = |host: &str| {
            host.strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok())
        };
        if !host.split('.').all(is_label) && !is_v6(&host) {
            return Err(refused("has a host that is no DNS name or address"));
        }
        let mut text = format!("{scheme}://{host}");
        let host_end = text.len();
        match (scheme, authority.port_u16()) {
            (_, None) if authority.as_str().len() > authority.host().len() => return Err(refused("has no valid port")),
            ("https", Some(443)) | ("http", Some(80)) | (_, None) => {}
            (_, Some(port)) => text.push_str(&format!(":{port}")),
        }
        Ok(Self {
            text: text.into(),
            host_end,
        })
    }

    /// `https://host[:port]`, without a slash at the end; a scheme's own port is left out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without the port; an IPv6 address in its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let whole = self.text.get(..self.host_end).unwrap_or_default();
        whole.split_once("://").map_or(whole, |(_, host)| host)
    }

    /// Returns whether it is on this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }
}

impl FromStr for Origin {
    type Err = Error;

    /// Reads an address, with or without one slash at the end. White space, quotation marks and a byte order mark around it are
    /// ignored.
    ///
    /// # Errors
    /// Where it is not `https` or `http`, has no host or port that can be one, or anything beside them: a user, a path, a query.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, (Input::Origin, "write it as https://graph.microsoft.com"))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an address of a cloud is in errors, and how it is written.
const LOGIN: (Input, &str) = (Input::Authority, "write it as https://login.microsoftonline.com");

/// Hosts of Microsoft's portals, which people copy, and which issue no tokens.
const PORTALS: [&str; 6] = [
    "portal.azure.com",
    "portal.azure.us",
    "portal.azure.cn",
    "aad.portal.azure.com",
    "entra.microsoft.com",
    "entra.microsoft.us",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn aliases_give_their_cloud() {
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
    fn portals_and_apis_issue_no_tokens() {
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
    fn any_other_host_is_custom_and_keeps_its_port() {
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
    fn an_origin_alone_may_be_any_host_and_says_that_it_is_one() {
        let origin: Origin = " HTTP://Api.Contoso.com:80/ ".parse().unwrap();
        assert_eq!((origin.as_str(), origin.is_https()), ("http://api.contoso.com", false));
        let error = "https://api.contoso.com/v1".parse::<Origin>().unwrap_err();
        assert_eq!(
            in_full(&error),
            "origin has a path; write it as https://graph.microsoft.com"
        );
        // No alias becomes another: only a cloud has those.
        let origin: Origin = "https://login.windows.net".parse().unwrap();
        assert_eq!(origin.as_str(), "https://login.windows.net");
    }

    #[test]
    fn what_is_no_origin_is_refused_and_not_repeated() {
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
