//! The check of the tenant's discovery document.

use entra_proto::error::hints::TRY_LATER;
use entra_proto::{Cloud, Error, Guid, Tenant, TokenResponse};

use crate::commands::doctor::configuration::Configuration;
use crate::commands::doctor::connection::TimedResponse;
use crate::commands::doctor::name;
use crate::commands::doctor::rejection::rejected;
use crate::commands::doctor::report::{Check, Report};
use crate::discovery::Document;
use crate::exit::{Exit, Failure};

/// Checks the discovery document of the tenant, and returns the tenant's ID.
pub(crate) fn examine(
    configuration: &Configuration,
    timed: Option<&TimedResponse>,
    report: &mut Report,
) -> Result<Option<Guid>, Failure> {
    let (Some(tenant), Some(cloud), Some(timed)) = (&configuration.tenant, &configuration.cloud, timed) else {
        report.skip(name::TENANT_FOUND, &[name::TENANT, name::CONNECTION])?;
        return Ok(None);
    };
    let (status, headers, body) = (
        timed.response.status(),
        timed.response.headers(),
        timed.response.body().as_bytes(),
    );
    if !status.is_success() {
        // Error responses have the same form as those of the token endpoint.
        report.add(match TokenResponse::decode(status, headers, body, timed.received) {
            Err(Error::Service(error)) if error.is_retryable() => Check::warn(
                name::TENANT_FOUND,
                format!("the service cannot describe the tenant now: {error}"),
                TRY_LATER,
            ),
            Err(Error::Service(error)) => rejected(name::TENANT_FOUND, &error),
            _ => unexpected_response(status.as_u16()),
        })?;
        return Ok(None);
    }
    let Some(document) = Document::read(body) else {
        report.add(unexpected_response(status.as_u16()))?;
        return Ok(None);
    };
    let check = judge(&document, cloud, tenant);
    report.add(
        check
            .with("issuer", document.issuer.as_str())
            .with("tenant_id", document.tenant_id.map(|id| id.to_string())),
    )?;
    Ok(document.tenant_id)
}

fn unexpected_response(status: u16) -> Check {
    Check::fail(
        name::TENANT_FOUND,
        Exit::Token,
        format!("the response is not a discovery document (status {status})"),
        "check the authority's host, and look for a proxy or a sign-in portal between this machine and the service",
    )
    .with("status", status)
}

/// Compares the discovery document with the settings.
fn judge(document: &Document, cloud: &Cloud, tenant: &Tenant) -> Check {
    if let Some(found) = document.other_cloud(cloud) {
        return Check::fail(
            name::TENANT_FOUND,
            Exit::Configuration,
            format!("the tenant is in another cloud, at {}", found.origin()),
            format!("use --authority-host {}", found.origin()),
        );
    }
    if let (Tenant::Id(asked), Some(found)) = (tenant, document.tenant_id)
        && *asked != found
    {
        return Check::fail(
            name::TENANT_FOUND,
            Exit::Token,
            format!("the request was for tenant {asked}, but the authority described {found}"),
            "check the authority's host: it does not behave like Entra",
        );
    }
    let found = match document.tenant_id {
        Some(id) => format!("{id}, issuer {}", document.issuer),
        None => format!("issuer {}", document.issuer),
    };
    match &document.endpoint {
        Some(other) if other != cloud => Check::warn(
            name::TENANT_FOUND,
            format!("{found}; its tokens come from {}", other.origin()),
            format!(
                "if {} is only a proxy for that host, no change is needed; otherwise use --authority-host {}",
                cloud.origin(),
                other.origin()
            ),
        ),
        _ => Check::ok(name::TENANT_FOUND, found),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::commands::doctor::report::Mark;

    const ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    fn judged(cloud: &str, tenant: &str, document: &Value) -> Mark {
        let document = Document::read(document.to_string().as_bytes()).unwrap();
        let cloud = Cloud::from_setting(cloud).unwrap();
        judge(&document, &cloud, &tenant.parse().unwrap()).mark()
    }

    fn document(host: &str) -> Value {
        json!({"issuer": format!("https://{host}/{ID}/v2.0"), "token_endpoint": format!("https://{host}/{ID}/oauth2/v2.0/token")})
    }

    #[test]
    fn tenant_of_another_cloud_is_detected() {
        let us = document("login.microsoftonline.us");
        let wrong = Mark::Fail(Exit::Configuration);
        assert_eq!(judged("public", ID, &us), wrong);
        assert_eq!(judged("china", "contoso.com", &us), wrong);
        assert_eq!(judged("usgovernment", ID, &us), Mark::Ok);
        // The older names of a cloud are the same cloud.
        assert_eq!(judged("public", ID, &document("login.windows.net")), Mark::Ok);
        let mut named = document("login.microsoftonline.com");
        assert_eq!(judged("public", ID, &named), Mark::Ok);
        named["cloud_instance_name"] = "partner.microsoftonline.cn".into();
        assert_eq!(judged("public", ID, &named), wrong);
        // The emulator names the public cloud; a proxy passes Entra's own host on.
        assert_eq!(
            judged(
                "http://127.0.0.1:1",
                ID,
                &json!({"issuer": "x", "cloud_instance_name": "microsoftonline.com"})
            ),
            Mark::Ok
        );
        assert_eq!(judged("https://front.example", ID, &us), Mark::Warn);
    }

    #[test]
    fn description_of_another_tenant_is_rejected() {
        let other = "11111111-2222-3333-4444-555555555555";
        let document = document("login.microsoftonline.com");
        assert_eq!(judged("public", other, &document), Mark::Fail(Exit::Token));
        assert_eq!(judged("public", "contoso.com", &document), Mark::Ok);
    }
}
