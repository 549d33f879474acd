//! The checks of an agent identity, whose blueprint is the application.

use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Application, ClientId, Error, Target, TokenRequest};
use serde_json::Value;

use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::{Arguments, name};
use crate::exit::Failure;
use crate::settings::Agent;

/// Checks the options that name the agent. `blueprint` is the client ID of the application.
///
/// Returns `None` if no option names one, or if the options are invalid.
pub(crate) fn examine(
    arguments: &Arguments,
    blueprint: Option<ClientId>,
    report: &mut Report,
) -> Result<Option<Agent>, Failure> {
    let agent = match arguments.agent.agent() {
        Ok(Some(agent)) => agent,
        Ok(None) => return Ok(None),
        Err(failure) => {
            let fix = "pass the client ID of the agent identity";
            report.add(Check::failure(name::AGENT, &failure, fix))?;
            return Ok(None);
        }
    };
    let user = agent.user().map(|user| user.as_str());
    let mut check = Check::ok(
        name::AGENT,
        match user {
            Some(user) => format!("the user account {user} of the agent identity {}", agent.id()),
            None => format!("the agent identity {}", agent.id()),
        },
    );
    if blueprint == Some(agent.id()) {
        check = check.with_warning(
            "its ID is equal to the client ID",
            "set the client ID to that of the blueprint, which vouches for the agent",
        );
    }
    report.add(check.with("agent", agent.id().to_string()).with("user", user))?;
    Ok(Some(agent))
}

/// Returns the request for a token of the application, or of its agent.
pub(crate) fn request(application: &Application, agent: Option<&Agent>, target: Target) -> Result<TokenRequest, Error> {
    let Some(agent) = agent else {
        return application.client_credentials(target);
    };
    let application = application.agent(agent.id())?;
    match agent.user() {
        Some(user) => application.agent_user(user.clone(), target),
        None => application.client_credentials(target),
    }
}

/// Compares the blueprint in the claims of an agent's token with the application.
pub(crate) fn parent(claims: &UnverifiedClaims, blueprint: Option<ClientId>) -> Check {
    let parent = claims.get(PARENT).and_then(Value::as_str);
    let check = match (parent, blueprint) {
        (Some(parent), Some(blueprint)) if !parent.eq_ignore_ascii_case(&blueprint.to_string()) => Check::warn(
            name::BLUEPRINT,
            format!("{parent} ({PARENT}), but the application is {blueprint}"),
            "check the authority's host: it does not behave like Entra",
        ),
        (Some(parent), _) => Check::ok(name::BLUEPRINT, format!("{parent} ({PARENT})")),
        (None, _) => Check::warn(
            name::BLUEPRINT,
            format!("none: the token has no claim {PARENT}, so that APIs do not see that it is an agent's"),
            "no change is needed if the API does not tell agents from other applications",
        ),
    };
    check.with("blueprint", parent)
}

/// The claim with the client ID of an agent's blueprint.
const PARENT: &str = "xms_par_app_azp";
