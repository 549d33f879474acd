use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;

use crate::cloud::Cloud;
use crate::error::{Error, Input, InputError};
use crate::pasted::unwrapped;
use crate::printable::excerpt;
use crate::secrecy::may_be_secret;
use crate::tenant::{Tenant, is_label};

/// A tenant of a cloud: where its tokens come from.
///
/// Cheap to clone. The URIs of its two token endpoints are made once, here.
///
/// ```
/// use entra_proto::{Authority, Cloud, EndpointVersion};
///
/// let authority = Authority::new(Cloud::Public, "contoso.onmicrosoft.com".parse()?)?;
/// assert_eq!(
///     authority.token_endpoint(EndpointVersion::V2).to_string(),
///     "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
/// );
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    tenant: Tenant,
    region: Option<Region>,
    token_v1: Uri,
    token_v2: Uri,
}

impl Authority {
    /// The authority of `tenant` in `cloud`.
    ///
    /// # Errors
    /// Where the two together make no URI.
    pub fn new(cloud: Cloud, tenant: Tenant) -> Result<Self, Error> {
        Self::assemble(cloud, tenant, None)
    }

    /// The authority of an emulator on this machine, `http://127.0.0.1:port/tenant`, where plain `http` is allowed.
    ///
    /// # Errors
    /// As for [`Cloud::loopback`], and where there is no tenant.
    pub fn loopback(url: &str) -> Result<Self, Error> {
        Self::read(url, Cloud::loopback)
    }

    /// Reads a setting of a program: an authority as [`FromStr`](Self::from_str) reads it, or that of an emulator on this machine,
    /// where plain `http` is allowed.
    ///
    /// ```
    /// use entra_proto::Authority;
    ///
    /// assert!(Authority::from_setting("https://login.microsoftonline.com/contoso.onmicrosoft.com").is_ok());
    /// assert!(Authority::from_setting("http://localhost:8500/contoso.onmicrosoft.com").is_ok());
    /// assert!(Authority::from_setting("http://login.microsoftonline.com/contoso.onmicrosoft.com").is_err());
    /// ```
    ///
    /// # Errors
    /// Returns an error if the text is neither, and if it is plain `http` to another machine.
    pub fn from_setting(text: &str) -> Result<Self, Error> {
        Self::loopback(text).or_else(|_| text.parse())
    }

    /// The same authority through the service's endpoints in one Azure region: for client credentials alone, and for apps that the
    /// service allows it (others get AADSTS100007). Where a user signed in, tokens are asked for at the cloud's own endpoint.
    ///
    /// # Errors
    /// Where the authority is an external tenant's or on this machine, which have no regions.
    pub fn with_region(&self, region: Region) -> Result<Self, Error> {
        let host = self.0.cloud.host();
        if ciam_name(host).is_some() || crate::endpoint::is_loopback_host(host) {
            return Err(InputError::new(Input::Region, "does not go with this authority")
                .value(region.as_str())
                .with_hint("leave the region out: external tenants and emulators have none")
                .into());
        }
        Self::assemble(self.0.cloud.clone(), self.0.tenant.clone(), Some(region))
    }

    /// The same cloud and region for another tenant.
    ///
    /// # Errors
    /// As for [`Authority::new`].
    pub fn with_tenant(&self, tenant: Tenant) -> Result<Self, Error> {
        Self::assemble(self.0.cloud.clone(), tenant, self.0.region.clone())
    }

