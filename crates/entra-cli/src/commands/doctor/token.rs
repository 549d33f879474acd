use std::time::Duration;

use entra_proto::cache::Lifetime;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Authority, EndpointVersion, Error, Guid, KnownApi, Tenant, TokenRequest, TokenResponse};
use entra_transport::AcquireError;
use serde_json::Value;

use crate::commands::decode::meaning;
use crate::commands::doctor::configuration::Configuration;
use crate::commands::doctor::connection::lost;
use crate::commands::doctor::credential::Credential;
use crate::commands::doctor::refusal::refused;
use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::{Arguments, name};
use crate::exit::{Exit, Failure};
use crate::time_format::length;

/// Asks for a token, as `entra token` does.
pub(crate) fn request(
    arguments: &Arguments,
    configuration: &Configuration,
    credential: &Credential,
    report: &mut Report,
) -> Result<Option<TokenResponse>, Failure> {
    let settings = &arguments.application.settings;
    let client_credential = credential.to_client(settings);
    let version = settings.version().unwrap_or(EndpointVersion::V2);
    let mut needs = vec![
        name::AUTHORITY,
        name::TENANT,
        name::CLIENT_ID,
        name::CREDENTIAL,
        name::TARGET,
        name::REGION,
        name::NETWORK,
    ];
    let regional = |authority: &Authority| authority.token_endpoint(version).host() != Some(authority.cloud().host());
    // A region has a host of its own, which may answer where the cloud's does not.
    if !configuration.authority.as_ref().is_some_and(regional) {
        needs.extend([name::CONNECTION, name::TENANT_FOUND]);
    }
    // One that has expired is sent all the same: the service decides.
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
        let request = application.client_credentials(target.clone())?;
        match &arguments.claims {
            Some(claims) => request.with_claims(claims),
            None => Ok(request),
        }
    };
    let answer = request()
        .map_err(AcquireError::from)
        .and_then(|request| arguments.network.settings.acquire_over(&network.transport, request));
    let check = match answer {
        Ok(token) => {
            report.add(Check::ok(
                name::TOKEN_REQUEST,
                "the service accepts the credential and issues a token",
            ))?;
            return Ok(Some(token));
        }
        Err(AcquireError::Protocol(Error::Service(error))) => refused(name::TOKEN_REQUEST, &error),
        Err(AcquireError::Transport(error)) => {
            lost(name::TOKEN_REQUEST, error, authority.token_endpoint(version), network)
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

/// Looks at what the token says of itself: what the API will see. Nothing is verified.
pub(crate) fn examine(
    configuration: &Configuration,
    credential: &Credential,
    tenant_id: Option<Guid>,
    token: Option<&TokenResponse>,
    report: &mut Report,
) -> Result<(), Failure> {
    let (Some(token), Some(target)) = (token, &configuration.target) else {
        return report.skip(name::TOKEN, &[name::TOKEN_REQUEST]);
    };
    let claims = match UnverifiedClaims::decode(token.access_token.expose()) {
        Ok(claims) => claims,
        Err(error) => {
            let problem = Failure::from(error).problem;
            let fix = "nothing, if the API takes it: what it says is between the two";
            report.add(Check::warn(name::TOKEN, problem, fix))?;
            return report.add(lifetime(&token.lifetime));
        }
    };
    report.add(audience(&claims, &target.audience()?))?;
    report.add(roles(&claims))?;
    report.add(lifetime(&token.lifetime))?;
    let tenant_id = match configuration.tenant {
        Some(Tenant::Id(id)) => Some(id),
        _ => tenant_id,
    };
    let client_id = configuration.client_id.map(|id| id.to_string());
    report.add(issued_to(&claims, tenant_id, client_id.as_deref(), credential.class()))
}

/// Whether the token is for what was asked for, the slash at the end included: APIs compare it letter for letter.
fn audience(claims: &UnverifiedClaims, asked: &str) -> Check {
    let (found, version) = (claims.audience().unwrap_or("nobody"), claims.version());
    let format = match version {
        Some("1.0") => "a v1 token",
        Some("2.0") => "a v2 token",
        _ => "a token of no known version",
    };
    let check = if found == asked && KnownApi::lacking_slash(asked).is_some() {
        Check::warn(
            name::AUDIENCE,
            format!("{found}, without the slash at the end that this API expects; {format}"),
            format!("ask for --resource {asked}/ or --scope {asked}//.default, with two slashes"),
        )
    } else if found == asked {
        let slash = if asked.ends_with('/') {
            ", slash at the end included"
        } else {
            ""
        };
        Check::ok(name::AUDIENCE, format!("{found}, as asked for{slash}; {format}"))
    } else if found.trim_end_matches('/') == asked.trim_end_matches('/') {
        Check::warn(
            name::AUDIENCE,
            format!("{found}, and asked for was {asked}: the slashes at the end differ; {format}"),
            "if the API refuses the audience, ask with one slash more or less: entra scope explain shows how",
        )
    } else if found.parse::<Guid>().is_ok() {
        // The API is named by its application's id, whatever name it was asked for by.
        Check::ok(name::AUDIENCE, format!("{found}, the API's application id; {format}"))
    } else {
        Check::warn(
            name::AUDIENCE,
            format!("{found}, and asked for was {asked}; {format}"),
            "check that the API takes this audience; else ask for the one that it expects",
        )
    };
    check.with("audience", claims.audience()).with("version", version)
}

fn roles(claims: &UnverifiedClaims) -> Check {
    let roles: Vec<&str> = claims.roles().collect();
    let check = if roles.is_empty() {
        Check::warn(
            name::ROLES,
            "none: an API that goes by roles refuses this token",
            "add the application permission that the API asks for, and have an administrator grant consent to it; then get a new token. \
             Nothing, if access is granted elsewhere: by a role assignment in Azure, by a user in the database",
        )
    } else {
        Check::ok(name::ROLES, roles.join(", "))
    };
    check.with("roles", roles)
}

fn lifetime(lifetime: &Lifetime) -> Check {
    let life = lifetime.expires_at.since(lifetime.received_at);
    let check = if life < SHORT {
        Check::warn(
            name::LIFETIME,
            format!(
                "{}, so short that a client which keeps tokens keeps this one hardly at all",
                length(life)
            ),
            "ask the tenant's administrator for the policy on token lifetimes",
        )
    } else {
        Check::ok(name::LIFETIME, length(life))
    };
    check.with("seconds", life.as_secs())
}

/// Whether the token was issued in the tenant and to the application that were asked for, and how that proved itself.
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
    let other_tenant = tenant.zip(tenant_id).is_some_and(|(found, asked)| found != asked);
    let other_application = application
        .zip(client_id)
        .is_some_and(|(found, asked)| !found.eq_ignore_ascii_case(asked));
    let incomplete = application.is_none() || tenant_id.is_some() && tenant.is_none();
    let check = if other_tenant || other_application {
        Check::fail(
            name::ISSUED_TO,
            Exit::Token,
            format!("{found}: not who asked"),
            "check the authority's host: it does not answer as Entra does",
        )
    } else if incomplete || proof != class {
        Check::warn(
            name::ISSUED_TO,
            format!("{found}: it differs from what was sent"),
            "check the authority's host; an API that asks for a certificate goes by this",
        )
    } else {
        Check::ok(name::ISSUED_TO, found)
    };
    check
        .with("tenant_id", tenant.map(|id| id.to_string()))
        .with("client_id", application)
        .with("proof", proof)
}

/// Below this, clients with the usual margin of five minutes ask again each time.
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
    fn an_audience_is_compared_slash_for_slash() {
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
    fn a_token_of_somebody_else_is_refused() {
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
        let nobody = claims(r#"{"appidacr":"1"}"#);
        assert_eq!(issued_to(&nobody, None, Some(app), "1").mark(), Mark::Warn);
    }
}
