//! The client of a request: the application and its tenant.

use crate::aadsts::Rejection;
use crate::config::{App, Tenant};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::realm::Realm;
use crate::protocol::token::client_auth;
use crate::tenant_path::TenantPath;

/// The authenticated client of a grant with a user, and the tenant of the request.
pub(crate) struct Client<'a> {
    pub(crate) app: &'a App,
    pub(crate) tenant: &'a Tenant,
    pub(crate) proof: client_auth::Proof,
}

/// Identifies and verifies the client of a grant with a user. If the path names no tenant, the
/// tenant is that of the grant (`grant_tenant`) or, without one, the app's default tenant. `find`
/// is [`find_app`], or [`find_enterable`] for an app that the current sign-in may add to the
/// tenant.
pub(crate) fn identify<'a>(
    exchange: &mut Exchange<'a>,
    form: &Form,
    path: &TenantPath<'a>,
    grant_tenant: Option<&str>,
    find: fn(&Exchange<'a>, &str, &'a Tenant) -> Result<&'a App, Rejection>,
) -> Result<Client<'a>, Rejection> {
    let directory = &exchange.state.directory;
    let presented = client_auth::read(exchange, form)?;
    let (tenant, is_shared) = match path {
        TenantPath::One(tenant) => (Some(*tenant), false),
        TenantPath::Common | TenantPath::Organizations => {
            let app = find_shared(exchange, &presented.client_id)?;
            let named = grant_tenant.and_then(|name| directory.tenant(name));
            (named.or_else(|| directory.default_tenant(app)), true)
        }
        TenantPath::Consumers => return Err(Rejection::new(9001023)),
    };
    let tenant = tenant.ok_or_else(|| Rejection::new(50059))?;
    let app = find(exchange, &presented.client_id, tenant)?;
    let realm = Realm { tenant, is_shared };
    let proof = client_auth::verify(exchange, app, &realm, presented)?;
    Ok(Client { app, tenant, proof })
}

/// Returns the app of a request that starts a sign-in, and the tenant if the path names one.
///
/// # Errors
/// Returns AADSTS90130 for `consumers`, 900144 without a client ID, and the error of an invalid
/// tenant or app.
pub(crate) fn find_client<'a>(
    exchange: &Exchange<'a>,
    form: &Form,
    tenant: &str,
) -> Result<(Option<&'a Tenant>, &'a App), Rejection> {
    let path = TenantPath::read(exchange, tenant)?;
    let client_id = || {
        form.value("client_id")
            .ok_or_else(|| Rejection::new(900144).with("client_id"))
    };
    match path {
        TenantPath::One(tenant) => Ok((Some(tenant), find_enterable(exchange, client_id()?, tenant)?)),
        TenantPath::Common | TenantPath::Organizations => Ok((None, find_shared(exchange, client_id()?)?)),
        TenantPath::Consumers => Err(Rejection::new(90130)),
    }
}

/// Checks that an app may take part in a flow with a user at a browser or a device, or with a
/// password. Agent identities and their blueprints may not; the error for it is an assumption.
///
/// # Errors
/// Returns AADSTS90023 with the error code `unauthorized_client` for them.
pub(crate) fn check_interactive(app: &App) -> Result<(), Rejection> {
    match app.blueprint || app.agent_of.is_some() {
        false => Ok(()),
        true => Err(Rejection::new(90023)
            .with("agent identities and their blueprints support no flow in which a user signs in")
            .with_error("unauthorized_client")),
    }
}

/// Returns an app that is present in a tenant.
pub(crate) fn find_app<'a>(exchange: &Exchange<'a>, client_id: &str, tenant: &'a Tenant) -> Result<&'a App, Rejection> {
    let app = find_enterable(exchange, client_id, tenant)?;
    if !exchange.state.is_present(app, tenant) {
        return Err(if app.unprovisioned {
            Rejection::new(7000229).with(&app.client_id).with(&tenant.id)
        } else {
            Rejection::new(700016).with(client_id).with(&tenant.name)
        });
    }
    Ok(app)
}

/// Returns an app that is present in a tenant, or can become present when a user there consents to
/// it.
pub(crate) fn find_enterable<'a>(
    exchange: &Exchange<'a>,
    client_id: &str,
    tenant: &'a Tenant,
) -> Result<&'a App, Rejection> {
    let directory = &exchange.state.directory;
    find_enabled(exchange, client_id, &tenant.name, |app| {
        directory.may_enter(app, tenant)
    })
}

/// Returns an app for a path that represents several tenants. Single-tenant apps with a home tenant
/// are rejected.
fn find_shared<'a>(exchange: &Exchange<'a>, client_id: &str) -> Result<&'a App, Rejection> {
    let place = exchange.event.tenant.as_deref().unwrap_or_default();
    let app = find_enabled(exchange, client_id, place, |_| true)?;
    if app.home_tenant.is_some() && !app.multi_tenant {
        return Err(Rejection::new(50194));
    }
    Ok(app)
}

fn find_enabled<'a>(
    exchange: &Exchange<'a>,
    client_id: &str,
    place: &str,
    is_for: impl Fn(&App) -> bool,
) -> Result<&'a App, Rejection> {
    if client_id == ZERO {
        return Err(Rejection::new(700038).with(client_id));
    }
    let app = exchange.state.directory.app(client_id).filter(|app| is_for(app));
    let app = app.ok_or_else(|| Rejection::new(700016).with(client_id).with(place))?;
    if app.disabled {
        return Err(Rejection::new(7000112).with(&app.client_id).with(&app.name));
    }
    Ok(app)
}

const ZERO: &str = "00000000-0000-0000-0000-000000000000";
