//! The documents that clients and validators read first: metadata, signing keys and instance
//! discovery.

use http::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::aadsts::Rejection;
use crate::clouds::{CLOUD, CLOUDS};
use crate::config::TokenVersion;
use crate::exchange::Exchange;
use crate::seed::is_guid;
use crate::state::directory::ciam_subdomain;
use crate::state::keys::{EXPONENT, Key};
use crate::state::recorder::Endpoint;
use crate::tenant_path::of_document;
use crate::well_known::CONSUMERS;

/// Responds with the OpenID Connect metadata of a tenant, or of all tenants (`common`,
/// `organizations`) with `{tenantid}` in the issuer.
pub(crate) fn configuration(exchange: &mut Exchange<'_>, tenant: &str, endpoint: Endpoint) -> Response<Vec<u8>> {
    let version = endpoint.token_version();
    let (name, issuer) = match of_document(exchange, tenant) {
        // All personal accounts are in one tenant.
        Ok(None) if tenant == "consumers" => {
            let issuer = exchange.issuer_template(version).replace("{tenantid}", CONSUMERS);
            (tenant.to_owned(), issuer)
        }
        Ok(None) => (tenant.to_owned(), exchange.issuer_template(version)),
        Ok(Some(tenant)) => (tenant.id.clone(), exchange.issuer(tenant, version)),
        Err(rejection) => return exchange.error_response(&rejection),
    };
    let base = format!("{}/{name}", exchange.origin);
    let (oauth, keys) = match endpoint {
        Endpoint::V1 => ("oauth2", format!("{}/common/discovery/keys", exchange.origin)),
        Endpoint::V2 => ("oauth2/v2.0", format!("{base}/discovery/v2.0/keys")),
    };
    // At Entra, an application may have its own keys, at the address in its documents. The emulator
    // has the same keys for all applications.
    let keys = match exchange.query.value("appid").filter(|id| is_guid(id)) {
        Some(id) => format!("{keys}?appid={id}"),
        None => keys,
    };
    let mut document = json!({
        "token_endpoint": format!("{base}/{oauth}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": keys,
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "authorization_endpoint": format!("{base}/{oauth}/authorize"),
        "device_authorization_endpoint": format!("{base}/{oauth}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{oauth}/logout"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver", "oid"],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": "EU",
        "tenant_region_sub_scope": null,
        "cloud_instance_name": CLOUD,
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    document["userinfo_endpoint"] = match endpoint {
        Endpoint::V1 => json!(format!("{base}/openid/userinfo")),
        Endpoint::V2 => json!(format!("{}/oidc/userinfo", exchange.graph_origin())),
    };
    exchange.json(StatusCode::OK, &document)
}

/// Responds with the published signing keys. They are the same for every tenant, as at the service.
pub(crate) fn keys(exchange: &mut Exchange<'_>, tenant: &str, endpoint: Endpoint) -> Response<Vec<u8>> {
    let tenant = match of_document(exchange, tenant) {
        Ok(tenant) => tenant,
        Err(rejection) => return exchange.error_response(&rejection),
    };
    let issuer = match (endpoint, tenant) {
        (Endpoint::V1, _) => None,
        (Endpoint::V2, None) => Some(exchange.issuer_template(TokenVersion::V2)),
        // An external tenant has its own host. Its keys are assumed to name it, because readers
        // compare the two issuers.
        (Endpoint::V2, Some(tenant)) => {
            let issuer = exchange.issuer(tenant, TokenVersion::V2);
            Some(issuer.replace(&tenant.id, "{tenantid}"))
        }
    };
    let keys = exchange
        .state
        .keys
        .published()
        .into_iter()
        .map(|key| Jwk::new(key, issuer.as_deref()))
        .collect();
    exchange.json(StatusCode::OK, &Jwks { keys })
}

/// Responds to instance discovery: whether an authority belongs to the service, and its aliases.
pub(crate) fn instance(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let asked = exchange
        .query
        .value("authorization_endpoint")
        .unwrap_or_default()
        .to_owned();
    let authority = asked
        .split_once("://")
        .map_or(asked.as_str(), |(_, rest)| rest)
        .split('/')
        .next()
        .unwrap_or_default();
    let is_own = !exchange.event.host.is_empty() && authority.eq_ignore_ascii_case(&exchange.event.host);
    let is_known = is_own
        || ciam_subdomain(authority).is_some()
        || CLOUDS
            .iter()
            .flat_map(|cloud| cloud.aliases)
            .any(|alias| alias.eq_ignore_ascii_case(authority));
    if !is_known {
        return exchange.error_response(&Rejection::new(50049).with(authority));
    }
    let version = exchange.query.value("api-version").unwrap_or("1.1");
    let tenant = asked
        .split("://")
        .last()
        .and_then(|rest| rest.split('/').nth(1))
        .filter(|name| !name.is_empty());
    let origin = if is_own {
        exchange.origin.clone()
    } else {
        format!("https://{authority}")
    };
    let path = if asked.contains("/v2.0/") {
        "v2.0/.well-known"
    } else {
        ".well-known"
    };
    let tenant = utf8_percent_encode(tenant.unwrap_or("common"), OUTSIDE_NAMES);
    let endpoint = format!("{origin}/{tenant}/{path}/openid-configuration");
    let mut metadata: Vec<Value> = CLOUDS
        .iter()
        .map(|cloud| {
            json!({
                "preferred_network": cloud.network, "preferred_cache": cloud.cache, "aliases": cloud.aliases,
            })
        })
        .collect();
    if is_own {
        metadata.push(json!({"preferred_network": authority, "preferred_cache": authority, "aliases": [authority]}));
    }
    let body = json!({"tenant_discovery_endpoint": endpoint, "api-version": version, "metadata": metadata});
    exchange.json(StatusCode::OK, &body)
}

#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Jwk<'a>>,
}

#[derive(Serialize)]
struct Jwk<'a> {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: &'static str,
    x5t: &'static str,
    n: &'static str,
    e: &'static str,
    x5c: [String; 1],
    cloud_instance_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
}

impl<'a> Jwk<'a> {
    fn new(key: &Key, issuer: Option<&'a str>) -> Self {
        Self {
            kty: "RSA",
            usage: "sig",
            kid: key.kid,
            x5t: key.kid,
            n: key.n,
            e: EXPONENT,
            x5c: [key.x5c()],
            cloud_instance_name: CLOUD,
            issuer,
        }
    }
}

/// The characters that are escaped in a tenant's name, which may be `{tenantid}`.
const OUTSIDE_NAMES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'{')
    .remove(b'}');
