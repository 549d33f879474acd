//! The meaning of the sample's settings: the tokens that are accepted, and the permissions that
//! each action requires.

use entra_proto::{ClientId, Cloud, Guid};
use entra_transport::cloud_from_env;
use entra_validate::{Api, Audience, Permissions, Tenants};

use crate::common::Failure;
use crate::common::config::appsettings::{AppSettings, Setting};

/// The configuration of the API.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) api: Api,
    pub(crate) tenant: Guid,
    pub(crate) client_id: ClientId,
    pub(crate) read: Permissions,
    pub(crate) write: Permissions,
    pub(crate) port: u16,
}

impl Configuration {
    /// Reads and checks all settings, without sending anything.
    pub(crate) fn read(settings: &AppSettings) -> Result<Self, Failure> {
        let cloud = match settings.text("AzureAd:Instance")? {
            Some(instance) => Cloud::from_setting(instance.value.trim()).map_err(failed_at(&instance.place))?,
            None => cloud_from_env()?,
        };
        let tenant = needed(settings, "AzureAd:TenantId")?;
        let tenant: Guid = tenant.value.trim().parse().map_err(|_| {
            Failure::new("is not the ID of a tenant")
                .hint("write the Directory (tenant) ID, a GUID: tokens name their tenant by it")
                .at(&tenant.place)
        })?;
        let client_id = needed(settings, "AzureAd:ClientId")?;
        let client_id: ClientId = client_id.value.trim().parse().map_err(failed_at(&client_id.place))?;

        let [read_scopes, write_scopes] = actions(settings, "AzureAd:Scopes")?;
        let [read_roles, write_roles] = actions(settings, "AzureAd:AppPermissions")?;
        let read = permissions(settings, "Read", &read_scopes, &read_roles)?;
        let write = permissions(settings, "Write", &write_scopes, &write_roles)?;
        // A token that allows no action at all is rejected first.
        let any = Permissions::any_of(
            [read_scopes, write_scopes].iter().flat_map(|them| &them.value),
            [read_roles, write_roles].iter().flat_map(|them| &them.value),
        )?;
        Ok(Self {
            api: Api::new(audience(settings, client_id)?, Tenants::One(tenant), any)?.with_cloud(cloud)?,
            tenant,
            client_id,
            read,
            write,
            port: port(settings)?,
        })
    }
}

/// Returns the audience: the client ID and the default App ID URI, or the URIs that the settings
/// name.
fn audience(settings: &AppSettings, client_id: ClientId) -> Result<Audience, Failure> {
    let own = Audience::app(client_id);
    for key in ["AzureAd:Audiences", "AzureAd:Audience"] {
        if let Some(named) = settings.names(key)? {
            let all = own.values().chain(named.value.iter().map(String::as_str));
            return Audience::any_of(all).map_err(failed_at(&named.place));
        }
    }
    Ok(own)
}

/// Returns the names for reading and for writing. A section that lacks one of them is an error: it
/// may be misspelt, or have another shape.
fn actions(settings: &AppSettings, section: &str) -> Result<[Setting<Vec<String>>; 2], Failure> {
    let names = |action: &str| {
        let key = format!("{section}:{action}");
        match settings.names(&key)? {
            Some(names) => Ok(names),
            None if settings.has(section) => {
                let failure = Failure::new(format!(
                    "has no {action}: callers of that kind would never be allowed to"
                ));
                Err(failure
                    .hint("write it as an object with Read and Write, or leave it out to reject these callers")
                    .at(&settings.place(section)))
            }
            None => Ok(Setting {
                value: Vec::new(),
                place: settings.place(&key),
            }),
        }
    };
    Ok([names("Read")?, names("Write")?])
}

fn permissions(
    settings: &AppSettings,
    action: &str,
    scopes: &Setting<Vec<String>>,
    roles: &Setting<Vec<String>>,
) -> Result<Permissions, Failure> {
    if scopes.value.is_empty() && roles.value.is_empty() {
        return Err(settings.missing(
            &format!("AzureAd:AppPermissions:{action}"),
            &format!(", or AzureAd:Scopes:{action}: without permissions, the API cannot decide whom to accept"),
        ));
    }
    // Checked separately, so that an error names the right place.
    let none: [&str; 0] = [];
    if !scopes.value.is_empty() {
        Permissions::any_of(&scopes.value, none).map_err(failed_at(&scopes.place))?;
    }
    Permissions::any_of(&scopes.value, &roles.value).map_err(failed_at(&roles.place))
}

fn port(settings: &AppSettings) -> Result<u16, Failure> {
    let Some(port) = settings.text("https_port")? else {
        return Ok(DEFAULT_PORT);
    };
    port.value.parse().map_err(|_| {
        Failure::new("is not a port")
            .hint("write a number up to 65535")
            .at(&port.place)
    })
}

fn needed(settings: &AppSettings, key: &str) -> Result<Setting<String>, Failure> {
    settings.text(key)?.ok_or_else(|| settings.missing(key, ""))
}

fn failed_at(place: &str) -> impl Fn(entra_proto::Error) -> Failure {
    move |error| Failure::from(error).at(place)
}

/// The port of the samples.
const DEFAULT_PORT: u16 = 44351;

#[cfg(test)]
mod tests {
    use entra_proto::EndpointVersion;

    use super::*;

    #[test]
    fn keys_come_from_the_external_tenant() {
        for instance in ["https://contoso.ciamlogin.com", "https://contoso.ciamlogin.com/"] {
            let text = include_str!("appsettings.json");
            let text = text.replacen(
                "\"AzureAd\": {",
                &format!("\"AzureAd\": {{ \"Instance\": \"{instance}\","),
                1,
            );
            let configuration = Configuration::read(&AppSettings::of(&text)).unwrap();
            assert_eq!(
                configuration.api.metadata_url(EndpointVersion::V2),
                "https://contoso.ciamlogin.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0/.well-known/openid-configuration"
            );
            let audience: Vec<_> = configuration.api.audience().values().collect();
            assert!(
                audience.contains(&"22223333-cccc-4444-dddd-5555eeee6666"),
                "{audience:?}"
            );
            assert_eq!(configuration.port, 44351);
        }
    }

    #[test]
    fn configured_audiences_are_added() {
        let text = include_str!("appsettings.json");
        let text = text.replacen(
            "\"AzureAd\": {",
            "\"AzureAd\": { \"Audience\": \"https://todo.contoso.com\",",
            1,
        );
        let configuration = Configuration::read(&AppSettings::of(&text)).unwrap();
        let audience = configuration.api.audience();
        assert!(audience.accepts("https://todo.contoso.com"));
        assert!(audience.accepts("api://22223333-cccc-4444-dddd-5555eeee6666"));
        assert!(!audience.accepts("https://graph.microsoft.com"));
    }
}
