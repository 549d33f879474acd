//! Tokens of Cloud Shell, which belong to the signed-in user.

use http::{Method, Response, StatusCode};
use serde_json::json;

use crate::exchange::{Exchange, no_store};
use crate::managed_identity::request::{self, Parameters};
use crate::protocol::token::client_auth::Proof;
use crate::protocol::token::form::read_form;
use crate::protocol::token::request::RequestedClaims;
use crate::protocol::token::{mint, user};
use crate::state::recorder::Endpoint;
use crate::state::session::Session;
use crate::time::unix;

/// Responds to a request for a token.
pub(super) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let form = read_form(exchange);
    request::inspect(exchange, &form, &PARAMETERS);
    if exchange.method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return refuse(exchange, status, "MethodNotAllowed", "the method is not POST");
    }
    if !request::has_metadata(exchange) {
        let message = "the header 'Metadata: true' is missing";
        return refuse(exchange, StatusCode::BAD_REQUEST, "BadRequest", message);
    }
    let named = form.pairs().iter().chain(exchange.query.pairs());
    if named
        .into_iter()
        .any(|(name, _)| IDENTITY_NAMES.contains(&name.as_str()))
    {
        let message = "Cloud Shell has no managed identities: its tokens belong to the user";
        return refuse(exchange, StatusCode::BAD_REQUEST, "BadRequest", message);
    }
    let Some(resource) = form.value("resource") else {
        let message = "the parameter 'resource' is missing";
        return refuse(exchange, StatusCode::BAD_REQUEST, "InvalidRequest", message);
    };
    let state = exchange.state;
    let directory = &state.directory;
    // Only Microsoft's own APIs are on the list of Cloud Shell.
    let known = directory.apis.get(..directory.own_api).unwrap_or_default();
    let api = directory
        .api(resource)
        .filter(|api| !api.scopes.is_empty() && known.iter().any(|known| known.app_id == api.app_id));
    let (Some(api), Some((tenant, signed_in))) = (api, directory.machine.shell_user(&directory.tenants)) else {
        let message = "the audience is not a supported MSI token audience";
        return refuse(exchange, StatusCode::BAD_REQUEST, "AudienceNotSupported", message);
    };
    let app = &directory.machine.portal;
    exchange.event.client_id = Some(app.client_id.clone());
    exchange.event.tenant = Some(tenant.id.clone());
    let grant = user::Grant {
        endpoint: Endpoint::V1,
        tenant,
        user: signed_in,
        app,
        proof: Proof::Public,
        session: &Session::plain(app, tenant, signed_in, unix(exchange.now)),
        requested: &RequestedClaims::default(),
        client_info: false,
        first_resource: false,
    };
    let token = mint::user_token(exchange, &grant, api, resource, &api.scopes);
    let body = json!({
        "access_token": token.text,
        // No endpoint accepts it: a client must drop it.
        "refresh_token": state.ids().opaque(64),
        "expires_in": token.expires_in.to_string(),
        "expires_on": token.expires_on.to_string(),
        "not_before": token.not_before.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    });
    no_store(exchange.json(StatusCode::OK, &body))
}

fn refuse(exchange: &Exchange<'_>, status: StatusCode, code: &str, message: &str) -> Response<Vec<u8>> {
    exchange.json(status, &json!({"error": {"code": code, "message": message}}))
}

const PARAMETERS: Parameters = Parameters {
    metadata: true,
    identity: &[],
    others: &["resource"],
};

/// The parameters by which other sources name an identity.
const IDENTITY_NAMES: &[&str] = &[
    "client_id",
    "clientid",
    "mi_res_id",
    "msi_res_id",
    "object_id",
    "principalId",
    "principal_id",
];