    /// The same authority without its region.
    pub(crate) fn without_region(&self) -> Result<Self, Error> {
        match &self.0.region {
            None => Ok(self.clone()),
            Some(_) => Self::assemble(self.0.cloud.clone(), self.0.tenant.clone(), None),
        }
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    /// Where token requests are posted to: the region's host where a region is set. Requests of users know no region.
    #[must_use]
    pub fn token_endpoint(&self, version: EndpointVersion) -> &Uri {
        match version {
            EndpointVersion::V1 => &self.0.token_v1,
            EndpointVersion::V2 => &self.0.token_v2,
        }
    }

    /// The URL of another endpoint of this tenant, on the cloud's own host: regions serve tokens only.
    #[must_use]
    pub fn endpoint(&self, endpoint: Endpoint, version: EndpointVersion) -> String {
        let path = match (endpoint, version) {
            (Endpoint::Authorize, EndpointVersion::V1) => "oauth2/authorize",
            (Endpoint::Authorize, EndpointVersion::V2) => "oauth2/v2.0/authorize",
            (Endpoint::AdminConsent, EndpointVersion::V1) => "adminconsent",
            (Endpoint::AdminConsent, EndpointVersion::V2) => "v2.0/adminconsent",
            (Endpoint::DeviceCode, EndpointVersion::V1) => "oauth2/devicecode",
            (Endpoint::DeviceCode, EndpointVersion::V2) => "oauth2/v2.0/devicecode",
            (Endpoint::Logout, EndpointVersion::V1) => "oauth2/logout",
            (Endpoint::Logout, EndpointVersion::V2) => "oauth2/v2.0/logout",
            (Endpoint::OpenidConfiguration, EndpointVersion::V1) => ".well-known/openid-configuration",
            (Endpoint::OpenidConfiguration, EndpointVersion::V2) => "v2.0/.well-known/openid-configuration",
            (Endpoint::Keys, EndpointVersion::V1) => "discovery/keys",
            (Endpoint::Keys, EndpointVersion::V2) => "discovery/v2.0/keys",
        };
        // AD FS has one version of each.
        let path = if self.0.tenant == Tenant::Adfs {
            path.replace("v2.0/", "")
        } else {
            path.to_owned()
        };
        format!("{}/{}/{path}", self.0.cloud.origin(), self.0.tenant)
    }

    /// Whether an answer may name this issuer (`iss`, RFC 9207): of this cloud, and a tenant by its id that this one may be.
    pub(crate) fn may_be_issued_by(&self, issuer: &str) -> bool {
        let Inner { cloud, tenant, .. } = &*self.0;
        let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
        if *tenant == Tenant::Adfs {
            return issuer == self.to_string();
        }
        let tenant_of = issuer.strip_suffix("/v2.0").unwrap_or(issuer).rsplit_once('/');
        let Some((origin, id)) = tenant_of.and_then(|(origin, id)| Some((origin, id.parse().ok()?))) else {
            return false;
        };
        // An external tenant is issued for under its id, whatever name it is reached by.
        let external = || ciam_name(cloud.host()).is_some() && origin == format!("https://{id}.ciamlogin.com");
        tenant.may_be(id) && (cloud.issues_from(origin) || external())
    }

    fn read(text: &str, cloud_at: fn(&str) -> Result<Cloud, Error>) -> Result<Self, Error> {
        let text = unwrapped(text);
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            InputError::new(Input::Authority, "has no scheme")
                .with_hint("write it as https://login.microsoftonline.com/your-tenant")
        })?;
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let cloud = cloud_at(&format!("{scheme}://{host}"))?;
        // Before anything of the path is shown: what stands in a query may be a secret.
        if path.contains(['?', '#']) {
            return Err(InputError::new(Input::Authority, "has a query or a fragment")
                .with_hint("leave it out")
                .into());
        }
        // Two slashes name nothing between them.
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        let names_endpoint = parts.peek().is_none_or(|first| is_endpoint_part(first));
        let tenant: Tenant = if names_endpoint {
            let name = ciam_name(cloud.host()).ok_or_else(|| {
                InputError::new(Input::Authority, "names no tenant")
                    .value(cloud.origin())
                    .with_hint("write the tenant's id or domain behind the host")
            })?;
            format!("{name}.onmicrosoft.com").parse()?
        } else {
            parts.next().unwrap_or_default().parse()?
        };
        let endpoint = parts.collect::<Vec<_>>().join("/");
        if cloud.host().contains(".b2clogin.") && !endpoint.is_empty() {
            return Err(InputError::new(
                Input::Authority,
                "is that of a user flow or policy of Azure AD B2C, which is not supported",
            )
            .with_hint(format!(
                "for an application's own tokens, write https://login.microsoftonline.com/{tenant}"
            ))
            .into());
        }
        if !ENDPOINTS.contains(&&*endpoint.to_ascii_lowercase()) {
            // As the path that it is: alone, names of endpoints and policies look like a long random word.
            let (problem, advice) = if may_be_secret(text) {
                (
                    "has something behind the tenant that is no endpoint".to_owned(),
                    "leave it out".to_owned(),
                )
            } else {
                let shown = excerpt(&endpoint, 100);
                (
                    format!("has \"{shown}\" behind the tenant, which is no endpoint that is known"),
                    format!("leave it out: {}/{tenant}", cloud.origin()),
                )
            };
            return Err(InputError::new(Input::Authority, problem).with_hint(advice).into());
        }
        Self::new(cloud, tenant)
    }

    fn assemble(cloud: Cloud, tenant: Tenant, region: Option<Region>) -> Result<Self, Error> {
        let origin = match &region {
            None => cloud.origin().to_owned(),
            Some(region) if cloud == Cloud::Public => format!("https://{}.login.microsoft.com", region.as_str()),
            Some(region) => cloud
                .origin()
                .replacen("https://", &format!("https://{}.", region.as_str()), 1),
        };
        let is_adfs = tenant == Tenant::Adfs;
        if is_adfs && !matches!(cloud, Cloud::Custom(_)) {
            return Err(InputError::new(
                Input::Tenant,
                "is no tenant of this cloud, but stands for a server of AD FS",
            )
            .value("adfs")
            .with_hint("write the tenant's id or one of its domains")
            .into());
        }
        let uri = |path: &str| {
            Uri::from_maybe_shared(format!("{origin}/{tenant}/{path}"))
                .map_err(|_| InputError::new(Input::Authority, "makes no valid URI").value(&origin))
        };
        let (token_v1, token_v2) = (
            uri("oauth2/token")?,
            uri(if is_adfs { "oauth2/token" } else { "oauth2/v2.0/token" })?,
        );
        Ok(Self(Arc::new(Inner {
            cloud,
            tenant,
            region,
            token_v1,
            token_v2,
        })))
    }
}

