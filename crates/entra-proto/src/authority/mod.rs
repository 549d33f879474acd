//! Authorities: a tenant of a cloud, and the endpoints that it has there.

mod parse;
mod region;

use std::fmt;
use std::sync::Arc;

use http::Uri;

use crate::cloud::Cloud;
use crate::endpoint::is_loopback_host;
use crate::error::{Error, Input, InputError};
use crate::tenant::{Tenant, is_label};

pub use region::Region;

/// An authority: a tenant of a cloud, which issues tokens. Cheap to clone.
///
/// The URIs of the two token endpoints are built once, on construction.
///
/// ```
/// use entra_proto::{Authority, Cloud, EndpointVersion};
///
/// let authority = Authority::new(Cloud::Public, "contoso.com".parse()?)?;
/// assert_eq!(
///     authority.token_endpoint(EndpointVersion::V2).to_string(),
///     "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
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
    /// Creates the authority of `tenant` in `cloud`.
    ///
    /// # Errors
    /// Returns an error if the two do not form a valid URI, or if the tenant is `adfs` and the
    /// cloud is not a custom one.
    pub fn new(cloud: Cloud, tenant: Tenant) -> Result<Self, Error> {
        Self::assemble(cloud, tenant, None)
    }

    /// Returns the same authority with the token endpoints of one Azure region. It serves client
    /// credentials only, and only applications that the service allows (others get AADSTS100007).
    /// Requests for a user's tokens use the cloud's global endpoint.
    ///
    /// # Errors
    /// Returns an error if the authority has no regions: an external tenant, an AD FS server or an
    /// emulator on this machine.
    pub fn with_region(&self, region: Region) -> Result<Self, Error> {
        Self::assemble(self.0.cloud.clone(), self.0.tenant.clone(), Some(region))
    }

    /// Returns the same cloud and region with another tenant.
    ///
    /// # Errors
    /// Returns an error as [`Authority::new`] and [`with_region`](Self::with_region) do.
    pub fn with_tenant(&self, tenant: Tenant) -> Result<Self, Error> {
        Self::assemble(self.0.cloud.clone(), tenant, self.0.region.clone())
    }

    /// Returns the same authority without its region.
    pub(crate) fn without_region(&self) -> Result<Self, Error> {
        match &self.0.region {
            None => Ok(self.clone()),
            Some(_) => Self::assemble(self.0.cloud.clone(), self.0.tenant.clone(), None),
        }
    }

    /// Returns the cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    /// Returns the URI of the token endpoint, on the region's host if a region is set. Requests for
    /// a user's tokens ignore the region.
    #[must_use]
    pub fn token_endpoint(&self, version: EndpointVersion) -> &Uri {
        match version {
            EndpointVersion::V1 => &self.0.token_v1,
            EndpointVersion::V2 => &self.0.token_v2,
        }
    }

    /// Returns the URL of another endpoint of the tenant. It is on the cloud's global host, because
    /// regions serve tokens only.
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
        // AD FS has a single version of each endpoint.
        let path = if self.0.tenant == Tenant::Adfs {
            path.replace("v2.0/", "")
        } else {
            path.to_owned()
        };
        format!("{}/{}/{path}", self.0.cloud.origin(), self.0.tenant)
    }

    /// Returns true if this authority accepts a redirect from `issuer` (`iss`, RFC 9207): an issuer
    /// of this cloud, with the ID of a tenant that the authority's tenant may stand for.
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
        // An external tenant's issuer contains its ID, whatever name the authority uses.
        let external = || ciam_name(cloud.host()).is_some() && origin == format!("https://{id}.ciamlogin.com");
        tenant.may_be(id) && (cloud.issues_from(origin) || external())
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
                "is not a tenant: it stands for an AD FS server on its own host",
            )
            .value("adfs")
            .with_hint("write the tenant's ID or one of its domains")
            .into());
        }
        let has_no_regions = || is_adfs || ciam_name(cloud.host()).is_some() || is_loopback_host(cloud.host());
        if let Some(region) = region.as_ref().filter(|_| has_no_regions()) {
            return Err(InputError::new(Input::Region, "cannot be combined with this authority")
                .value(region.as_str())
                .with_hint("leave the region out: external tenants, AD FS servers and emulators have no regions")
                .into());
        }
        let uri = |path: &str| {
            Uri::from_maybe_shared(format!("{origin}/{tenant}/{path}"))
                .map_err(|_| InputError::new(Input::Authority, "does not form a valid URI").value(&origin))
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

/// The version of an endpoint. It determines the parameters of requests. The format of a token does
/// not depend on it: the API that the token is for chooses that in its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum EndpointVersion {
    /// `/oauth2/token`, which takes `resource`.
    V1,
    /// `/oauth2/v2.0/token`, which takes `scope`.
    #[default]
    V2,
}

/// An endpoint other than the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The page where users sign in and consent.
    Authorize,
    /// The page where an administrator consents for a whole tenant.
    AdminConsent,
    /// The start of the device flow (RFC 8628).
    DeviceCode,
    /// The page where users sign out.
    Logout,
    /// The discovery document (OpenID Connect Discovery 1.0).
    OpenidConfiguration,
    /// The keys that sign tokens (RFC 7517).
    Keys,
}

/// Returns the name of an external tenant from its host: `contoso` from `contoso.ciamlogin.com`.
fn ciam_name(host: &str) -> Option<&str> {
    host.strip_suffix(".ciamlogin.com").filter(|name| is_label(name))
}

#[cfg(test)]
mod tests;
