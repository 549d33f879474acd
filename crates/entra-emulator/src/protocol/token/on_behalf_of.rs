//! The on-behalf-of grant: an API exchanges the token in its request for a token of another API, on
//! behalf of the same user (RFC 7523, section 2.1, with `requested_token_use`).

use http::Response;

use crate::aadsts::Rejection;
use crate::bearer::{Flaw, Token};
use crate::config::App;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::token::client::{find_app, identify};
use crate::protocol::token::request;
use crate::protocol::token::target::whole_target;
use crate::protocol::token::user;
use crate::state::recorder::Endpoint;
use crate::state::session::Session;
use crate::tenant_path::TenantPath;
use crate::time::unix;

/// Exchanges an assertion for a token.
pub(crate) fn redeem<'a>(
    exchange: &mut Exchange<'a>,
    path: TenantPath<'a>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    let assertion = form.value("assertion").map(|text| Token::verify(exchange, text));
    let place = match &assertion {
        Some(Ok(token)) => Some(token.tenant.id.as_str()),
        _ => None,
    };
    let client = identify(exchange, form, &path, place, find_app)?;
    let app = client.app;
    // A public client has no API that could have been called.
    if app.public_client {
        return Err(Rejection::new(7000218));
    }
    if app.blueprint {
        return Err(Rejection::new(82002).with(&app.client_id).with(&app.name));
    }
    match form.value("requested_token_use") {
        Some("on_behalf_of") => {}
        Some(_) => return Err(Rejection::new(90023).with("requested_token_use is not on_behalf_of")),
        None => return Err(Rejection::new(900144).with("requested_token_use")),
    }
    let token = assertion
        .ok_or_else(|| Rejection::new(900144).with("assertion"))?
        .map_err(|flaw| rejection(flaw, app))?;
    let tenant = token.tenant;
    if tenant.id != client.tenant.id {
        return Err(Rejection::new(50013).with("The token was issued in another tenant."));
    }
    let caller = token
        .accept(exchange.state, own_api(app))
        .map_err(|flaw| rejection(flaw, app))?;
    let user = caller
        .claims
        .user()
        .ok_or_else(|| Rejection::new(7000114).with(&app.client_id))?;
    let directory = &exchange.state.directory;
    let (_, user) = directory
        .user(&tenant.id, user)
        .ok_or_else(|| Rejection::new(50034).with(user).with(&tenant.name))?;
    let target = whole_target(exchange, form, app, endpoint)?;
    let grant = user::Grant {
        endpoint,
        tenant,
        user,
        app,
        proof: client.proof,
        session: &Session::plain(app, tenant, user, unix(exchange.now)),
        requested: &request::claims(form)?,
        client_info: form.value("client_info").is_some(),
        first_resource: false,
    };
    user::respond(exchange, &grant, &target)
}

/// Returns the ID of the API that was called: that of the app. An agent identity has none, and
/// users call its blueprint.
fn own_api(app: &App) -> &str {
    app.agent_of.as_deref().unwrap_or(&app.client_id)
}

/// Returns the error for a flaw of the token with which an app was called.
fn rejection(flaw: Flaw, app: &App) -> Rejection {
    match flaw {
        Flaw::Expired | Flaw::NotYet => Rejection::new(500133),
        Flaw::Signature => Rejection::new(50013).with("The key was not found, or the signature does not fit."),
        Flaw::Issuer => Rejection::new(50013).with("The issuer is not this service."),
        Flaw::Missing | Flaw::Malformed => Rejection::new(50013).with("The assertion is not an access token."),
        Flaw::Audience(named) => Rejection::new(500131).with(&named).with(own_api(app)),
        Flaw::Revoked { .. } => Rejection::new(50173),
    }
}
