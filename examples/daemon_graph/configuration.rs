//! The meaning of a sample's settings: the application, the API, and the address to call.

use entra_proto::endpoint::Origin;
use entra_proto::{Application, Authority, ClientId, Cloud, Guid, KnownApi, Target};
use entra_transport::cloud_from_env;
use http::Uri;

use crate::common::{Api, Failure, note, optional};
use crate::credential;
use crate::sample::Sample;
use crate::settings::Settings;

/// The configuration of a form.
pub(crate) struct Configuration {
    pub(crate) application: Application,
    pub(crate) target: Target,
    /// The address of the first request.
    pub(crate) address: String,
}

impl Configuration {
    /// Reads and checks all settings, without sending anything.
    pub(crate) fn read(sample: Sample, settings: &Settings, object_id: Option<&str>) -> Result<Self, Failure> {
        let authority = authority(settings)?;
        let cloud = authority.cloud().clone();
        let names = settings.names;
        let client_id: ClientId = match settings.get(names.client_id)? {
            Some(id) => id.value.parse().map_err(failed_at(&id.place.to_string()))?,
            None => {
                let id = optional("AZURE_CLIENT_ID")?;
                let id = id.ok_or_else(|| settings.missing(names.client_id, "AZURE_CLIENT_ID"))?;
                id.parse().map_err(failed_at("the variable AZURE_CLIENT_ID"))?
            }
        };
        let (target, address) = api(sample, settings, &cloud, &client_id, object_id)?;
        Ok(Self {
            application: Application::new(authority, client_id, credential::read(settings)?),
            target,
            address,
        })
    }
}

fn authority(settings: &Settings) -> Result<Authority, Failure> {
    let names = settings.names;
    if let Some(authority) = settings.get(names.authority)? {
        // Like `AZURE_AUTHORITY_HOST`: an emulator on this machine may use plain http.
        return Authority::from_setting(&authority.value).map_err(failed_at(&authority.place.to_string()));
    }
    let cloud = match settings.get(names.cloud)? {
        Some(cloud) => Cloud::from_setting(&cloud.value).map_err(failed_at(&cloud.place.to_string()))?,
        None => cloud_from_env()?,
    };
    let (tenant, place) = match settings.get(names.tenant)? {
        Some(tenant) => (tenant.value, tenant.place.to_string()),
        None => {
            let name = if names.tenant.is_empty() {
                names.authority
            } else {
                names.tenant
            };
            let tenant = optional("AZURE_TENANT_ID")?;
            let tenant = tenant.ok_or_else(|| settings.missing(name, "AZURE_TENANT_ID"))?;
            (tenant, "the variable AZURE_TENANT_ID".to_owned())
        }
    };
    Ok(Authority::new(cloud, tenant.parse().map_err(failed_at(&place))?)?)
}

/// Returns the target of the token, and the address that is called with it.
fn api(
    sample: Sample,
    settings: &Settings,
    cloud: &Cloud,
    client_id: &ClientId,
    object_id: Option<&str>,
) -> Result<(Target, String), Failure> {
    let names = settings.names;
    let graph = Api::graph(cloud)?;
    let target = match settings.get(names.scope)? {
        Some(scope) => Target::scopes(&scope.value).map_err(failed_at(&scope.place.to_string()))?,
        None => graph.target,
    };
    if let Some(endpoint) = settings.get(names.endpoint)? {
        let address =
            checked(cloud, &target, &endpoint.value).map_err(|failure| failure.at(&endpoint.place.to_string()))?;
        return Ok((target, address));
    }
    if let Some(base) = settings.get(names.graph)? {
        let at_place = |failure: Failure| failure.at(&base.place.to_string());
        let address = format!("{}/v1.0/users", base.value.trim_end_matches('/'));
        let origin = origin_of(&address).map_err(at_place)?;
        let is_path = |uri: Uri| uri.path() != "/v1.0/users";
        if address.parse().is_ok_and(is_path) {
            let failure =
                Failure::new("is more than the address of Graph: the version and the path are appended to it");
            return Err(at_place(failure.hint(format!("write it as {}/", origin.as_str()))));
        }
        // The sample's scope is the address and `.default`. The emulator has no audience of its
        // own.
        let target = match origin.is_loopback() {
            true => target,
            false => Target::resource(origin.as_str())?,
        };
        let address = checked(cloud, &target, &address).map_err(at_place)?;
        return Ok((target, address));
    }
    let path = match sample {
        Sample::Dotnet => match object_id_of(settings, client_id, object_id)? {
            Some(id) => format!("applications/{id}"),
            None => format!("applications(appId='{client_id}')"),
        },
        Sample::Node | Sample::Python | Sample::Java => "users".to_owned(),
    };
    let address = checked(cloud, &target, &format!("{}/v1.0/{path}", graph.address))?;
    Ok((target, address))
}

