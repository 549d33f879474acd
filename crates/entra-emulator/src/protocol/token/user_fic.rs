//! The grant of an agent's user account: an agent identity exchanges its own token for a token of
//! the user that only it can be.

use http::Response;

use crate::aadsts::Rejection;
use crate::bearer::{Flaw, Token};
use crate::config::{App, Tenant, User};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::realm::Realm;
use crate::protocol::token::client::find_app;
use crate::protocol::token::target::whole_target;
use crate::protocol::token::{client_auth, request, user};
use crate::seed::is_guid;
use crate::state::recorder::Endpoint;
use crate::state::session::Session;
use crate::tenant_path::TenantPath;
use crate::time::unix;
use crate::well_known::TOKEN_EXCHANGE_APP_ID;

/// Exchanges the token of an agent for a token of its user. Most errors are assumptions: Entra's
/// documents do not list them.
pub(crate) fn redeem(
    exchange: &mut Exchange<'_>,
    path: &TenantPath<'_>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    let tenant = match path {
        TenantPath::One(tenant) => *tenant,
        TenantPath::Common | TenantPath::Organizations => return Err(Rejection::new(50059)),
        TenantPath::Consumers => return Err(Rejection::new(9001023)),
    };
    let presented = client_auth::read(exchange, form)?;
    let app = find_app(exchange, &presented.client_id, tenant)?;
    if app.agent_of.is_none() {
        return Err(Rejection::new(90023)
            .with("the grant user_fic is only for agent identities")
            .with_error("unauthorized_client"));
    }
    let proof = client_auth::verify(exchange, app, &Realm::of(tenant), presented)?;
    if form
        .value("requested_token_use")
        .is_some_and(|wanted| wanted != "on_behalf_of")
    {
        return Err(Rejection::new(90023).with("requested_token_use is not on_behalf_of"));
    }
    check_token(exchange, form, app, tenant)?;
    let user = find_user(form, app, tenant)?;
    let target = whole_target(exchange, form, app, endpoint)?;
    let grant = user::Grant {
        endpoint,
        tenant,
        user,
        app,
        proof,
        session: &Session::plain(app, tenant, user, unix(exchange.now)),
        requested: &request::claims(form)?,
        client_info: form.value("client_info").is_some(),
        first_resource: false,
    };
    user::respond(exchange, &grant, &target)
}

/// Checks that the request has a token of this agent, for the token exchange.
fn check_token(exchange: &Exchange<'_>, form: &Form, app: &App, tenant: &Tenant) -> Result<(), Rejection> {
    let text = form
        .value(CREDENTIAL)
        .ok_or_else(|| Rejection::new(900144).with(CREDENTIAL))?;
    let failed = |reason: &str| Rejection::new(50013).with(reason);
    let of_flaw = |flaw: Flaw| match flaw {
        Flaw::Expired | Flaw::NotYet => Rejection::new(500133),
        Flaw::Audience(named) => Rejection::new(500131).with(&named).with(TOKEN_EXCHANGE_APP_ID),
        Flaw::Revoked { .. } => Rejection::new(50173),
        Flaw::Signature => failed("The key was not found, or the signature does not fit."),
        Flaw::Issuer => failed("The issuer is not this service."),
        Flaw::Missing | Flaw::Malformed => failed("The assertion is not an access token."),
    };
    let token = Token::verify(exchange, text).map_err(of_flaw)?;
    if token.tenant.id != tenant.id {
        return Err(failed("The token was issued in another tenant."));
    }
    let caller = token.accept(exchange.state, TOKEN_EXCHANGE_APP_ID).map_err(of_flaw)?;
    if caller.claims.user().is_some() {
        return Err(Rejection::new(700229));
    }
    match caller.claims.client_id() == app.client_id {
        true => Ok(()),
        false => Err(failed("The token was issued to another application.")),
    }
}

/// Returns the user that the request names, if only this agent can be it.
fn find_user<'a>(form: &Form, app: &App, tenant: &'a Tenant) -> Result<&'a User, Rejection> {
    let (name, id) = (form.value("username"), form.value("user_id"));
    let asked = match (name, id) {
        (Some(_), Some(_)) => return Err(Rejection::new(90023).with("both username and user_id are sent")),
        (Some(name), None) => name,
        // The service was seen to fail on a sign-in name here.
        (None, Some(id)) if !is_guid(id) => return Err(Rejection::new(50000)),
        (None, Some(id)) => id,
        (None, None) => return Err(Rejection::new(900144).with("username")),
    };
    let is_asked = |user: &&User| match id {
        Some(id) => user.id.eq_ignore_ascii_case(id),
        None => user.user_principal_name.eq_ignore_ascii_case(asked),
    };
    let user = tenant.users.iter().flatten().find(is_asked);
    let user = user.ok_or_else(|| Rejection::new(50034).with(asked).with(&tenant.name))?;
    if user.agent.as_ref() != Some(&app.client_id) {
        return Err(Rejection::new(700213).with(&app.client_id));
    }
    if !user.is_enabled() {
        return Err(Rejection::new(50057));
    }
    Ok(user)
}

const CREDENTIAL: &str = "user_federated_identity_credential";
