//! The UserInfo endpoints (OpenID Connect Core 1.0, section 5.3) that the metadata names: that of
//! Graph, and that of v1.

use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::api::graph::bearer::{self, Caller};
use crate::api::graph::denial::Denial;
use crate::api::graph::users;
use crate::config::User;
use crate::exchange::{Exchange, shown};
use crate::state::session::subject;
use crate::tenant_path::of_document;

/// Responds to `/oidc/userinfo`, which requires a user's token for Graph with the scope `openid`.
pub(crate) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let result = caller(exchange).and_then(|caller| {
        caller.needs_scope("openid")?;
        let user = user(&caller)?;
        let has = |scope| caller.needs_scope(scope).is_ok();
        Ok(claims(exchange, &caller, user, has("profile"), has("email")))
    });
    finish(exchange, result)
}

/// Responds to `/{tenant}/openid/userinfo`.
///
/// Every v1 sign-in is an OpenID Connect sign-in, so no scope is required. That it takes tokens for
/// Graph is assumed: the service's own tokens for it are opaque.
pub(crate) fn handle_v1(exchange: &mut Exchange<'_>, tenant: &str) -> Response<Vec<u8>> {
    let tenant = match of_document(exchange, tenant) {
        Ok(tenant) => tenant,
        Err(rejection) => return exchange.error_response(&rejection),
    };
    let result = caller(exchange).and_then(|caller| {
        if tenant.is_some_and(|tenant| tenant.id != caller.tenant.id) {
            return Err(Denial::token("Access token validation failure. Invalid issuer."));
        }
        let user = user(&caller)?;
        Ok(claims(exchange, &caller, user, true, true))
    });
    finish(exchange, result)
}

/// Returns the caller of a request, if its method is one of the two that OpenID Connect allows.
fn caller<'a>(exchange: &mut Exchange<'a>) -> Result<Caller<'a>, Denial> {
    // Verified first, so that the record of every request names its caller.
    let caller = bearer::caller(exchange);
    if ![Method::GET, Method::POST].contains(&exchange.method) {
        return Err(Denial::not_emulated(format_args!(
            "{} requests to UserInfo, only GET and POST",
            shown(exchange.method.as_str())
        )));
    }
    caller
}

/// Returns the user of the token. The permissions of UserInfo are delegated, so an application has
/// none.
fn user<'a>(caller: &Caller<'a>) -> Result<&'a User, Denial> {
    users::myself(caller).map_err(|_| Denial::privileges())
}

fn claims(exchange: &Exchange<'_>, caller: &Caller<'_>, user: &User, profile: bool, email: bool) -> Value {
    let mut claims = Map::new();
    let mut put = |name: &str, value: &str| claims.insert(name.to_owned(), json!(value));
    // The subject of ID tokens, which differs between applications.
    put("sub", &subject(exchange.state.seed, &caller.client_id, user));
    if profile {
        let (given, family) = user.names();
        put("name", &user.display_name);
        put("family_name", family);
        put("given_name", given);
        put("picture", &format!("{}/v1.0/me/photo/$value", exchange.graph_origin()));
    }
    if email {
        put("email", user.address());
    }
    Value::Object(claims)
}

fn finish(exchange: &Exchange<'_>, result: Result<Value, Denial>) -> Response<Vec<u8>> {
    match result {
        Ok(claims) => exchange.json(StatusCode::OK, &claims),
        Err(denial) => denial.into_response(exchange),
    }
}