impl FromStr for Authority {
    type Err = Error;

    /// Reads `https://host/tenant`, as people copy it: white space, quotation marks and a byte order mark around it are ignored,
    /// and so are a slash too many and a known endpoint behind the tenant, such as `/oauth2/v2.0/token`. The address of an external
    /// tenant, `https://contoso.ciamlogin.com/`, may stand without a path: its tenant is then `contoso.onmicrosoft.com`.
    ///
    /// # Errors
    /// Returns an error if the host or the tenant cannot be used, if there is no tenant, and if something unknown stands behind
    /// the tenant.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text, Cloud::at)
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.cloud, &self.0.tenant, &self.0.region) == (&other.0.cloud, &other.0.tenant, &other.0.region)
    }
}

impl Eq for Authority {}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.cloud.origin(), self.0.tenant)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        self.0
            .region
            .as_ref()
            .map_or(Ok(()), |region| write!(f, " in {}", region.as_str()))
    }
}

/// The generation of an endpoint. It decides how a request is written, not which format its token has: that is the API's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum EndpointVersion {
    /// `/oauth2/token`, which takes `resource`.
    V1,
    /// `/oauth2/v2.0/token`, which takes `scope`.
    #[default]
    V2,
}

/// An endpoint beside the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Where a person signs in and consents.
    Authorize,
    /// Where an administrator consents for a whole tenant.
    AdminConsent,
    /// Where the device flow starts (RFC 8628).
    DeviceCode,
    /// Where a person signs out.
    Logout,
    /// The discovery document (OpenID Connect Discovery 1.0).
    OpenidConfiguration,
    /// The keys that tokens are signed with (RFC 7517).
    Keys,
}

/// An Azure region, such as `westeurope`: one DNS label, so that it cannot become another host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Region(Arc<str>);

impl Region {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = Error;

