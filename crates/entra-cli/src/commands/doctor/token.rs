//! The checks of the token request and of the claims of the token.

use std::time::Duration;

use entra_proto::cache::Lifetime;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Authority, EndpointVersion, Error, Guid, KnownApi, Tenant, TokenRequest, TokenResponse};
use entra_transport::AcquireError;
use serde_json::Value;

use crate::commands::decode::meaning;
use crate::commands::doctor::agent;
use crate::commands::doctor::configuration::Configuration;
use crate::commands::doctor::connection::transport_failure;
use crate::commands::doctor::credential::Credential;
use crate::commands::doctor::rejection::rejected;
use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::{Arguments, name};
use crate::exit::{Exit, Failure};
use crate::settings::Agent;
use crate::time_format::length;

/// Requests a token in the same way as `entra token`.
pub(crate) fn request(
    arguments: &Arguments,
    configuration: &Configuration,
    credential: &Credential,
    agent: Option<&Agent>,
    report: &mut Report,
) -> Result<Option<TokenResponse>, Failure> {
    let settings = &arguments.application.settings;
    let client_credential = credential.to_client(settings);
    let version = settings.version().unwrap_or(EndpointVersion::V2);
    let mut needs = vec![
        name::AUTHORITY,
        name::TENANT,
        name::CLIENT_ID,
        name::AGENT,
        name::CREDENTIAL,
        name::TARGET,
        name::REGION,
        name::NETWORK,
    ];
    let regional = |authority: &Authority| authority.token_endpoint(version).host() != Some(authority.cloud().host());
    // A region has its own host, which may respond although the cloud's does not.
    if !configuration.authority.as_ref().is_some_and(regional) {
        needs.extend([name::CONNECTION, name::TENANT_FOUND]);
    }
    // An expired credential is sent nevertheless: the service decides.
    if client_credential.is_none() {
        needs.extend([name::CERTIFICATE, name::FEDERATED_TOKEN]);
    }
    let (Some(authority), Some(client_id), Some(target), Some(network), Some(client_credential), false) = (
        &configuration.authority,
        configuration.client_id,
        &configuration.target,
        &configuration.network,
        client_credential,
        report.lacks(&needs),
    ) else {
        report.skip(name::TOKEN_REQUEST, &needs)?;
        return Ok(None);
    };

    let application = settings.application_of(authority.clone(), client_id, client_credential)?;
    let request = || -> Result<TokenRequest, Error> {
        let request = agent::request(&application, agent, target.clone())?;
        match &arguments.claims {
            Some(claims) => request.with_claims(claims),
            None => Ok(request),
        }
    };
    let response = request()
        .map_err(AcquireError::from)
        .and_then(|request| arguments.network.settings.acquire_over(&network.transport, request));
    let check = match response {
        Ok(token) => {
            report.add(Check::ok(
                name::TOKEN_REQUEST,
                "the service accepts the credential and issues a token",
            ))?;
            return Ok(Some(token));
        }
        Err(AcquireError::Protocol(Error::Service(error))) => rejected(name::TOKEN_REQUEST, &error),
        Err(AcquireError::Transport(error)) => {
            transport_failure(name::TOKEN_REQUEST, error, authority.token_endpoint(version), network)
        }
        Err(error) => Check::failure(
            name::TOKEN_REQUEST,
            &error.into(),
            "check the authority, and look for a proxy between this machine and the service",
        ),
    };
    report.add(check)?;
    Ok(None)
}

/// The facts about the request that the claims of the token must match.
pub(crate) struct Requested<'a> {
    pub(crate) configuration: &'a Configuration,
    pub(crate) credential: &'a Credential,
    pub(crate) tenant_id: Option<Guid>,
    pub(crate) agent: Option<&'a Agent>,
}

/// Checks the claims of the token, as the API will see them. The signature is not verified.
pub(crate) fn examine(
    requested: &Requested<'_>,
    token: Option<&TokenResponse>,
    report: &mut Report,
) -> Result<(), Failure> {
    let Requested {
        configuration,
        credential,
        agent,
        ..
    } = requested;
    let (Some(token), Some(target)) = (token, &configuration.target) else {
        return report.skip(name::TOKEN, &[name::TOKEN_REQUEST]);
    };
    let claims = match UnverifiedClaims::decode(token.access_token.expose()) {
        Ok(claims) => claims,
        Err(error) => return unreadable(error, &token.lifetime, report),
    };
    let permissions = Permissions::of(*agent);
    examine_claims(&claims, &target.audience()?, permissions, &token.lifetime, report)?;
    let tenant_id = match configuration.tenant {
        Some(Tenant::Id(id)) => Some(id),
        _ => requested.tenant_id,
    };
    let (client_id, class) = match agent {
        // The token of the blueprint is an assertion.
        Some(agent) => (Some(agent.id()), "2"),
        None => (configuration.client_id, credential.class()),
    };
    let client_id = client_id.map(|id| id.to_string());
    report.add(issued_to(&claims, tenant_id, client_id.as_deref(), class))?;
    match agent {
        Some(_) => report.add(agent::parent(&claims, configuration.client_id)),
        None => Ok(()),
    }
}

