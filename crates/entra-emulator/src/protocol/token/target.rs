//! The API for which a token is requested: `resource` on v1, `scope` on v2.

use crate::aadsts::Rejection;
use crate::config::App;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::state::recorder::Endpoint;
use crate::state::scopes::{self, OIDC, Scopes, Target};

/// Returns the requested resource, byte for byte.
pub(crate) fn read(form: &Form, endpoint: Endpoint) -> Result<String, Rejection> {
    match endpoint {
        Endpoint::V1 => {
            let resource = form.value("resource");
            Ok(resource
                .ok_or_else(|| Rejection::new(900144).with("resource"))?
                .to_owned())
        }
        Endpoint::V2 => {
            let scope = scopes::of_form(form)?;
            resource_of(scope.ok_or_else(|| Rejection::new(900144).with("scope"))?)
        }
    }
}

/// Returns the resource of a client-credentials scope: the text before the last slash of its single
/// `/.default`.
///
/// OpenID Connect scopes may accompany it (the Go library always sends them) and have no effect.
fn resource_of(scope: &str) -> Result<String, Rejection> {
    let asked = || scope.split(' ').filter(|part| !part.is_empty() && !OIDC.contains(part));
    let mut defaults: Vec<&str> = asked().filter(|part| is_default(part)).collect();
    let is_mixed = asked().any(|part| !is_default(part));
    defaults.dedup();
    match defaults.as_slice() {
        [] => Err(Rejection::new(1002012).with(scope)),
        [one] if !is_mixed => match one.strip_suffix("/.default") {
            // A scope without a resource belongs to Microsoft Graph.
            None => Ok(crate::well_known::GRAPH_APP_ID.to_owned()),
            Some("") => Err(Rejection::new(70011).with(scope)),
            Some(resource) => Ok(resource.to_owned()),
        },
        _ => Err(Rejection::new(70011).with(scope)),
    }
}

fn is_default(scope: &str) -> bool {
    scope == ".default" || scope.ends_with("/.default")
}

/// Returns the target of a request that must name it, as [`user_target`] does.
///
/// # Errors
/// Returns AADSTS900144 if a v1 request has no `resource`, and the errors of [`user_target`].
pub(crate) fn whole_target(
    exchange: &Exchange<'_>,
    form: &Form,
    app: &App,
    version: Endpoint,
) -> Result<Target, Rejection> {
    if version == Endpoint::V1 && form.value("resource").is_none() {
        return Err(Rejection::new(900144).with("resource"));
    }
    user_target(exchange, form, app, version)
}

/// Returns the target of a request: `resource`, which may be missing, on v1, and `scope` on v2.
pub(crate) fn user_target(
    exchange: &Exchange<'_>,
    form: &Form,
    app: &App,
    version: Endpoint,
) -> Result<Target, Rejection> {
    match version {
        Endpoint::V1 => {
            let resource = form.value("resource");
            if let Some(resource) = resource {
                let place = exchange.event.tenant.as_deref().unwrap_or_default();
                exchange.state.directory.find_api(resource, place)?;
            }
            Ok(Target::V1 {
                resource: resource.map(str::to_owned),
            })
        }
        Endpoint::V2 => {
            let scope = scopes::of_form(form)?;
            let scopes = Scopes::parse(scope.ok_or_else(|| Rejection::new(900144).with("scope"))?)?;
            check_scopes(exchange, app, &scopes)?;
            Ok(Target::V2(scopes))
        }
    }
}

/// Checks that every API and every scope exists.
pub(crate) fn check_scopes(exchange: &Exchange<'_>, app: &App, scopes: &Scopes) -> Result<(), Rejection> {
    let place = exchange.event.tenant.as_deref().unwrap_or_default();
    for permission in &scopes.permissions {
        permission.resolve(&exchange.state.directory, &app.client_id, place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_is_everything_before_the_last_slash() {
        for (scope, resource) in [
            ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
            (
                "https://database.windows.net//.default",
                "https://database.windows.net/",
            ),
            ("https://x///.default", "https://x//"),
            (
                "cccccccc-0000-0000-0000-dddddddddddd/.default",
                "cccccccc-0000-0000-0000-dddddddddddd",
            ),
            ("api://host/path/.default", "api://host/path"),
            ("spn:abc/.default", "spn:abc"),
            ("openid api://a/.default  offline_access profile email", "api://a"),
            ("a/.default a/.default", "a"),
            (".default", crate::well_known::GRAPH_APP_ID),
        ] {
            assert_eq!(resource_of(scope).ok().as_deref(), Some(resource), "{scope}");
        }
    }

    #[test]
    fn scopes_without_a_single_resource_are_rejected() {
        for (scope, code) in [
            ("https://graph.microsoft.com/User.Read", 1002012),
            ("https%3A%2F%2Fgraph.microsoft.com%2F.default", 1002012),
            ("openid", 1002012),
            ("a/.Default", 1002012),
            ("a/.default b/.default", 70011),
            ("a/.default a/Read", 70011),
            ("/.default", 70011),
        ] {
            assert_eq!(
                resource_of(scope).map_err(|rejection| rejection.row.code),
                Err(code),
                "{scope}"
            );
        }
    }
}