    /// Reads a region's name; blanks are dropped and capitals lowered, so that `West Europe` is `westeurope`.
    ///
    /// # Errors
    /// Where what is left is not one DNS label that starts with a letter.
    fn from_str(text: &str) -> Result<Self, Error> {
        let name: String = unwrapped(text)
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if !is_label(&name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(InputError::new(Input::Region, "is not a region's name")
                .value(text)
                .with_hint("write it as westeurope")
                .into());
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of an external tenant from its host: `contoso` of `contoso.ciamlogin.com`.
fn ciam_name(host: &str) -> Option<&str> {
    host.strip_suffix(".ciamlogin.com").filter(|name| is_label(name))
}

/// Whether a part of a path begins an endpoint, so that no tenant stands before it.
fn is_endpoint_part(part: &str) -> bool {
    ["oauth2", "v2.0", ".well-known", "adminconsent", "discovery"]
        .iter()
        .any(|known| part.eq_ignore_ascii_case(known))
}

/// What may stand behind the tenant in URLs that people copy, in lower case: from the portal, the discovery document, a browser.
const ENDPOINTS: [&str; 31] = [
    "",
    "v2.0",
    "oauth2",
    "oauth2/v2.0",
    "oauth2/authorize",
    "oauth2/token",
    "oauth2/devicecode",
    "oauth2/deviceauth",
    "oauth2/logout",
    "oauth2/nativeclient",
    "oauth2/v2.0/authorize",
    "oauth2/v2.0/token",
    "oauth2/v2.0/devicecode",
    "oauth2/v2.0/logout",
    "adminconsent",
    "v2.0/adminconsent",
    ".well-known/openid-configuration",
    "v2.0/.well-known/openid-configuration",
    ".well-known/oauth-authorization-server",
    "v2.0/.well-known/oauth-authorization-server",
    "discovery/keys",
    "discovery/v2.0/keys",
    "discovery/instance",
    "openid/userinfo",
    "oidc/userinfo",
    "userinfo",
    "federationmetadata/2007-06/federationmetadata.xml",
    "wsfed",
    "saml2",
    "ls",
    "services/trust",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn an_issuer_is_of_this_cloud_and_this_tenant() {
        const ID: &str = "41463f53-8812-40f4-890f-865bf6e35190";
        const OTHER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let at = |authority: &str, issuer: &str| {
            let authority = Authority::from_setting(authority);
            authority.unwrap().may_be_issued_by(&issuer.replace("{id}", ID))
        };
        let common = "https://login.microsoftonline.com/common";
        for good in [
            "https://login.microsoftonline.com/{id}/v2.0",
            "https://sts.windows.net/{id}/",
        ] {
            assert!(at(common, good), "{good}");
            assert!(at(&format!("https://login.windows.net/{ID}"), good), "{good}");
            assert!(!at(&format!("https://login.windows.net/{OTHER}"), good), "{good}");
            assert!(at("http://127.0.0.1:1/common", good), "{good}");
            assert!(!at("https://login.partner.microsoftonline.cn/common", good), "{good}");
        }
        for bad in [
            "",
            "{id}",
            "https://login.microsoftonline.com/",
            "https://login.microsoftonline.com/common/v2.0",
            "https://login.microsoftonline.com/{id}/v2.0/x",
            "https://login.microsoftonline.com.evil.example/{id}/v2.0",
            "https://evil.example/{id}/v2.0",
            "http://login.microsoftonline.com/{id}/v2.0",
        ] {
            assert!(!at(common, bad), "{bad}");
        }
        // Each national cloud has a host of its own for v1, or the public one's.
        for (cloud, v1) in [
            ("https://login.microsoftonline.us", "https://sts.windows.net"),
            (
                "https://login.partner.microsoftonline.cn",
                "https://sts.chinacloudapi.cn",
            ),
        ] {
            let authority = format!("{cloud}/common");
            assert!(at(&authority, &format!("{v1}/{{id}}/")), "{v1}");
            assert!(at(&authority, &format!("{cloud}/{{id}}/v2.0")), "{cloud}");
            assert!(
                !at(&authority, "https://login.microsoftonline.com/{id}/v2.0"),
                "{cloud}"
            );
        }
        assert!(!at(common, "https://sts.chinacloudapi.cn/{id}/"));
        // Personal accounts have one tenant, and no others live there.
        const PERSONAL: &str = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
        for (tenant, personal, work) in [
            ("common", true, true),
            ("consumers", true, false),
            ("organizations", false, true),
        ] {
            let authority = format!("https://login.microsoftonline.com/{tenant}");
            assert_eq!(at(&authority, PERSONAL), personal, "{tenant}");
            assert_eq!(
                at(&authority, "https://login.microsoftonline.com/{id}/v2.0"),
                work,
                "{tenant}"
            );
        }
        // A server of AD FS is its own issuer.
        let server = "https://fs.contoso.com/adfs";
        assert!(at(server, server) && at(server, "https://fs.contoso.com/adfs/"));
        for other in [
            "https://fs.contoso.com",
            "https://fs.fabrikam.com/adfs",
            "https://fs.contoso.com/{id}/v2.0",
        ] {
            assert!(!at(server, other), "{other}");
        }
        let external = "https://contoso.ciamlogin.com/";
        assert!(at(external, "https://{id}.ciamlogin.com/{id}/v2.0"));
        assert!(!at(external, &format!("https://{OTHER}.ciamlogin.com/{{id}}/v2.0")));
        assert!(at("http://127.0.0.1:1/common", "http://127.0.0.1:1/{id}/v2.0"));
        assert!(!at("http://127.0.0.1:1/common", "http://127.0.0.1:2/{id}/v2.0"));
    }

    #[test]
    fn the_endpoints_of_both_versions() {
        let authority: Authority = "https://login.microsoftonline.us/contoso.com".parse().unwrap();
        let at = |endpoint, version| {
            authority
                .endpoint(endpoint, version)
                .split_off("https://login.microsoftonline.us/contoso.com/".len())
        };
        use EndpointVersion::{V1, V2};
        assert_eq!(authority.token_endpoint(V1).path(), "/contoso.com/oauth2/token");
        assert_eq!(authority.token_endpoint(V2).path(), "/contoso.com/oauth2/v2.0/token");
        assert_eq!(at(Endpoint::Authorize, V1), "oauth2/authorize");
        assert_eq!(at(Endpoint::Authorize, V2), "oauth2/v2.0/authorize");
        assert_eq!(at(Endpoint::DeviceCode, V1), "oauth2/devicecode");
        assert_eq!(at(Endpoint::DeviceCode, V2), "oauth2/v2.0/devicecode");
        assert_eq!(at(Endpoint::Logout, V1), "oauth2/logout");
        assert_eq!(at(Endpoint::Logout, V2), "oauth2/v2.0/logout");
        assert_eq!(
            at(Endpoint::OpenidConfiguration, V1),
            ".well-known/openid-configuration"
        );
        assert_eq!(
            at(Endpoint::OpenidConfiguration, V2),
            "v2.0/.well-known/openid-configuration"
        );
        assert_eq!(at(Endpoint::Keys, V1), "discovery/keys");
        assert_eq!(at(Endpoint::Keys, V2), "discovery/v2.0/keys");
    }

    #[test]
    fn an_authority_is_read_as_people_copy_it() {
        for text in [
            "https://login.microsoftonline.com/contoso.com",
            " https://login.microsoftonline.com/contoso.com/",
            "https://login.microsoftonline.com/contoso.com/v2.0",
            "https://login.microsoftonline.com/contoso.com/v2.0/",
            "https://LOGIN.microsoftonline.com:443/Contoso.com",
        ] {
            assert_eq!(
                text.parse::<Authority>().unwrap().to_string(),
                "https://login.microsoftonline.com/contoso.com",
                "{text}"
            );
        }
    }

    #[test]
    fn an_external_tenant_needs_no_path() {
        for (text, whole) in [
            (
                "https://contoso.ciamlogin.com/",
                "https://contoso.ciamlogin.com/contoso.onmicrosoft.com",
            ),
            (
                "https://contoso.ciamlogin.com/v2.0",
                "https://contoso.ciamlogin.com/contoso.onmicrosoft.com",
            ),
            (
                "https://contoso.ciamlogin.com/fabrikam.com",
                "https://contoso.ciamlogin.com/fabrikam.com",
            ),
        ] {
            assert_eq!(text.parse::<Authority>().unwrap().to_string(), whole);
        }
        assert!("https://a.b.ciamlogin.com/".parse::<Authority>().is_err());
        assert!(
            "https://login.microsoftonline.com/"
                .parse::<Authority>()
                .unwrap_err()
                .to_string()
                .contains("tenant")
        );
    }

    #[test]
    fn a_server_of_ad_fs_has_one_version_of_each_endpoint() {
        let authority: Authority = "https://adfs.contoso.com/adfs/".parse().unwrap();
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            assert_eq!(authority.token_endpoint(version).path(), "/adfs/oauth2/token");
            assert_eq!(
                authority.endpoint(Endpoint::Authorize, version),
                "https://adfs.contoso.com/adfs/oauth2/authorize"
            );
        }
        assert!("https://login.microsoftonline.com/adfs".parse::<Authority>().is_err());
    }

    #[test]
    fn an_endpoint_behind_the_tenant_is_ignored() {
        const ID: &str = "9198cc71-02da-43ef-8532-e151093e9beb";
        for tenant in [ID, "contoso.onmicrosoft.com", "common"] {
            for endpoint in ENDPOINTS {
                for url in [
                    format!("https://login.microsoftonline.com/{tenant}/{endpoint}"),
                    format!("https://login.windows.net//{tenant}//{endpoint}/"),
                    format!(
                        "\u{feff}\"https://login.microsoftonline.com/{tenant}/{}\"\r\n",
                        endpoint.to_uppercase()
                    ),
                    format!("<https://login.microsoftonline.com/{tenant}/{endpoint}>"),
                ] {
                    let authority: Authority = url.parse().unwrap();
                    assert_eq!(
                        authority.to_string(),
                        format!("https://login.microsoftonline.com/{tenant}"),
                        "{url}"
                    );
                }
            }
        }
        let braces = format!("https://login.microsoftonline.com/{{{ID}}}/oauth2/token");
        assert_eq!(braces.parse::<Authority>().unwrap().tenant().to_string(), ID);
        let adfs: Authority = "https://adfs.contoso.com/adfs/oauth2/authorize/".parse().unwrap();
        assert_eq!(adfs.to_string(), "https://adfs.contoso.com/adfs");
        let external: Authority = "https://contoso.ciamlogin.com/v2.0/".parse().unwrap();
        assert_eq!(external.tenant().to_string(), "contoso.onmicrosoft.com");
    }

    #[test]
    fn what_is_unknown_behind_the_tenant_is_named() {
        let told = |path: &str| {
            let url = format!("https://login.microsoftonline.com/{path}");
            in_full(&url.parse::<Authority>().expect_err(&url))
        };
        for unknown in [
            "B2C_1_signin/oauth2/v2.0/token",
            "x",
            "oauth2/v2.0/authorizes",
            "../fabrikam.com",
            "%2f",
        ] {
            let error = told(&format!("contoso.com/{unknown}"));
            assert!(error.contains(&format!("\"{unknown}\" behind the tenant")), "{error}");
            assert!(
                error.ends_with("leave it out: https://login.microsoftonline.com/contoso.com"),
                "{error}"
            );
        }
        let error = told("contoso.com/eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln");
        assert!(error.contains("behind the tenant") && !error.contains("eyJ"), "{error}");
        for none in ["", "/", "oauth2/v2.0/token", "v2.0", ".well-known/openid-configuration"] {
            assert!(told(none).contains("names no tenant"), "{none}");
        }
        assert!(told("contoso/oauth2/token").contains("neither a GUID nor a domain"));
    }

    #[test]
    fn what_is_no_authority_is_told_before_its_query() {
        for (url, told) in [
            ("https://portal.azure.com/#view/Microsoft_AAD_IAM/x", "portal"),
            ("https://entra.microsoft.com/?feature=x#home", "portal"),
            ("https://graph.microsoft.com/contoso.com", "API"),
            ("https://login.microsoftonline.com?canary", "query"),
            (
                "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize?canary",
                "query",
            ),
            (
                "https://contoso.b2clogin.com/contoso.com/B2C_1_a",
                "https://login.microsoftonline.com/contoso.com",
            ),
            (
                "https://contoso.b2clogin.com/contoso.com/B2C_1_a/oauth2/v2.0/token",
                "B2C, which is not",
            ),
        ] {
            let error = in_full(&url.parse::<Authority>().expect_err(url));
            assert!(error.contains(told) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_region_changes_the_token_host_alone() {
        let region: Region = "West Europe".parse().unwrap();
        for (cloud, host) in [
            (Cloud::Public, "westeurope.login.microsoft.com"),
            (Cloud::UsGovernment, "westeurope.login.microsoftonline.us"),
            (Cloud::China, "westeurope.login.partner.microsoftonline.cn"),
        ] {
            let authority = Authority::new(cloud, "contoso.com".parse().unwrap())
                .unwrap()
                .with_region(region.clone())
                .unwrap();
            assert_eq!(authority.token_endpoint(EndpointVersion::V2).host(), Some(host));
            assert!(
                !authority
                    .endpoint(Endpoint::Keys, EndpointVersion::V2)
                    .contains("westeurope")
            );
        }
    }

    #[test]
    fn a_region_cannot_become_a_host() {
        for text in [
            "",
            "evil.test/",
            "evil.test",
            "a@b",
            "9west",
            "-west",
            "west-",
            "w%2f",
            "wést",
            &"w".repeat(64),
        ] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
        let ciam: Authority = "https://contoso.ciamlogin.com".parse().unwrap();
        assert!(ciam.with_region("westeurope".parse().unwrap()).is_err());
    }
}
