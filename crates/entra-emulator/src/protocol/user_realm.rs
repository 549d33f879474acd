//! Home realm discovery, which some clients request before they send a password.

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::clouds::CLOUD;
use crate::config::Tenant;
use crate::exchange::Exchange;
use crate::tenant_path::of_document;

/// Responds to `{tenant}/UserRealm/{user}`. The user may also be named by the parameter `user`.
///
/// Users with a domain of a tenant are managed, which means that the password is sent to the token
/// endpoint. The domain decides, not the tenant in the path and not the existence of the user. The
/// emulator has no federated domains.
pub(crate) fn handle(exchange: &mut Exchange<'_>, tenant: &str, user: Option<&str>) -> Response<Vec<u8>> {
    if let Err(rejection) = of_document(exchange, tenant) {
        return exchange.error_response(&rejection);
    }
    let named = exchange.query.value("user").unwrap_or_default();
    let login = user.unwrap_or(named);
    let managed = managed_domain(exchange, login);
    let kind = if managed.is_some() { "Managed" } else { "Unknown" };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    match exchange.query.value("api-version") {
        None | Some("1.0") => {
            put("ver", json!("1.0"));
            put("account_type", json!(kind));
            if let Some((domain, _)) = managed {
                put("domain_name", json!(domain));
            }
            put("cloud_audience_urn", json!(AUDIENCE));
        }
        Some("2.0" | "2.1") => {
            put("NameSpaceType", json!(kind));
            put("Login", json!(login.chars().take(LONGEST_LOGIN).collect::<String>()));
            if let Some((domain, tenant)) = managed {
                put("DomainName", json!(domain));
                put("FederationBrandName", json!(tenant.name));
                put("TenantBrandingInfo", Value::Null);
            }
        }
        Some(_) => {
            return exchange.json(
                StatusCode::NOT_IMPLEMENTED,
                &json!({
                    "error": "not_emulated",
                    "error_description": "user realm discovery is emulated in the api-version 1.0, 2.0 and 2.1",
                }),
            );
        }
    }
    put("cloud_instance_name", json!(CLOUD));
    exchange.json(StatusCode::OK, &body)
}

/// Returns the domain of a sign-in name and its tenant, if it belongs to a tenant: either the
/// tenant's domain or that of one of its users.
fn managed_domain<'a>(exchange: &Exchange<'a>, login: &str) -> Option<(&'a str, &'a Tenant)> {
    let (_, domain) = login.rsplit_once('@')?;
    exchange.state.directory.tenants.iter().find_map(|tenant| {
        let users = tenant.users.iter().flatten();
        let of_users = users.filter_map(|user| user.user_principal_name.rsplit_once('@'));
        std::iter::once(tenant.domain.as_str())
            .chain(of_users.map(|(_, domain)| domain))
            .find(|known| known.eq_ignore_ascii_case(domain))
            .map(|known| (known, tenant))
    })
}

/// The number of characters of a sign-in name that the response repeats.
const LONGEST_LOGIN: usize = 256;
const AUDIENCE: &str = "urn:federation:MicrosoftOnline";
