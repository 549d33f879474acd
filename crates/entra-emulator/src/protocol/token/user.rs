//! Tokens for users: the part that is common to all grants with a user.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::aadsts::Rejection;
use crate::config::{Api, App, Tenant, TokenVersion, User};
use crate::exchange::{Exchange, no_store};
use crate::protocol::token::client_auth::Proof;
use crate::protocol::token::request::RequestedClaims;
use crate::protocol::token::{id_token, mint};
use crate::seed::Generator;
use crate::state::State;
use crate::state::grants::Refresh;
use crate::state::recorder::Endpoint;
use crate::state::scopes::{Scopes, Target};
use crate::state::session::Session;
use crate::time::unix;
use crate::well_known::GRAPH_APP_ID;

/// The facts that determine the response to a grant with a user.
pub(crate) struct Grant<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) tenant: &'a Tenant,
    pub(crate) user: &'a User,
    pub(crate) app: &'a App,
    pub(crate) proof: Proof,
    pub(crate) session: &'a Session,
    pub(crate) requested: &'a RequestedClaims,
    pub(crate) client_info: bool,
    /// True if the scopes may name several resources, as with a refresh token. The first one is
    /// then used.
    pub(crate) first_resource: bool,
}

/// The access that a token will give.
struct Access<'a> {
    api: &'a Api,
    /// The resource as requested.
    resource: String,
    /// The scopes in the token: everything that was consented to.
    scp: Vec<String>,
    /// The scopes in the response.
    scope: String,
}

/// Returns the response: an access token and the other requested tokens.
///
/// # Errors
/// Returns AADSTS65001 if there is no consent, and 500011, 650057, 650053 or 28000 for an invalid
/// target.
pub(crate) fn respond(
    exchange: &Exchange<'_>,
    grant: &Grant<'_>,
    target: &Target,
) -> Result<Response<Vec<u8>>, Rejection> {
    let state = exchange.state;
    let now = unix(exchange.now);
    let access = match target {
        Target::V1 { resource } => of_resource(state, grant, resource.as_deref())?,
        Target::V2(scopes) => of_scopes(state, grant, scopes)?,
    };
    let token = mint::user_token(exchange, grant, access.api, &access.resource, &access.scp);
    let is_v1 = grant.endpoint == Endpoint::V1;
    let has = |scope: &str| match target {
        Target::V1 { .. } => true,
        Target::V2(scopes) => scopes.has(scope),
    };
    let number = |value: u64| if is_v1 { json!(value.to_string()) } else { json!(value) };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("token_type", json!("Bearer"));
    put("scope", json!(access.scope));
    put("expires_in", number(token.expires_in));
    put("ext_expires_in", number(token.expires_in));
    if let Some(seconds) = token.refresh_in {
        put("refresh_in", number(seconds));
    }
    if is_v1 {
        put("expires_on", number(token.expires_on));
        put("not_before", number(token.not_before));
        put("resource", json!(access.resource));
    }
    put("access_token", json!(token.text));
    if has("offline_access") {
        let text = issue_refresh_token(state, now, grant.session, target, &access.resource);
        put("refresh_token", json!(text));
    }
    if has("openid") {
        let text = id_token::mint(exchange, grant.endpoint, grant.session, grant.tenant, grant.user, None);
        put("id_token", json!(text));
    }
    if grant.client_info {
        put("client_info", json!(client_info(grant.tenant, grant.user)));
    }
    Ok(no_store(exchange.json(StatusCode::OK, &body)))
}

/// Issues a refresh token for the target of a new access token.
fn issue_refresh_token(state: &State, now: u64, session: &Session, target: &Target, resource: &str) -> String {
    let target = match target {
        Target::V1 { .. } => Target::V1 {
            resource: Some(resource.to_owned()),
        },
        Target::V2(scopes) => Target::V2(scopes.clone()),
    };
    let refresh = Refresh {
        // A nonce belongs to the authorization request. Later ID tokens omit it (OpenID Connect
        // Core 1.0, section 12.2).
        session: Session {
            nonce: None,
            ..session.clone()
        },
        target,
        expires: now + REFRESH_TOKEN_LIFETIME,
        is_revoked: false,
    };
    state.grants.refresh_tokens().add("1.R", refresh)
}

