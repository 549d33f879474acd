//! What an emulator is made of: tenants, apps, APIs and users, in Rust or read from JSON.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use crate::Error;
use crate::certificate::KeyCredential;
use crate::clock::parse_rfc3339;

/// Everything an emulator can be told before it starts.
///
/// Whatever is left out is filled in: no tenant gives one tenant, no app one daemon app with a secret that may use Graph's
/// `User.Read.All` and every role of your own APIs, no API one API of your own, and every empty identifier is derived from
/// the seed. Microsoft Graph, the Office 365 Management APIs, Azure
/// SQL and Managed Desktop are always there; an [`Api`] with the same app id replaces one of them.
///
/// ```
/// use entra_emulator::{Config, EmulatorBuilder};
///
/// let config = Config::from_json(
///     r#"{
///         "seed": 7,
///         "tenants": [{ "id": "11111111-2222-3333-4444-555555555555", "domain": "fabrikam.example" }],
///         "apps": [{
///             "name": "nightly-report",
///             "client_id": "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb",
///             "secrets": [{ "value": "first", "end": "2030-01-01T00:00:00Z" }],
///             "granted": [{ "api": "https://graph.microsoft.com", "role": "User.Read.All" }]
///         }]
///     }"#,
/// )?;
/// let emulator = EmulatorBuilder::from(config).build();
/// assert_eq!(emulator.client_id(), "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
/// # Ok::<(), entra_emulator::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// What every made-up value is derived from.
    pub seed: u64,
    /// Directories. The first one is what [`crate::Emulator::tenant_id`] names.
    pub tenants: Vec<Tenant>,
    /// App registrations that ask for tokens. The first one is what [`crate::Emulator::client_id`] names.
    pub apps: Vec<App>,
    /// APIs that tokens are asked for.
    pub apis: Vec<Api>,
    /// Seconds an access token lives; 3600 when left out.
    pub token_lifetime: Option<u64>,
    /// Seconds after which the service wants to be asked for the next token (`refresh_in`). Left out, it does not say, as the
    /// service does not for tokens of an hour.
    pub refresh_in: Option<u64>,
}

impl Config {
    /// Reads a configuration from JSON. Unknown members are refused: a misspelt one would silently weaken a test.
    ///
    /// # Errors
    /// [`Error::Config`] names the line and what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Config(error.to_string()))
    }
}

/// A directory.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// GUID; derived from the seed when empty.
    pub id: String,
    /// Verified domain, for example `contoso.onmicrosoft.com`; derived when empty.
    pub domain: String,
    /// What people call it; the domain's first label when empty.
    pub name: String,
    /// An external (customer) tenant: its issuer is on `ciamlogin.com`.
    pub external: bool,
    /// Who Microsoft Graph lists; three made-up people when left out.
    pub users: Option<Vec<User>>,
}

impl Tenant {
    /// A workforce tenant with this domain.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            ..Self::default()
        }
    }

    /// Sets the directory's GUID.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Makes it an external (customer) tenant, reached as `{subdomain}.ciamlogin.com` as well.
    pub fn external(self) -> Self {
        Self { external: true, ..self }
    }

    /// Adds a user. The first call replaces the made-up ones.
    pub fn user(mut self, user: User) -> Self {
        self.users.get_or_insert_default().push(user);
        self
    }
}

/// A user that Microsoft Graph lists.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct User {
    /// Object id (GUID); derived from the seed when empty.
    pub id: String,
    /// Full name.
    pub display_name: String,
    /// Sign-in name; `{first word of the name}@{domain}` in lower case when empty.
    pub user_principal_name: String,
    /// Job title, if any.
    pub job_title: Option<String>,
}

impl User {
    /// A user of that name.
    pub fn new(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            ..Self::default()
        }
    }
}

/// An app registration that asks for tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct App {
    /// Display name.
    pub name: String,
    /// Application (client) id, a GUID; derived from the seed when empty.
    pub client_id: String,
    /// Object id of the registration, which Graph's `/applications/{id}` wants; derived when empty.
    pub object_id: String,
    /// Object id of the app's service principal, the `oid` and `sub` of its tokens; derived when empty.
    pub service_principal_id: String,
    /// Client secrets. Left out: one derived from the seed. An empty list: none at all.
    pub secrets: Option<Vec<Secret>>,
    /// Certificates whose keys sign the app's assertions, several while one takes over from another. In JSON
    /// `keyCredentials` or `certificates`, but not both: see [`KeyCredential`].
    #[serde(rename = "keyCredentials", alias = "certificates")]
    pub key_credentials: Vec<KeyCredential>,
    /// Application permissions the registration asks for. Asking gives nothing: see `granted`.
    pub requested: Vec<Permission>,
    /// Application permissions an administrator has consented to.
    pub granted: Vec<Permission>,
    /// Tenants (GUID or domain) the app is present in; empty means all.
    pub tenants: Vec<String>,
    /// Switched off by an administrator: every request is refused with AADSTS7000112.
    pub disabled: bool,
    /// Known, but without a service principal in the tenant yet: refused with AADSTS7000229.
    pub unprovisioned: bool,
}

