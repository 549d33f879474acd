//! The token endpoint with its grants.

mod assertion;
pub(crate) mod authorization_code;
pub(crate) mod client;
pub(crate) mod client_auth;
pub(crate) mod federated;
pub(crate) mod form;
pub(crate) mod id_token;
mod key_references;
pub(crate) mod mint;
mod on_behalf_of;
mod password;
pub(crate) mod pkce;
pub(crate) mod redemption;
pub(crate) mod refresh;
pub(crate) mod request;
pub(crate) mod target;
pub(crate) mod user;
mod user_fic;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::aadsts::Rejection;
use crate::config::{Api, App};
use crate::exchange::{Exchange, no_store};
use crate::form::Form;
use crate::protocol::device;
use crate::protocol::realm::Realm;
use crate::protocol::token::client::find_app;
use crate::protocol::token::form::{check_form, read_form};
use crate::state::recorder::Endpoint;
use crate::tenant_path::TenantPath;
use crate::well_known::{GRAPH_APP_ID, TOKEN_EXCHANGE_APP_ID};

/// Responds to a request to a token endpoint.
pub(crate) fn handle(exchange: &mut Exchange<'_>, tenant: &str, endpoint: Endpoint) -> Response<Vec<u8>> {
    let form = read_form(exchange);
    request::inspect(exchange, &form, endpoint);
    match dispatch(exchange, tenant, &form, endpoint) {
        Ok(response) => response,
        Err(rejection) => {
            let mut response = exchange.error_response(&rejection);
            // Only a client that used the header is informed of the required scheme (RFC 6749,
            // section 5.2).
            if response.status() == StatusCode::UNAUTHORIZED && exchange.basic().is_some() {
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"entra-emulator\""),
                );
            }
            response
        }
    }
}

/// Checks the form, the tenant, the grant type, the client, the target, the credential and the
/// client's permissions, in this order. No document of Entra states the order, so it is an
/// assumption: it decides only which AADSTS code a request with several problems gets.
fn dispatch(
    exchange: &mut Exchange<'_>,
    tenant: &str,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    check_form(exchange, form)?;
    let tenant = TenantPath::read(exchange, tenant)?;
    request::check_kind(form)?;
    match form.value("grant_type") {
        Some("client_credentials") => client_credentials(exchange, tenant, form, endpoint),
        Some("authorization_code") => authorization_code::redeem(exchange, tenant, form, endpoint),
        Some("refresh_token") => refresh::redeem(exchange, tenant, form, endpoint),
        Some(JWT_BEARER) => on_behalf_of::redeem(exchange, tenant, form, endpoint),
        Some("device_code" | DEVICE_CODE) => device::poll(exchange, tenant, form, endpoint),
        Some("user_fic") => user_fic::redeem(exchange, &tenant, form, endpoint),
        Some("password") => Err(password::reject(exchange, tenant, form, endpoint)),
        Some(other) => Err(Rejection::new(70003).with(other)),
        None => Err(Rejection::new(900144).with("grant_type")),
    }
}

fn client_credentials(
    exchange: &mut Exchange<'_>,
    path: TenantPath<'_>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    let tenant = match path {
        TenantPath::One(tenant) => tenant,
        TenantPath::Common | TenantPath::Organizations => return Err(Rejection::new(50059)),
        TenantPath::Consumers => return Err(Rejection::new(9001023)),
    };
    let presented = client_auth::read(exchange, form)?;
    let app = find_app(exchange, &presented.client_id, tenant)?;
    let resource = target::read(form, endpoint)?;
    let requested = request::claims(form)?;
    let realm = Realm::of(tenant);
    let proof = client_auth::verify(exchange, app, &realm, presented)?;
    if proof == client_auth::Proof::Public {
        return Err(Rejection::new(7000218));
    }

    let api = exchange.state.directory.find_api(&resource, &tenant.name)?;
    let agent = agent_path(form, app, api)?;
    let roles = exchange.state.roles(app, api, tenant);
    if api.assignment_required && roles.is_empty() {
        let rejection = Rejection::new(501051).with(&app.client_id).with(&app.name);
        return Err(rejection.with(&api.app_id).with(&api.name));
    }
    let grant = mint::Grant {
        tenant,
        app,
        api,
        resource: &resource,
        roles,
        proof,
        requested,
    };
    let token = match agent {
        Some(agent) => mint::agent_assertion(exchange, &grant, agent),
        None => mint::app_token(exchange, &grant),
    };
    Ok(no_store(match endpoint {
        Endpoint::V1 => exchange.json(StatusCode::OK, &V1Body::new(&token, &resource)),
        Endpoint::V2 => exchange.json(StatusCode::OK, &V2Body::new(&token)),
    }))
}

/// Returns the agent identity for which a blueprint requests a token.
///
/// # Errors
/// Returns AADSTS82001 if a blueprint requests a token of its own for an API other than Microsoft
/// Graph, and errors that are assumptions if the path is empty or the request is not one for the
/// token exchange by a blueprint.
fn agent_path<'f>(form: &'f Form, app: &App, api: &Api) -> Result<Option<&'f str>, Rejection> {
    let is_exchange = api.app_id == TOKEN_EXCHANGE_APP_ID;
    let Some((_, path)) = form.pairs().iter().find(|(name, _)| name == "fmi_path") else {
        if app.blueprint && !is_exchange && api.app_id != GRAPH_APP_ID {
            let rejection = Rejection::new(82001).with(&app.client_id).with(&app.name);
            return Err(rejection.with(&api.app_id));
        }
        return Ok(None);
    };
    if path.trim().is_empty() {
        return Err(Rejection::new(90100));
    }
    let is_path = path.len() <= LONGEST_PATH && path.bytes().all(|byte| byte.is_ascii_graphic());
    match () {
        () if !app.blueprint => Err(Rejection::new(90023)
            .with("fmi_path is only for blueprints of agent identities")
            .with_error("unauthorized_client")),
        () if !is_exchange => Err(Rejection::new(90023).with("with fmi_path, the scope is that of the token exchange")),
        () if !is_path => Err(Rejection::new(90023).with("fmi_path is not the client ID of an agent identity")),
        () => Ok(Some(path)),
    }
}

/// The v1 response. It contains every number as a string of digits, and the resource of the token.
#[derive(Serialize)]
struct V1Body<'a> {
    token_type: &'static str,
    expires_in: String,
    ext_expires_in: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<String>,
    expires_on: String,
    not_before: String,
    resource: &'a str,
    access_token: &'a str,
}

impl<'a> V1Body<'a> {
    fn new(token: &'a mint::Token, resource: &'a str) -> Self {
        Self {
            token_type: "Bearer",
            expires_in: token.expires_in.to_string(),
            ext_expires_in: token.expires_in.to_string(),
            refresh_in: token.refresh_in.map(|seconds| seconds.to_string()),
            expires_on: token.expires_on.to_string(),
            not_before: token.not_before.to_string(),
            resource,
            access_token: &token.text,
        }
    }
}

/// The v2 response. It has exactly these members for client credentials, without `refresh_in`
/// unless it is configured.
#[derive(Serialize)]
struct V2Body<'a> {
    token_type: &'static str,
    expires_in: u64,
    ext_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
    access_token: &'a str,
}

impl<'a> V2Body<'a> {
    fn new(token: &'a mint::Token) -> Self {
        Self {
            token_type: "Bearer",
            expires_in: token.expires_in,
            ext_expires_in: token.expires_in,
            refresh_in: token.refresh_in,
            access_token: &token.text,
        }
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest `fmi_path`, in bytes.
const LONGEST_PATH: usize = 256;
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