fn of_resource<'a>(state: &'a State, grant: &Grant<'_>, resource: Option<&str>) -> Result<Access<'a>, Rejection> {
    let resource = resource.ok_or_else(|| Rejection::new(900144).with("resource"))?;
    let api = state.directory.find_api(resource, &grant.tenant.name)?;
    state.check_listed(grant.app, api, grant.tenant, grant.user)?;
    let scp = state.scopes(grant.app, api, grant.tenant, grant.user);
    if scp.is_empty() {
        return Err(Rejection::new(65001).with(&grant.app.client_id));
    }
    Ok(Access {
        api,
        resource: resource.to_owned(),
        scope: scp.join(" "),
        scp,
    })
}

fn of_scopes<'a>(state: &'a State, grant: &Grant<'_>, scopes: &Scopes) -> Result<Access<'a>, Rejection> {
    let app = grant.app;
    let mut found: Option<(&Api, String, Vec<String>)> = None;
    let mut echo = Vec::new();
    for permission in &scopes.permissions {
        let (api, name) = permission.resolve(&state.directory, &app.client_id, &grant.tenant.name)?;
        if found.as_ref().is_some_and(|(first, ..)| first.app_id != api.app_id) {
            if grant.first_resource {
                continue;
            }
            return Err(Rejection::new(28000).with(&permission.text));
        }
        let (_, _, consented) = found.get_or_insert_with(|| {
            let consented = state.scopes(app, api, grant.tenant, grant.user);
            (api, permission.resource.clone(), consented)
        });
        let is_granted = name.map_or(!consented.is_empty(), |name| consented.iter().any(|one| one == name));
        if !is_granted {
            return Err(Rejection::new(65001).with(&app.client_id));
        }
        match name {
            Some(_) => echo.push(permission.text.clone()),
            None if permission.resource == GRAPH_APP_ID => echo.extend(consented.iter().cloned()),
            None => echo.extend(consented.iter().map(|scope| format!("{}/{scope}", permission.resource))),
        }
    }
    echo.extend(scopes.oidc_names().map(str::to_owned));
    let (api, resource, mut scp) = match found {
        Some(found) => found,
        // A sign-in alone also yields an access token: one for Graph, without any of its
        // permissions.
        None => {
            let api = state.directory.api(GRAPH_APP_ID).ok_or_else(|| Rejection::new(28003))?;
            (api, GRAPH_APP_ID.to_owned(), Vec::new())
        }
    };
    // UserInfo, which is a part of Graph, requires these scopes.
    if scp.is_empty() || api.app_id == GRAPH_APP_ID {
        scp.extend(scopes.oidc_names().map(str::to_owned));
    }
    Ok(Access {
        api,
        resource,
        scp,
        scope: echo.join(" "),
    })
}

/// Returns `client_info`, by which a client distinguishes accounts: base64url of `{"uid", "utid"}`.
pub(crate) fn client_info(tenant: &Tenant, user: &User) -> String {
    URL_SAFE_NO_PAD.encode(json!({"uid": user.id, "utid": tenant.id}).to_string())
}

/// Returns the claims about the user in access tokens of a version.
pub(crate) fn about(state: &State, version: TokenVersion, user: &User) -> Map<String, Value> {
    let (given, family) = user.names();
    let name = &user.user_principal_name;
    let claims = match version {
        TokenVersion::V1 => {
            let puid = Generator::named(state.seed, &format!("puid {}", user.id)).next();
            json!({
                "acr": "1", "amr": ["pwd"], "family_name": family, "given_name": given, "ipaddr": "127.0.0.1",
                "name": user.display_name, "oid": user.id, "puid": format!("1003{:012X}", puid >> 16),
                "unique_name": name, "upn": name,
            })
        }
        TokenVersion::V2 => json!({"name": user.display_name, "oid": user.id, "preferred_username": name}),
    };
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// The lifetime of a refresh token: ninety days, in seconds.
const REFRESH_TOKEN_LIFETIME: u64 = 90 * 24 * 3_600;
