//! OpenID Connect metadata (OpenID Connect Discovery 1.0, section 3): the issuer and the address of
//! the keys.

use entra_proto::endpoint::is_loopback_host;
use entra_proto::{Cloud, EndpointVersion};
use http::Uri;
use serde::Deserialize;

use super::fetch::FetchError;
use crate::api::Api;
use crate::issuer::Template;
use crate::tenants::Tenants;

/// A metadata document, checked against the API's cloud and tenants.
#[derive(Clone, Debug)]
pub struct Metadata {
    pub(super) issuer: Template,
    pub(super) jwks_uri: Uri,
    pub(super) cloud: Option<Box<str>>,
}

impl Metadata {
    /// Reads a document that came from [`Api::metadata_url`].
    ///
    /// The issuer must contain `{tenantid}` or the ID of the one tenant. In a cloud with a known
    /// issuer it must be that issuer. The address of the keys must be `https` and belong to the
    /// same cloud: the host of the metadata, another host of a named cloud, or another subdomain of
    /// `ciamlogin.com`. A cloud on this machine may publish its keys over plain `http`.
    ///
    /// # Errors
    /// Returns an error if the document is longer than 256 KiB, is not a metadata document, or does
    /// not match the cloud and the tenants.
    pub fn read(api: &Api, version: EndpointVersion, document: &[u8]) -> Result<Self, FetchError> {
        if document.len() > MAX_DOCUMENT {
            return Err(FetchError::new("the metadata document is longer than 256 KiB"));
        }
        let document: Document = serde_json::from_slice(document)
            .map_err(|_| FetchError::new("the metadata document is not JSON with issuer and jwks_uri"))?;
        let issuer = match api.tenants() {
            Tenants::One(one) => Template::of_tenant(&document.issuer, *one),
            Tenants::AnyOf(_) | Tenants::Any => Template::new(&document.issuer),
        };
        if !issuer.has_placeholder() {
            return Err(FetchError::new(
                "the issuer in the metadata does not name a tenant that the API accepts",
            ));
        }
        if api.known_issuer(version).is_some_and(|known| *known != issuer) {
            return Err(FetchError::new("the issuer in the metadata is not that of the cloud"));
        }
        let jwks_uri = document
            .jwks_uri
            .parse()
            .ok()
            .filter(|uri| is_of_cloud(uri, api.cloud()))
            .ok_or_else(|| FetchError::new("jwks_uri in the metadata is not an https address of the same cloud"))?;
        Ok(Self {
            issuer,
            jwks_uri,
            cloud: document
                .cloud_instance_name
                .as_deref()
                .or_else(|| instance_name(api.cloud()))
                .map(Into::into),
        })
    }

    /// Returns the address of the keys.
    #[must_use]
    pub fn jwks_uri(&self) -> &Uri {
        &self.jwks_uri
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    cloud_instance_name: Option<String>,
}

fn is_of_cloud(uri: &Uri, cloud: &Cloud) -> bool {
    let (Some(scheme), Some(authority), Some(host)) = (uri.scheme_str(), uri.authority(), uri.host()) else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let origin = format!("{scheme}://{authority}");
    if cloud.is_loopback() {
        return is_loopback_host(host) && Cloud::loopback(&origin).is_ok_and(|of| of == *cloud);
    }
    let is_same = Cloud::at(&origin).is_ok_and(|of| of == *cloud);
    let is_external = |host: &str| {
        let name = host.strip_suffix(EXTERNAL).unwrap_or_default();
        !name.is_empty() && !name.contains('.')
    };
    let is_sibling = scheme == "https" && authority.port().is_none() && is_external(cloud.host()) && is_external(host);
    is_same || is_sibling
}

/// Returns the `cloud_instance_name` of a named cloud, as in its metadata. It is used if a document
/// has no such member.
pub(super) fn instance_name(cloud: &Cloud) -> Option<&'static str> {
    match cloud {
        Cloud::Public => Some("microsoftonline.com"),
        Cloud::UsGovernment => Some("microsoftonline.us"),
        Cloud::China => Some("partner.microsoftonline.cn"),
        _ => None,
    }
}

const EXTERNAL: &str = ".ciamlogin.com";

/// The longest metadata document. Those of Entra have about 2 KiB.
const MAX_DOCUMENT: usize = 256 * 1024;
