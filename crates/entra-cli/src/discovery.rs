//! Discovery documents (OpenID Connect Discovery 1.0): the metadata of a tenant at an authority.

use entra_proto::{Body, Cloud, Guid, KnownApi};
use http::header::ACCEPT;
use http::uri::InvalidUri;
use http::{HeaderValue, Request, Uri};
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::settings::is_microsofts;

/// Returns the request for a discovery document.
pub(crate) fn request(url: &str) -> Result<Request<Body>, Failure> {
    let uri: Uri = url
        .parse()
        .map_err(|error: InvalidUri| Failure::of(Exit::Configuration, &error))?;
    let mut request = Request::new(Body::default());
    *request.uri_mut() = uri;
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// A discovery document. No request is ever sent to an address in it.
pub(crate) struct Document {
    pub(crate) issuer: String,
    pub(crate) tenant_id: Option<Guid>,
    /// The cloud of the token endpoint.
    pub(crate) endpoint: Option<Cloud>,
    /// The cloud in `cloud_instance_name`.
    pub(crate) named: Option<Cloud>,
    json: Value,
}

impl Document {
    /// Parses a discovery document. Returns `None` if it is not JSON with an issuer.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let json: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| json.get(name)?.as_str();
        let issuer = text("issuer").filter(|issuer| !issuer.is_empty())?.to_owned();
        Some(Self {
            tenant_id: issuer.split('/').find_map(|part| part.parse().ok()),
            endpoint: text("token_endpoint").and_then(cloud_of),
            named: text("cloud_instance_name").and_then(|name| Cloud::at(&format!("https://login.{name}")).ok()),
            issuer,
            json,
        })
    }

    /// Returns the text of a member.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.json.get(name)?.as_str()
    }

    /// Returns the cloud of the tenant if both it and `cloud` are Microsoft's and they differ.
    pub(crate) fn other_cloud(&self, cloud: &Cloud) -> Option<&Cloud> {
        let mut found = [&self.endpoint, &self.named].into_iter().flatten();
        found.find(|found| is_national(cloud) && is_national(found) && *found != cloud)
    }

    /// Returns the members with addresses that belong neither to Microsoft nor to `cloud`.
    pub(crate) fn unknown_addresses(&self, cloud: &Cloud) -> Vec<(&str, &str)> {
        let is_foreign = |url: &str| match (cloud_of(url), url.parse::<Uri>()) {
            (Some(found), _) if is_microsofts(&found) || found.origin() == cloud.origin() => false,
            (_, Ok(uri)) => KnownApi::at(&uri).is_none(),
            _ => true,
        };
        let is_address = |name: &str| name == "issuer" || name.ends_with("_endpoint") || name.ends_with("_uri");
        let members = self.json.as_object().into_iter().flatten();
        members
            .filter(|(name, _)| is_address(name))
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .filter(|(_, url)| is_foreign(url))
            .take(MOST)
            .collect()
    }
}

/// Returns true for the clouds that Microsoft names, each of which has its own tenants.
fn is_national(cloud: &Cloud) -> bool {
    !matches!(cloud, Cloud::Custom(_))
}

/// Returns the cloud of a URL.
fn cloud_of(url: &str) -> Option<Cloud> {
    let uri: Uri = url.parse().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    Cloud::from_setting(&origin).ok()
}

/// The mark that some static file servers send before JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The maximum number of reported unknown addresses: a hostile document may have any number.
const MOST: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bodies_are_not_documents() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            "{\"issuer\":1}",
            "{\"issuer\":\"\"}",
            &"[".repeat(100_000),
        ] {
            assert!(Document::read(body.as_bytes()).is_none(), "{body}");
        }
    }

    fn document(host: &str) -> Document {
        let json = serde_json::json!({
            "issuer": format!("https://{host}/x/v2.0"),
            "token_endpoint": format!("https://{host}/x/oauth2/v2.0/token"),
        });
        Document::read(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn document_names_the_cloud_of_a_tenant() {
        let us = document("login.microsoftonline.us");
        assert_eq!(us.other_cloud(&Cloud::Public), Some(&Cloud::UsGovernment));
        assert_eq!(us.other_cloud(&Cloud::UsGovernment), None);
        assert_eq!(document("login.windows.net").other_cloud(&Cloud::Public), None);
        assert_eq!(us.other_cloud(&Cloud::loopback("http://127.0.0.1:1").unwrap()), None);
        assert!(us.unknown_addresses(&Cloud::Public).is_empty());
        assert_eq!(document("evil.test").unknown_addresses(&Cloud::Public).len(), 2);
        assert_eq!(
            document("contoso.ciamlogin.com")
                .unknown_addresses(&Cloud::Public)
                .len(),
            0
        );
    }
}