impl App {
    /// An app of that name, present in every tenant, with one derived secret and no permissions.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the application (client) id.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            ..self
        }
    }

    /// Adds a secret. The first call replaces the derived one.
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secrets.get_or_insert_default().push(secret.into());
        self
    }

    /// An app without any secret.
    pub fn without_secrets(self) -> Self {
        Self {
            secrets: Some(Vec::new()),
            ..self
        }
    }

    /// Registers a certificate, given in DER, to sign assertions with. The app keeps its secrets, see
    /// [`without_secrets`](Self::without_secrets).
    pub fn certificate(self, der: impl AsRef<[u8]>) -> Self {
        self.key_credential(KeyCredential::new(der))
    }

    /// Registers the first certificate of a PEM text. A private key beside it is not kept.
    pub fn certificate_pem(self, pem: impl AsRef<str>) -> Self {
        self.key_credential(KeyCredential::pem(pem))
    }

    /// Registers a certificate with an id or dates of its own.
    pub fn key_credential(mut self, credential: KeyCredential) -> Self {
        self.key_credentials.push(credential);
        self
    }

    /// Asks for a permission without anybody consenting to it: "forgot admin consent".
    pub fn request(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        self.requested.push(Permission::new(api, role));
        self
    }

    /// Asks for a permission and has it consented to in every tenant.
    pub fn grant(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        let permission = Permission::new(api, role);
        self.requested.push(permission.clone());
        self.granted.push(permission);
        self
    }

    /// Asks for a permission and has it consented to in one tenant (GUID or domain) only.
    pub fn grant_in(mut self, tenant: impl Into<String>, api: impl Into<String>, role: impl Into<String>) -> Self {
        let permission = Permission::new(api, role);
        self.requested.push(permission.clone());
        self.granted.push(Permission {
            tenant: Some(tenant.into()),
            ..permission
        });
        self
    }

    /// Restricts the app to one more tenant (GUID or domain); elsewhere it is unknown (AADSTS700016).
    pub fn only_in(mut self, tenant: impl Into<String>) -> Self {
        self.tenants.push(tenant.into());
        self
    }

    /// Switches the app off (AADSTS7000112).
    pub fn disabled(self) -> Self {
        Self { disabled: true, ..self }
    }

    /// Leaves the app without a service principal (AADSTS7000229).
    pub fn unprovisioned(self) -> Self {
        Self {
            unprovisioned: true,
            ..self
        }
    }
}

/// A client secret. Its `Debug` never shows the value.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Secret {
    /// The secret's id (GUID), which people send by mistake; derived from the seed when empty.
    pub id: String,
    /// The value that authenticates; derived when empty.
    pub value: String,
    /// Valid from; always when left out. In JSON: `2026-01-31T23:59:58Z`.
    #[serde(deserialize_with = "time")]
    pub start: Option<SystemTime>,
    /// Valid until, this instant excluded; for ever when left out.
    #[serde(deserialize_with = "time")]
    pub end: Option<SystemTime>,
}

impl Secret {
    /// A secret that is always valid.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// Sets the secret's id.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Makes it valid from `start` on.
    pub fn starts(self, start: SystemTime) -> Self {
        Self {
            start: Some(start),
            ..self
        }
    }

    /// Makes it expire at `end`.
    pub fn ends(self, end: SystemTime) -> Self {
        Self { end: Some(end), ..self }
    }

    pub(crate) fn is_valid_at(&self, now: SystemTime) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("id", &self.id)
            .field("value", &"[redacted]")
            .field("start", &self.start)
            .field("end", &self.end)
            .finish()
    }
}

/// An application permission: one app role of one API.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Permission {
    /// One of the API's identifier URIs, or its app id.
    pub api: String,
    /// The app role's value, for example `User.Read.All`.
    pub role: String,
    /// The one tenant (GUID or domain) it was consented to in; all when left out.
    #[serde(default)]
    pub tenant: Option<String>,
}

impl Permission {
    /// A permission in every tenant.
    pub fn new(api: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            role: role.into(),
            tenant: None,
        }
    }
}

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

pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    parse_rfc3339(&text)
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no UTC time like 2026-01-31T23:59:58Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_member_is_refused() {
        assert!(Config::from_json(r#"{"tenant": []}"#).is_err());
        assert!(Config::from_json(r#"{"apis": [{"token_version": 3}]}"#).is_err());
        assert!(Config::from_json(r#"{"apps": [{"secrets": [{"end": "tomorrow"}]}]}"#).is_err());
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", App::new("a").secret("canary")).contains("canary"));
    }
}
