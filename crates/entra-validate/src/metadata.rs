//! The metadata of a protected resource (RFC 9728), from which a client learns the issuers and
//! scopes of the tokens that an API accepts.

use entra_proto::Error;
use serde::Serialize;

use crate::api::Api;
use crate::challenge;

/// The metadata document of a protected resource (RFC 9728, section 2), to serve as JSON.
///
/// A client that gets a 401 finds the address of the document in `resource_metadata` of the
/// challenge (see [`Api::with_resource_metadata`]), or derives it from the resource: for
/// `https://api.contoso.com/mcp` it is
/// `https://api.contoso.com/.well-known/oauth-protected-resource/mcp`.
///
/// ```
/// use entra_validate::{Api, Audience, Permissions, ResourceMetadata, Tenants};
///
/// let tenant: entra_proto::Guid = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let permissions = Permissions::any_of(["Tools.Call"], [""; 0])?;
/// let api = Api::new(audience, Tenants::One(tenant), permissions)?;
/// let document = ResourceMetadata::new("https://api.contoso.com/mcp", &api)?
///     .with_scopes(["api://11112222-bbbb-3333-cccc-4444dddd5555/Tools.Call"]);
/// let json = serde_json::to_value(&document).unwrap();
/// assert_eq!(
///     json["authorization_servers"][0],
///     format!("https://login.microsoftonline.com/{tenant}/v2.0")
/// );
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResourceMetadata {
    /// The identifier of the resource: its URL.
    pub resource: String,
    /// The issuers whose tokens the resource accepts.
    ///
    /// For [`Tenants::Any`](crate::Tenants::Any) it is the address `organizations`, which is not an
    /// issuer: its metadata has an issuer with a placeholder for the tenant. A client that compares
    /// the two (RFC 8414, section 3.3) rejects it. Replace it by the issuers of the tenants if they
    /// are known.
    pub authorization_servers: Vec<String>,
    /// The full scopes that a client may request, as the authorization server expects them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// The accepted places of a token: only the header.
    pub bearer_methods_supported: Vec<String>,
    /// A name of the resource for users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// The address of a page for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
}

impl ResourceMetadata {
    /// Creates the document of a resource with this URL, whose tokens `api` validates.
    ///
    /// # Errors
    /// Returns an error if it is not an `https` URL (or an `http` URL of this machine), or if it
    /// has a user name or a fragment.
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

    /// Sets the name of the resource for users.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }
}
