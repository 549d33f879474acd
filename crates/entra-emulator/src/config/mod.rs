//! The configuration of an emulator: tenants, apps, APIs and users, in Rust or from JSON.

mod activity;
mod api;
mod app;
mod expression;
mod federated;
mod group;
mod issuers;
mod machine;
mod managed_device;
mod managed_identity;
mod permission;
mod problem;
mod secret;
mod tenant;
pub(crate) mod time;
mod user;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::certificate::KeyCredential;

pub use self::activity::{ActivityFeed, ContentType, NextPageHeader};
pub use self::api::{Api, TokenVersion};
pub use self::app::App;
pub use self::federated::{ClaimsMatchingExpression, FederatedCredential, IssuerKeys};
pub use self::group::Group;
pub use self::issuers::Issuers;
pub use self::machine::Machine;
pub use self::managed_device::{ManagedDevice, UpdateRing};
pub use self::managed_identity::{ManagedIdentity, ManagedIdentitySource};
pub use self::permission::{DelegatedPermission, Permission};
pub use self::secret::Secret;
pub use self::tenant::Tenant;
pub use self::user::{User, UserType};

pub(crate) use self::federated::is_issuer;

/// The configuration of an emulator.
///
/// Everything left out is filled in. Without tenants there is one tenant. Without apps there are a
/// daemon app, with a secret and with permissions that include Graph's `User.Read.All` and every
/// role of your APIs, and a public client. Without APIs there is one example API. Every empty
/// identifier is derived from the seed.
///
/// Microsoft Graph, the Office 365 Management APIs, Azure Resource Manager, Key Vault, Storage and
/// SQL, and Managed Desktop always exist. An [`Api`] with the same app ID replaces one of them. An
/// [`Api`] with the same identifier URI does as well, except for Microsoft Graph and the Office 365
/// Management APIs.
///
/// ```
/// use entra_emulator::{Config, EmulatorBuilder};
///
/// let config = Config::from_json(
///     r#"{
///         "seed": 7,
///         "tenants": [{
///             "id": "11111111-2222-3333-4444-555555555555",
///             "domain": "fabrikam.example"
///         }],
///         "apps": [{
///             "name": "nightly-report",
///             "client_id": "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb",
///             "secrets": [{
///                 "value": "first",
///                 "end": "2030-01-01T00:00:00Z"
///             }],
///             "granted": [{
///                 "api": "https://graph.microsoft.com",
///                 "role": "User.Read.All"
///             }]
///         }]
///     }"#,
/// )?;
/// let emulator = EmulatorBuilder::from(config).build();
/// let client_id = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
/// assert_eq!(emulator.client_id(), client_id);
/// # Ok::<(), entra_emulator::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The seed of every generated value.
    pub seed: u64,
    /// The tenants. [`crate::Emulator::tenant_id`] returns the first one's ID.
    pub tenants: Vec<Tenant>,
    /// The app registrations that request tokens. [`crate::Emulator::client_id`] returns the first
    /// one's client ID.
    pub apps: Vec<App>,
    /// The APIs that tokens are requested for.
    pub apis: Vec<Api>,
    /// Certificates of the first app, generated or not, beside its own: see [`KeyCredential`].
    pub certificates: Vec<KeyCredential>,
    /// True if the emulator has a second issuer, which issues assertions for federated credentials.
    pub second_issuer: bool,
    /// The keys of issuers of assertions. The keys of any other issuer are fetched from its
    /// metadata.
    pub issuer_keys: Vec<IssuerKeys>,
    /// The issuer in tokens and documents; the public cloud's issuers when left out.
    pub issuers: Issuers,
    /// The machine under the program under test, with its managed identities.
    pub machine: Machine,
    /// The lifetime of an access token in seconds. When left out, it is 3600, and 86400 for managed
    /// identities.
    pub token_lifetime: Option<u64>,
    /// The number of seconds after which a client should request the next token (`refresh_in`).
    /// When left out, the response omits the member, as Entra does for tokens with a lifetime of
    /// one hour.
    pub refresh_in: Option<u64>,
    /// The seconds between two polls for a device code, from 1 to 900; 5 when left out, as at
    /// Entra.
    pub device_interval: Option<u64>,
    /// The minimum number of tenants. Generated tenants are added to those of `tenants`.
    pub tenant_count: Option<u32>,
    /// The feed of the Office 365 Management Activity API.
    pub activity: ActivityFeed,
    /// The number of requests to Microsoft Graph that an application may make in a tenant per
    /// minute. Further requests get status 429 with `Retry-After`. There is no limit when left out.
    pub graph_requests_per_minute: Option<u64>,
    /// Federated credentials of the default app.
    #[serde(skip)]
    pub(crate) default_credentials: Vec<FederatedCredential>,
    /// The address of the schema, for editors.
    #[serde(rename = "$schema")]
    pub(crate) _schema: Option<String>,
}