/// Checks the claims that concern the API.
pub(super) fn examine_claims(
    claims: &UnverifiedClaims,
    requested: &str,
    permissions: Permissions,
    life: &Lifetime,
    report: &mut Report,
) -> Result<(), Failure> {
    report.add(audience(claims, requested))?;
    report.add(match permissions {
        Permissions::Roles => roles(claims),
        Permissions::Scopes => scopes(claims),
    })?;
    report.add(lifetime(life))
}

/// The claim with the permissions of a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Permissions {
    /// The roles of an application.
    Roles,
    /// The permissions that a user delegated.
    Scopes,
}

impl Permissions {
    /// Returns the claim of the application's token, or of this agent's.
    pub(super) fn of(agent: Option<&Agent>) -> Self {
        match agent.and_then(Agent::user) {
            Some(_) => Self::Scopes,
            None => Self::Roles,
        }
    }
}

/// Reports a token whose claims cannot be read.
pub(super) fn unreadable(error: Error, life: &Lifetime, report: &mut Report) -> Result<(), Failure> {
    let problem = Failure::from(error).problem;
    let fix = "no change is needed if the API accepts the token: its format is between the service and the API";
    report.add(Check::warn(name::TOKEN, problem, fix))?;
    report.add(lifetime(life))
}

/// Compares the audience of the token with the requested one, including a slash at the end: APIs
/// compare it character by character.
fn audience(claims: &UnverifiedClaims, requested: &str) -> Check {
    let (found, version) = (claims.audience().unwrap_or("none"), claims.version());
    let format = match version {
        Some("1.0") => "a v1 token",
        Some("2.0") => "a v2 token",
        _ => "a token of unknown version",
    };
    let check = if found == requested && KnownApi::lacking_slash(requested).is_some() {
        Check::warn(
            name::AUDIENCE,
            format!("{found}, without the slash at the end that this API expects; {format}"),
            format!("use --resource {requested}/ or --scope {requested}//.default, with two slashes"),
        )
    } else if found == requested {
        let slash = if requested.ends_with('/') {
            ", including the slash at the end"
        } else {
            ""
        };
        Check::ok(name::AUDIENCE, format!("{found}, as requested{slash}; {format}"))
    } else if found.trim_end_matches('/') == requested.trim_end_matches('/') {
        Check::warn(
            name::AUDIENCE,
            format!("{found}, but {requested} was requested: the slashes at the end differ; {format}"),
            "if the API rejects the audience, request it with one slash more or less: entra scope explain shows how",
        )
    } else if found.parse::<Guid>().is_ok() {
        // The token may name the API by its application's id, whatever the request said.
        Check::ok(name::AUDIENCE, format!("{found}, the API's application id; {format}"))
    } else {
        Check::warn(
            name::AUDIENCE,
            format!("{found}, but {requested} was requested; {format}"),
            "check that the API accepts this audience; otherwise request the one that it expects",
        )
    };
    check.with("audience", claims.audience()).with("version", version)
}

fn roles(claims: &UnverifiedClaims) -> Check {
    let roles: Vec<&str> = claims.roles().collect();
    let check = if roles.is_empty() {
        Check::warn(
            name::ROLES,
            "none: an API that authorizes by roles rejects this token",
            "add the application permission that the API requires, have an administrator grant consent to it, and get a new token; \
             no change is needed if access is granted in another way, such as an Azure role assignment or a database user",
        )
    } else {
        Check::ok(name::ROLES, roles.join(", "))
    };
    check.with("roles", roles)
}

fn scopes(claims: &UnverifiedClaims) -> Check {
    let scopes = claims.get("scp").and_then(Value::as_str).unwrap_or_default();
    let check = match scopes.is_empty() {
        true => Check::warn(
            name::SCOPES,
            "none: an API that authorizes by delegated permissions rejects this token",
            "grant the agent identity a delegated permission of the API for this user, and get a new token",
        ),
        false => Check::ok(name::SCOPES, scopes),
    };
    check.with(
        "scopes",
        scopes.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>(),
    )
}

