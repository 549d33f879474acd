//! APIs that tokens are requested for.

use serde::Deserialize;

/// An API that tokens are requested for.
///
/// ```
/// use entra_emulator::{Api, App, Emulator, TokenVersion};
///
/// let api = Api::new("api://orders")
///     .token_version(TokenVersion::V2)
///     .role("Orders.Read.All")
///     .scope("Orders.Read");
/// let app = App::new("daemon").grant("api://orders", "Orders.Read.All");
/// let emulator = Emulator::builder().api(api).app(app).build();
/// assert_eq!(emulator.api().identifiers, ["api://orders"]);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Api {
    /// The display name.
    pub name: String,
    /// The API's application ID (GUID); derived from the seed when empty.
    pub app_id: String,
    /// The identifier URIs, exactly as the API expects them in `aud`; `api://{app_id}` when empty.
    pub identifiers: Vec<String>,
    /// The version of its tokens. The accepted token version in the manifest decides, never the
    /// endpoint.
    pub token_version: TokenVersion,
    /// The application permissions (app roles) that it defines.
    pub roles: Vec<String>,
    /// The delegated permissions (scopes) that it defines and every user may consent to.
    pub scopes: Vec<String>,
    /// The delegated permissions that it defines and only an administrator may consent to.
    pub admin_scopes: Vec<String>,
    /// True if apps without any of its roles get no token (AADSTS501051).
    pub assignment_required: bool,
    /// The optional claims that its tokens contain if they apply: `idtyp`, `xms_cc`.
    pub optional_claims: Vec<String>,
}

impl Api {
    /// Returns an API with this identifier URI that accepts v1 tokens, the default of a new
    /// registration.
    pub fn new(identifier: impl Into<String>) -> Self {
        Self {
            identifiers: vec![identifier.into()],
            ..Self::default()
        }
    }

    /// Sets the application ID.
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

    /// Sets the version of the tokens that it accepts.
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

    /// Returns every delegated permission that it defines.
    pub(crate) fn all_scopes(&self) -> impl Iterator<Item = &String> + Clone {
        self.scopes.iter().chain(&self.admin_scopes)
    }

    /// Rejects token requests of apps that have none of its roles.
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

/// The version of the access tokens that an API accepts (`requestedAccessTokenVersion` in its
/// manifest). In JSON, it is 1 or 2.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8")]
pub enum TokenVersion {
    /// `ver` 1.0, with an issuer on `sts.windows.net` and the requested resource as the audience.
    #[default]
    V1,
    /// `ver` 2.0, with the API's app ID as the audience.
    V2,
}

impl TryFrom<u8> for TokenVersion {
    type Error = String;

    fn try_from(version: u8) -> Result<Self, Self::Error> {
        match version {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            other => Err(format!("the accepted token version must be 1 or 2, not {other}")),
        }
    }
}
