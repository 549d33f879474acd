//! Agent identities: their blueprints, and the user accounts that only they can be.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Error;
use crate::config::{App, Tenant};

/// Completes the agent identities: their tenant and IDs, the client ID of their blueprint, and the
/// client ID of the agent of each user.
///
/// # Errors
/// Returns an error if a name is unknown, or if an agent or a blueprint has what it cannot have.
pub(super) fn fill(apps: &mut [App], tenants: &mut [Tenant]) -> Result<(), Error> {
    let blueprints: Vec<(String, String)> = apps
        .iter()
        .filter(|app| app.blueprint)
        .map(|app| (app.name.clone(), app.client_id.clone()))
        .collect();
    let home = tenants.first().map(|tenant| tenant.id.clone());
    for (at, app) in apps.iter_mut().enumerate() {
        let failed = |member: &str, problem: &str| Err(Error::Config(format!("apps[{at}].{member}: {problem}")));
        if app.blueprint && app.public_client {
            return failed("public_client", "a blueprint is a confidential client");
        }
        let Some(name) = &app.agent_of else { continue };
        let Some(blueprint) = find(&blueprints, name) else {
            let problem = "no blueprint has this name or client ID: set \"blueprint\": true for its application";
            return failed("agent_of", problem);
        };
        app.agent_of = Some(blueprint);
        let has_credential = app.secrets.as_ref().is_some_and(|secrets| !secrets.is_empty())
            || !app.key_credentials.is_empty()
            || !app.federated_credentials.is_empty();
        for (member, is_wrong, problem) in [
            ("blueprint", app.blueprint, "an agent identity is not a blueprint"),
            (
                "secrets",
                has_credential,
                "an agent identity has no credentials: its blueprint has them",
            ),
            (
                "public_client",
                app.public_client,
                "an agent identity is a confidential client",
            ),
            (
                "redirect_uris",
                !app.redirect_uris.is_empty(),
                "an agent identity has no redirect URIs",
            ),
            (
                "multi_tenant",
                app.multi_tenant || !app.tenants.is_empty(),
                "an agent identity lives in one tenant, its home_tenant",
            ),
        ] {
            if is_wrong {
                return failed(member, problem);
            }
        }
        app.home_tenant = app.home_tenant.take().or_else(|| home.clone());
        // The service principal of an agent is all that there is of it.
        app.service_principal_id.clone_from(&app.client_id);
    }
    let agents: Vec<(String, String)> = apps
        .iter()
        .filter(|app| app.agent_of.is_some())
        .map(|app| (app.name.clone(), app.client_id.clone()))
        .collect();
    for (at, tenant) in tenants.iter_mut().enumerate() {
        for (number, user) in tenant.users.iter_mut().flatten().enumerate() {
            let Some(name) = &user.agent else { continue };
            let Some(agent) = find(&agents, name) else {
                let problem = "no agent identity has this name or client ID";
                return Err(Error::Config(format!("tenants[{at}].users[{number}].agent: {problem}")));
            };
            user.agent = Some(agent);
        }
    }
    Ok(())
}

/// Returns the client ID of the app with this name or client ID.
fn find(apps: &[(String, String)], name: &str) -> Option<String> {
    let named = apps.iter().find(|(known, _)| known == name);
    let found = named.or_else(|| apps.iter().find(|(_, id)| id.eq_ignore_ascii_case(name)));
    found.map(|(_, id)| id.clone())
}

/// Returns the subject of a blueprint's token for one of its agents.
pub(crate) fn subject(tenant: &str, blueprint: &str, agent: &str) -> String {
    format!("{FMI}{}/a/{}/{agent}", encoded(tenant), encoded(blueprint))
}

/// Returns true if the subject of a token is that of a blueprint's token for an agent, or of
/// another identity that Entra manages in this way.
pub(crate) fn is_managed_subject(subject: &str) -> bool {
    subject.starts_with(FMI)
}

/// Encodes a GUID in base64url. The first three groups are in the byte order of .NET.
fn encoded(guid: &str) -> String {
    let digits: Vec<u8> = guid.bytes().filter(|byte| *byte != b'-').collect();
    let pair = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let mut bytes: Vec<u8> = digits.chunks(2).filter_map(pair).collect();
    if let [a, b, c, d, e, f, g, h, ..] = bytes.as_mut_slice() {
        (*a, *b, *c, *d, *e, *f, *g, *h) = (*d, *c, *b, *a, *f, *e, *h, *g);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The beginning of the subjects of identities below an application: the public cloud, and a
/// tenant.
const FMI: &str = "/eid1/c/pub/t/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_the_byte_order_of_dotnet() {
        let [tenant, blueprint] = [
            "ff882432-09b0-437b-bd22-ca13c0037ded",
            "499b84ac-1321-427f-aa17-267ca6975798",
        ];
        assert_eq!(
            subject(tenant, blueprint, "agent"),
            "/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/agent"
        );
    }
}
