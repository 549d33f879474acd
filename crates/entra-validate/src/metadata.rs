//! The metadata of a protected resource (RFC 9728): where a client learns which tokens an API
//! takes.

use entra_proto::Error;
use serde::Serialize;

use crate::api::Api;
use crate::challenge;

/// The metadata document of a protected resource (RFC 9728, section 2), to serve as JSON.
///
/// A client that gets a 401 finds its address in `resource_metadata` of the challenge, see
/// [`Api::with_resource_metadata`], or derives it from the resource: for
/// `https://api.contoso.com/mcp` it is
/// `https://api.contoso.com/.well-known/oauth-protected-resource/mcp`.
///
/// ```
/// use entra_validate::{Api, Audience, Permissions, ResourceMetadata, Tenants};
///
/// let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let api = Api::new(audience, Tenants::One(tenant), Permissions::any_of(["Tools.Call"], [""; 0])?)?;
/// let document = ResourceMetadata::new("https://api.contoso.com/mcp", &api)?
///     .with_scopes(["api://11112222-bbbb-3333-cccc-4444dddd5555/Tools.Call"]);
/// let json = serde_json::to_value(&document).unwrap();
/// assert_eq!(json["authorization_servers"][0], "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResourceMetadata {
    /// The identifier of the resource: its URL.
    pub resource: String,
    /// The issuers whose tokens it takes. For [`Tenants::Any`](crate::Tenants::Any) it is the
    /// address `organizations`, which is none: its metadata has the issuer of each tenant, with a
    /// placeholder. A client that compares the two (RFC 8414, section 3.3) rejects it. Put the
    /// issuers in its place where the tenants are known.
    pub authorization_servers: Vec<String>,
    /// The scopes that a client may request, in full, as the authorization server expects them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// The ways in which a token is sent: in the header only.
    pub bearer_methods_supported: Vec<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// A page for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
}

impl ResourceMetadata {
    /// The document of a resource with this URL, whose tokens `api` validates.
    ///
    /// # Errors
    /// Returns an error if the URL is not `https`, plain `http` on this machine aside, or has a
    /// fragment.
    pub fn new(resource: &str, api: &Api) -> Result<Self, Error> {
        Ok(Self {
            resource: challenge::metadata_url(resource)?.into(),
            authorization_servers: api.authorization_servers(),
            scopes_supported: Vec::new(),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: None,
            resource_documentation: None,
        })
    }

    /// Sets the scopes that a client may request, such as `api://{client id}/Tools.Call`.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }
}
