//! The tokens that `entra validate` accepts: the API, its tenants, permissions and callers.

use entra_proto::{ClientId, Error, Guid};
use entra_validate::{Api, Audience, Permissions, Tenants};
use serde_json::{Value, json};

use crate::commands::validate::arguments::{Arguments, TenantSettings};
use crate::exit::{Exit, Failure};
use crate::files::excerpt;
use crate::message::warn;
use crate::settings::{authority_doubt, cloud_of, missing, text_of};
use crate::source::Source;

/// The API for which the token is validated, and the values that it accepts.
pub(super) struct Accepted {
    pub(super) api: Api,
    /// True if neither a role nor a scope is named.
    pub(super) any_permission: bool,
    /// The accepted applications; empty if any application is accepted.
    pub(super) callers: Vec<ClientId>,
}

impl Accepted {
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let profile = arguments.profile.get()?;
        let cloud = cloud_of(profile, &arguments.cloud.authority_host)?;
        let is_named = text_of(profile, &arguments.cloud.authority_host, "authority_host").is_some();
        if !is_named && let Some((problem, fix)) = authority_doubt() {
            warn(problem, fix);
        }
        let mut audiences = Vec::new();
        for audience in &arguments.audiences {
            let audience = audience.trim();
            match audience.parse() {
                Ok(id) => audiences.extend(Audience::app(id).values().map(str::to_owned)),
                Err(_) => audiences.push(audience.to_owned()),
            }
        }
        let any_permission = arguments.roles.is_empty() && arguments.scopes.is_empty();
        let permissions = if any_permission {
            Permissions::any_granted()
        } else {
            Permissions::any_of(&arguments.scopes, &arguments.roles)?
        };
        let tenants = tenants(arguments, text_of(profile, &None, "tenant"))?;
        let mut api = Api::new(Audience::any_of(audiences)?, tenants, permissions)?.with_cloud(cloud)?;
        let callers = arguments.callers.iter().map(|id| client_id("--caller", id));
        let callers = callers.collect::<Result<Vec<_>, _>>()?;
        if !callers.is_empty() {
            api = api.with_callers(callers.iter().copied())?;
        }
        if let Some(application) = &arguments.signing_keys_of {
            api = api.with_signing_keys_of(client_id("--signing-keys-of", application)?);
        }
        Ok(Self {
            api,
            any_permission,
            callers,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let permissions = self.api.permissions();
        let (roles, scopes): (Vec<_>, Vec<_>) = (permissions.roles().collect(), permissions.scopes().collect());
        let tenants = match self.api.tenants() {
            Tenants::One(one) => Some(vec![one.to_string()]),
            Tenants::AnyOf(some) => Some(some.iter().map(Guid::to_string).collect()),
            _ => None,
        };
        let callers: Vec<String> = self.callers.iter().map(ClientId::to_string).collect();
        json!({
            "audiences": self.api.audience().values().collect::<Vec<_>>(),
            "tenants": tenants,
            "roles": (!self.any_permission).then_some(roles),
            "scopes": (!self.any_permission).then_some(scopes),
            "callers": (!callers.is_empty()).then_some(callers),
            "authority_host": self.api.cloud().origin(),
        })
    }
}

/// Returns the tenants of the command line or the environment variable, or else of the profile.
fn tenants(arguments: &Arguments, of_profile: Option<&str>) -> Result<Tenants, Failure> {
    let TenantSettings { tenants, any_tenant } = &arguments.tenants.settings;
    let is_flag = matches!(arguments.tenants.source("tenants"), Source::Flag(_));
    if *any_tenant {
        if is_flag {
            return Err(
                Failure::text(Exit::Usage, "--tenant and --any-tenant contradict each other").hint("omit one of them"),
            );
        }
        return Ok(Tenants::Any);
    }
    // An empty variable counts as not set.
    let given = tenants.iter().map(|tenant| tenant.trim());
    let mut named: Vec<&str> = given.filter(|tenant| is_flag || !tenant.is_empty()).collect();
    if named.is_empty() {
        named.extend(of_profile);
    }
    let ids = named
        .iter()
        .map(|tenant| id_of(tenant))
        .collect::<Result<Vec<Guid>, _>>()?;
    match ids.as_slice() {
        [] => Err(missing("tenant", "--tenant", "AZURE_TENANT_ID")
            .hint("use --any-tenant for an API that applications of every tenant can call")),
        [one] => Ok(Tenants::One(*one)),
        _ => Ok(Tenants::any_of(ids)),
    }
}

fn client_id(option: &str, text: &str) -> Result<ClientId, Failure> {
    text.parse()
        .map_err(|error: Error| Failure::from(error).context(option))
}

/// Parses the ID of a tenant. Domains are not accepted: a token names its tenant only by the ID,
/// and validation must not depend on the resolution of a domain.
fn id_of(tenant: &str) -> Result<Guid, Failure> {
    tenant.parse().map_err(|_| {
        let shown = excerpt(tenant, 100);
        let failure = Failure::text(Exit::Configuration, format!("the tenant \"{shown}\" is not an ID"));
        match tenant {
            "common" | "organizations" | "consumers" => {
                failure.hint("name a tenant by its ID, or use --any-tenant for an API that every tenant can call")
            }
            _ => failure.hint("name the tenant by its ID, as tokens do: `entra discover DOMAIN` shows it"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_names_a_tenant() {
        assert!(id_of("AAAABBBB-0000-cccc-1111-dddd2222eeee").is_ok());
        for (text, hint) in [
            ("common", "--any-tenant"),
            ("contoso.com", "entra discover"),
            ("", "entra discover"),
        ] {
            let failure = id_of(text).unwrap_err();
            assert!(failure.to_string().contains(hint), "{failure}");
        }
    }
}