fn lifetime(lifetime: &Lifetime) -> Check {
    let life = lifetime.expires_at.since(lifetime.received_at);
    let check = if life < SHORT {
        Check::warn(
            name::LIFETIME,
            format!(
                "{}, too short for caching: clients with the usual margin of five minutes request a token each time",
                length(life)
            ),
            "ask the tenant's administrator about the token lifetime policy",
        )
    } else {
        Check::ok(name::LIFETIME, length(life))
    };
    check.with("seconds", life.as_secs())
}

/// Compares the tenant, the application and the kind of credential in the token with the request.
fn issued_to(claims: &UnverifiedClaims, tenant_id: Option<Guid>, client_id: Option<&str>, class: &str) -> Check {
    let (tenant, application) = (claims.tenant_id(), claims.application_id());
    let (member, proof) = ["azpacr", "appidacr"]
        .into_iter()
        .find_map(|name| Some((name, claims.get(name)?.as_str()?)))
        .unwrap_or(("azpacr", "none"));
    let meant = meaning(member, &Value::from(proof)).unwrap_or_default();
    let found = format!(
        "the application {} in the tenant {}; {meant} ({member} {proof})",
        application.unwrap_or("none"),
        tenant.map_or_else(|| "none".to_owned(), |id| id.to_string()),
    );
    let other_tenant = tenant
        .zip(tenant_id)
        .is_some_and(|(found, requested)| found != requested);
    let other_application = application
        .zip(client_id)
        .is_some_and(|(found, requested)| !found.eq_ignore_ascii_case(requested));
    let incomplete = application.is_none() || tenant_id.is_some() && tenant.is_none();
    let check = if other_tenant || other_application {
        Check::fail(
            name::ISSUED_TO,
            Exit::Token,
            format!("{found}: not the application and tenant of the request"),
            "check the authority's host: it does not behave like Entra",
        )
    } else if incomplete || proof != class {
        Check::warn(
            name::ISSUED_TO,
            format!("{found}: it differs from the request"),
            "check the authority's host; an API that requires a certificate checks this claim",
        )
    } else {
        Check::ok(name::ISSUED_TO, found)
    };
    check
        .with("tenant_id", tenant.map(|id| id.to_string()))
        .with("client_id", application)
        .with("proof", proof)
}

/// The lifetime below which clients with the usual margin of five minutes request a token each
/// time.
const SHORT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::report::Mark;

    fn claims(json: &str) -> UnverifiedClaims {
        use base64::Engine as _;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        UnverifiedClaims::decode(&format!("{}.{}.", part("{}"), part(json))).unwrap()
    }

    #[test]
    fn audience_is_compared_including_slashes() {
        const SQL: &str = "https://database.windows.net";
        let judged =
            |found: &str, asked: &str| audience(&claims(&format!(r#"{{"aud":"{found}","ver":"1.0"}}"#)), asked).mark();
        assert_eq!(judged("https://a", "https://a"), Mark::Ok);
        assert_eq!(judged("https://a/", "https://a/"), Mark::Ok);
        assert_eq!(judged("https://a/", "https://a"), Mark::Warn);
        assert_eq!(judged("https://a", "https://a/"), Mark::Warn);
        assert_eq!(judged("https://b", "https://a"), Mark::Warn);
        assert_eq!(judged(SQL, SQL), Mark::Warn);
        assert_eq!(
            judged("https://database.windows.net/", "https://database.windows.net/"),
            Mark::Ok
        );
        assert_eq!(judged("aaaabbbb-0000-cccc-1111-dddd2222eeee", "https://a"), Mark::Ok);
        assert_eq!(audience(&claims("{}"), "https://a").mark(), Mark::Warn);
    }

    #[test]
    fn token_of_another_application_is_rejected() {
        let (tenant, app) = (
            "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "11111111-2222-3333-4444-555555555555",
        );
        let judged = |tid: &str, appid: &str, class: &str| {
            let claims = claims(&format!(r#"{{"tid":"{tid}","appid":"{appid}","appidacr":"1"}}"#));
            issued_to(&claims, tenant.parse().ok(), Some(app), class).mark()
        };
        assert_eq!(judged(tenant, app, "1"), Mark::Ok);
        assert_eq!(judged(tenant, app, "2"), Mark::Warn);
        assert_eq!(judged(app, app, "1"), Mark::Fail(Exit::Token));
        assert_eq!(judged(tenant, tenant, "1"), Mark::Fail(Exit::Token));
        assert_eq!(issued_to(&claims("{}"), None, Some(app), "1").mark(), Mark::Warn);
        let unnamed = claims(r#"{"appidacr":"1"}"#);
        assert_eq!(issued_to(&unnamed, None, Some(app), "1").mark(), Mark::Warn);
    }
}