/// Returns the object ID, if it is set. It becomes part of a path.
fn object_id_of(settings: &Settings, client_id: &ClientId, argument: Option<&str>) -> Result<Option<Guid>, Failure> {
    let (id, place) = match argument {
        Some(id) => (id.to_owned(), "--object-id".to_owned()),
        None => match settings.get(settings.names.object_id)? {
            Some(id) => (id.value, id.place.to_string()),
            None => return Ok(None),
        },
    };
    match id.trim().parse::<Guid>() {
        Ok(id) if id.to_string() == client_id.to_string() => Err(Failure::new("is the Application (client) ID")
            .hint(OBJECT_ID)
            .at(&place)),
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(Failure::new("is not a GUID").hint(OBJECT_ID).at(&place)),
    }
}

/// Checks that a token for the target may be sent to this address. If the tokens come from the
/// emulator, replaces the origin with the emulator's.
fn checked(cloud: &Cloud, target: &Target, address: &str) -> Result<String, Failure> {
    let origin = origin_of(address)?;
    let is_local = origin.is_loopback();
    if cloud.is_loopback() {
        if is_local {
            return Ok(address.to_owned());
        }
        let uri: Uri = address.parse().map_err(|_| Failure::new("is not a URL"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        note(&format!(
            "the authority is an emulator, so it is called instead of {}",
            origin.as_str()
        ));
        return Ok(format!("{}{path}", cloud.origin()));
    }
    if !origin.is_https() {
        return Err(Failure::new("is plain http, which would send the token in the clear").hint("write https"));
    }
    let audience = target.audience()?;
    let is_expected = match KnownApi::with_audience(&audience) {
        // Some APIs list the hosts of their resources.
        Some(api) if !api.hosts.is_empty() => {
            let called = address.parse().ok().and_then(|uri| KnownApi::at(&uri));
            called.is_some_and(|called| called.name == api.name)
        }
        // An identifier such as api://todo names no host.
        _ => !audience.starts_with("https://") || audience.parse::<Origin>().is_ok_and(|own| own == origin),
    };
    if is_expected {
        return Ok(address.to_owned());
    }
    Err(
        Failure::new(format!("is at {}, and the token is for {audience}", origin.as_str()))
            .hint("call the API that the scope names: another host could use the token there"),
    )
}

fn origin_of(address: &str) -> Result<Origin, Failure> {
    let wrong = |problem: &str| Failure::new(problem).hint("write it as https://graph.microsoft.com/v1.0/users");
    let uri: Uri = address.parse().map_err(|_| wrong("is not a URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong("has no scheme or no host"));
    };
    Ok(format!("{scheme}://{authority}").parse::<Origin>()?)
}

fn failed_at(place: &str) -> impl Fn(entra_proto::Error) -> Failure {
    move |error| Failure::from(error).at(place)
}

const OBJECT_ID: &str = "copy the Object ID of the application from its Overview page, or leave it out: it is not the Application (client) ID";

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: &str = "https://graph.microsoft.com/.default";

    fn check(cloud: &str, scope: &str, address: &str) -> Result<String, Failure> {
        let cloud = Cloud::from_setting(cloud).unwrap();
        checked(&cloud, &Target::scopes(scope).unwrap(), address)
    }

    #[test]
    fn token_is_sent_to_its_own_api_only() {
        for (scope, address) in [
            (GRAPH, "https://graph.microsoft.com/v1.0/users?$top=5"),
            (GRAPH, "https://GRAPH.microsoft.com:443/v1.0/users"),
            (
                "https://api.contoso.example/.default",
                "https://api.contoso.example/things",
            ),
            ("api://todo/.default", "https://todo.contoso.example/things"),
        ] {
            assert_eq!(check("public", scope, address).unwrap(), address);
        }
        for (scope, address) in [
            (GRAPH, "http://graph.microsoft.com/v1.0/users"),
            (GRAPH, "https://graph.microsoft.com.evil.example/v1.0/users"),
            (GRAPH, "https://graph.microsoft.com@evil.example/v1.0/users"),
            (GRAPH, "https://graph.microsoft.com:8443/v1.0/users"),
            (GRAPH, "https://evil.example/v1.0/users"),
            (GRAPH, "https://127.0.0.1/v1.0/users"),
            (GRAPH, "http://127.0.0.1:8500/v1.0/users"),
            (GRAPH, "file:///etc/passwd"),
            (GRAPH, "/v1.0/users"),
            (GRAPH, ""),
            (
                "https://api.contoso.example/.default",
                "https://graph.microsoft.com/v1.0/users",
            ),
        ] {
            assert!(check("public", scope, address).is_err(), "{address}");
        }
    }

    #[test]
    fn emulator_is_called_instead_of_the_api() {
        let emulator = "http://127.0.0.1:8500";
        let address = check(emulator, GRAPH, "https://graph.microsoft.com/v1.0/users?$top=5").unwrap();
        assert_eq!(address, "http://127.0.0.1:8500/v1.0/users?$top=5");
        assert_eq!(
            check(emulator, GRAPH, "http://localhost:9/v1.0/users").unwrap(),
            "http://localhost:9/v1.0/users"
        );
    }
}
