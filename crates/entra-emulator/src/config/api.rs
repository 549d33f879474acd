//! APIs that tokens are asked for.

use serde::Deserialize;

/// An API that tokens are asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Api {
    /// Display name.
    pub name: String,
    /// The API's own application id (GUID); derived from the seed when empty.
    pub app_id: String,
    /// Identifier URIs, exactly as the API expects them in `aud`; `api://{app_id}` when empty.
    pub identifiers: Vec<String>,
    /// Whether its tokens are v1 or v2: the manifest's accepted token version decides, never the endpoint.
    pub token_version: TokenVersion,
    /// The application permissions it defines.
    pub roles: Vec<String>,
    /// The delegated permissions (scopes) it defines that every user may consent to.
    pub scopes: Vec<String>,
    /// The delegated permissions it defines that only an administrator may consent to.
    pub admin_scopes: Vec<String>,
    /// Refuses a token to apps that hold none of its roles (AADSTS501051).
    pub assignment_required: bool,
    /// Optional claims its tokens carry when they apply: `idtyp`, `xms_cc`.
    pub optional_claims: Vec<String>,
}

impl Api {
    /// An API with this identifier URI that takes v1 tokens, which is what a new registration starts with.
    pub fn new(identifier: impl Into<String>) -> Self {
        Self {
            identifiers: vec![identifier.into()],
            ..Self::default()
        }
    }

    /// Sets the application id.
    pub fn app_id(self, app_id: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            ..self
        }
    }

    /// Adds another identifier URI.
    pub fn identifier(mut self, identifier: impl Into<String>) -> Self {
        self.identifiers.push(identifier.into());
        self
    }

    /// Sets which tokens it accepts.
    pub fn token_version(self, token_version: TokenVersion) -> Self {
        Self { token_version, ..self }
    }

    /// Defines an app role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Defines a delegated permission that every user may consent to.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Defines a delegated permission that only an administrator may consent to.
    pub fn admin_scope(mut self, scope: impl Into<String>) -> Self {
        self.admin_scopes.push(scope.into());
        self
    }

    /// Every delegated permission it defines.
    pub(crate) fn all_scopes(&self) -> impl Iterator<Item = &String> + Clone {
        self.scopes.iter().chain(&self.admin_scopes)
    }

    /// Refuses a token to apps that hold none of its roles.
    pub fn assignment_required(self) -> Self {
        Self {
            assignment_required: true,
            ..self
        }
    }

    /// Adds an optional claim: `idtyp` or `xms_cc`.
    pub fn optional_claim(mut self, claim: impl Into<String>) -> Self {
        self.optional_claims.push(claim.into());
        self
    }
}

/// The version of the access tokens an API accepts (`requestedAccessTokenVersion` of its manifest). In JSON: 1 or 2.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8")]
pub enum TokenVersion {
    /// `ver` 1.0, issued by `sts.windows.net`, audience as asked for.
    #[default]
    V1,
    /// `ver` 2.0, audience is the API's app id.
    V2,
}

impl TryFrom<u8> for TokenVersion {
    type Error = String;

    fn try_from(version: u8) -> Result<Self, Self::Error> {
        match version {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            other => Err(format!("the accepted token version is 1 or 2, not {other}")),
        }
    }
}
