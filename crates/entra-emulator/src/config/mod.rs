//! What an emulator is made of: tenants, apps, APIs and users, in Rust or read from JSON.

mod activity;
mod api;
mod app;
mod group;
mod issuers;
mod managed_device;
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
pub use self::group::Group;
pub use self::issuers::Issuers;
pub use self::managed_device::{ManagedDevice, UpdateRing};
pub use self::permission::{DelegatedPermission, Permission};
pub use self::secret::Secret;
pub use self::tenant::Tenant;
pub use self::user::{User, UserType};

/// Everything an emulator can be told before it starts.
///
/// Whatever is left out is filled in: no tenant gives one tenant, no app one daemon app with a secret that may use Graph's
/// `User.Read.All` and every role of your own APIs, no API one API of your own, and every empty identifier is derived from
/// the seed. Microsoft Graph, the Office 365 Management APIs, Azure Resource Manager, Key Vault, Storage and SQL, and Managed
/// Desktop are always there. An [`Api`] with the same app id replaces one of them, and one with the same identifier URI does
/// as well, except for Microsoft Graph and the Office 365 Management APIs.
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
    /// Certificates of the first app, made-up or not, beside those that it has itself: see [`KeyCredential`].
    pub certificates: Vec<KeyCredential>,
    /// The issuer that tokens and documents name: Entra's when left out.
    pub issuers: Issuers,
    /// Seconds an access token lives; 3600 when left out.
    pub token_lifetime: Option<u64>,
    /// Seconds after which the service wants to be asked for the next token (`refresh_in`). Left out, it does not say, as the
    /// service does not for tokens of an hour.
    pub refresh_in: Option<u64>,
    /// Seconds between two polls of a device that waits for its user, from 1 to 900; 5 when left out, as the service has it.
    pub device_interval: Option<u64>,
    /// How many tenants there are at least: made-up ones are added to those of `tenants`.
    pub tenant_count: Option<u32>,
    /// The feed of the Office 365 Management Activity API.
    pub activity: ActivityFeed,
    /// Requests to Microsoft Graph that an application may make in a tenant in a minute; the next ones are status 429 with
    /// `Retry-After`. Any number when left out.
    pub graph_requests_per_minute: Option<u64>,
    /// The place of the schema, which editors read.
    #[serde(rename = "$schema")]
    pub(crate) _schema: Option<String>,
}

impl Config {
    /// Reads a configuration from JSON. Unknown members are refused: a misspelt one would silently weaken a test.
    ///
    /// # Errors
    /// Returns [`Error::Config`], which names the member, what is wrong with it and its line. It repeats no value.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let failed = |error: serde_json::Error| Error::Config(problem::describe(text, &error));
        let value: Value = serde_json::from_str(text).map_err(failed)?;
        if !value.is_object() {
            return Err(Error::Config(
                "the configuration is no object: it has to begin with {".to_owned(),
            ));
        }
        if let Some(path) = problem::list_in_list(&value) {
            return Err(Error::Config(format!("{path}: a list stands where an object belongs")));
        }
        let config: Self = serde_json::from_str(text).map_err(failed)?;
        for (name, given, most) in [
            ("token_lifetime", config.token_lifetime, LONGEST_LIFETIME),
            ("device_interval", config.device_interval, LONGEST_INTERVAL),
        ] {
            if given.is_some_and(|given| !(1..=most).contains(&given)) {
                return Err(Error::Config(format!("{name}: it is not between 1 and {most} seconds")));
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Checks the numbers that the builder sets as well.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self
            .tenant_count
            .is_some_and(|count| !(1..=MOST_TENANTS).contains(&count))
        {
            return Err(Error::Config(format!(
                "tenant_count: it is not between 1 and {MOST_TENANTS}"
            )));
        }
        self.activity.check()
    }

    /// A configuration to start from, in JSON: a daemon, a web application, a multi-tenant one, a public client and an API.
    pub const EXAMPLE: &str = include_str!("example.json");

    /// The JSON Schema (2020-12) of a configuration in JSON, with a description of each member.
    pub const SCHEMA: &str = include_str!("schema.json");
}

const MOST_TENANTS: u32 = 10_000;
pub(crate) const LONGEST_LIFETIME: u64 = 31_536_000;
pub(crate) const LONGEST_INTERVAL: u64 = 900;

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
