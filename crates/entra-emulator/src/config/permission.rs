//! Permissions that apps request and receive.

use serde::Deserialize;

/// An application permission: one app role of one API.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Permission {
    /// One of the API's identifier URIs, or its app ID.
    pub api: String,
    /// The app role's value, for example `User.Read.All`.
    pub role: String,
    /// The tenant (GUID or domain) in which it was consented to; all tenants when left out.
    #[serde(default)]
    pub tenant: Option<String>,
}

impl Permission {
    /// Returns a permission in every tenant.
    pub fn new(api: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            role: role.into(),
            tenant: None,
        }
    }
}

/// A delegated permission: one scope of one API, used on behalf of a user.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DelegatedPermission {
    /// One of the API's identifier URIs, or its app ID.
    pub api: String,
    /// The scope's value, for example `User.Read`.
    pub scope: String,
    /// The tenant (GUID or domain) in which it was consented to; all tenants when left out.
    #[serde(default)]
    pub tenant: Option<String>,
}

impl DelegatedPermission {
    /// Returns a permission in every tenant.
    pub fn new(api: impl Into<String>, scope: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            scope: scope.into(),
            tenant: None,
        }
    }
}