impl Config {
    /// Parses a configuration from JSON. Unknown members are rejected, because a misspelt member
    /// would silently weaken a test.
    ///
    /// # Errors
    /// Returns [`Error::Config`], which names the member, the problem and its line. It repeats no
    /// value.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let failed = |error: serde_json::Error| Error::Config(problem::describe(text, &error));
        let value: Value = serde_json::from_str(text).map_err(failed)?;
        if !value.is_object() {
            return Err(Error::Config(
                "the configuration is not a JSON object: it must begin with {".to_owned(),
            ));
        }
        if let Some(path) = problem::list_in_list(&value) {
            return Err(Error::Config(format!("{path}: expected an object, found a list")));
        }
        let config: Self = serde_json::from_str(text).map_err(failed)?;
        for (name, given, most) in [
            ("token_lifetime", config.token_lifetime, LONGEST_LIFETIME),
            ("device_interval", config.device_interval, LONGEST_INTERVAL),
        ] {
            if given.is_some_and(|given| !(1..=most).contains(&given)) {
                return Err(Error::Config(format!("{name}: must be between 1 and {most} seconds")));
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Checks the numbers that the builder can set as well.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self
            .tenant_count
            .is_some_and(|count| !(1..=MOST_TENANTS).contains(&count))
        {
            return Err(Error::Config(format!(
                "tenant_count: must be between 1 and {MOST_TENANTS}"
            )));
        }
        self.activity.check()
    }

    /// An example configuration in JSON, with a daemon, a web application, a multi-tenant
    /// application, a public client and an API.
    pub const EXAMPLE: &str = include_str!("example.json");

    /// The JSON Schema (2020-12) of a configuration in JSON, with a description of each member.
    pub const SCHEMA: &str = include_str!("schema.json");
}

const MOST_TENANTS: u32 = 10_000;
pub(crate) const DEFAULT_LIFETIME: u64 = 3_600;
pub(crate) const IDENTITY_LIFETIME: u64 = 86_400;
pub(crate) const DEFAULT_INTERVAL: u64 = 5;
pub(crate) const LONGEST_LIFETIME: u64 = 31_536_000;
pub(crate) const LONGEST_INTERVAL: u64 = 900;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_member_is_rejected() {
        assert!(Config::from_json(r#"{"tenant": []}"#).is_err());
        assert!(Config::from_json(r#"{"apis": [{"token_version": 3}]}"#).is_err());
        assert!(Config::from_json(r#"{"apps": [{"secrets": [{"end": "tomorrow"}]}]}"#).is_err());
    }

    #[test]
    fn apps_with_users_can_be_read() {
        let config = Config::from_json(
            r#"{
                "tenants": [{"domain": "a.example", "users": [{"display_name": "Ann", "admin": true}]}],
                "apis": [{"identifiers": ["api://x"], "scopes": ["read"], "admin_scopes": ["write"]}],
                "apps": [{
                    "redirect_uris": ["https://app.example/cb"], "multi_tenant": true, "home_tenant": "a.example",
                    "public_client": true,
                    "requested_scopes": [{"api": "api://x", "scope": "read"}],
                    "granted_scopes": [{"api": "api://x", "scope": "write", "tenant": "a.example"}]
                }]
            }"#,
        );
        let app = config.unwrap().apps.remove(0);
        assert!(app.multi_tenant && app.public_client && app.granted_scopes[0].scope == "write");
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", App::new("a").secret("canary")).contains("canary"));
    }
}
