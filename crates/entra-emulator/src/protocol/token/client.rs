//! Who sends a request: the application, in which tenant.

use crate::aadsts::Refusal;
use crate::config::{App, Tenant};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::realm::Realm;
use crate::protocol::token::client_auth;
use crate::tenant_path::TenantPath;

/// A client that a grant with a user was asked by, and where.
pub(crate) struct Client<'a> {
    pub(crate) app: &'a App,
    pub(crate) tenant: &'a Tenant,
    pub(crate) proof: client_auth::Proof,
}

/// Finds and verifies the client of a grant with a user. Where the path names no tenant, the grant does (`place`), and the
/// app's home stands in where neither does. `find` is [`find_app`], or [`find_enterable`] for an app that may become known
/// in the tenant by what is going on.
pub(crate) fn identify<'a>(
    exchange: &mut Exchange<'a>,
    form: &Form,
    path: &TenantPath<'a>,
    place: Option<&str>,
    find: fn(&Exchange<'a>, &str, &'a Tenant) -> Result<&'a App, Refusal>,
) -> Result<Client<'a>, Refusal> {
    let directory = &exchange.core.directory;
    let presented = client_auth::read(exchange, form)?;
    let (tenant, is_shared) = match path {
        TenantPath::One(tenant) => (Some(*tenant), false),
        TenantPath::Common | TenantPath::Organizations => {
            let app = find_shared(exchange, &presented.client_id)?;
            let named = place.and_then(|place| directory.tenant(place));
            (named.or_else(|| directory.place_of(app)), true)
        }
        TenantPath::Consumers => return Err(Refusal::new(9001023)),
    };
    let tenant = tenant.ok_or_else(|| Refusal::new(50059))?;
    let app = find(exchange, &presented.client_id, tenant)?;
    let realm = Realm { tenant, is_shared };
    let proof = client_auth::verify(exchange, app, &realm, presented)?;
    Ok(Client { app, tenant, proof })
}

/// The tenant that a request with a user to come names in its path, if it names one, and its app.
///
/// # Errors
/// 90130 for `consumers`, 900144 without a client id, and what is wrong with tenant or app.
pub(crate) fn find_client<'a>(
    exchange: &Exchange<'a>,
    form: &Form,
    tenant: &str,
) -> Result<(Option<&'a Tenant>, &'a App), Refusal> {
    let path = TenantPath::read(exchange, tenant)?;
    let client_id = || {
        form.value("client_id")
            .ok_or_else(|| Refusal::new(900144).with("client_id"))
    };
    match path {
        TenantPath::One(tenant) => Ok((Some(tenant), find_enterable(exchange, client_id()?, tenant)?)),
        TenantPath::Common | TenantPath::Organizations => Ok((None, find_shared(exchange, client_id()?)?)),
        TenantPath::Consumers => Err(Refusal::new(90130)),
    }
}

pub(crate) fn find_app<'a>(exchange: &Exchange<'a>, client_id: &str, tenant: &'a Tenant) -> Result<&'a App, Refusal> {
    let app = find_enterable(exchange, client_id, tenant)?;
    if !exchange.core.is_present(app, tenant) {
        return Err(if app.unprovisioned {
            Refusal::new(7000229).with(&app.client_id).with(&tenant.id)
        } else {
            Refusal::new(700016).with(client_id).with(&tenant.name)
        });
    }
    Ok(app)
}

/// An app that is known in a tenant, or may become so when somebody there consents to it.
pub(crate) fn find_enterable<'a>(
    exchange: &Exchange<'a>,
    client_id: &str,
    tenant: &'a Tenant,
) -> Result<&'a App, Refusal> {
    let directory = &exchange.core.directory;
    find_enabled(exchange, client_id, &tenant.name, |app| {
        directory.may_enter(app, tenant)
    })
}

/// An app at a path that stands for several tenants, where one that is for its home alone has no business.
fn find_shared<'a>(exchange: &Exchange<'a>, client_id: &str) -> Result<&'a App, Refusal> {
    let place = exchange.event.tenant.as_deref().unwrap_or_default();
    let app = find_enabled(exchange, client_id, place, |_| true)?;
    if app.home_tenant.is_some() && !app.multi_tenant {
        return Err(Refusal::new(50194));
    }
    Ok(app)
}

fn find_enabled<'a>(
    exchange: &Exchange<'a>,
    client_id: &str,
    place: &str,
    is_for: impl Fn(&App) -> bool,
) -> Result<&'a App, Refusal> {
    if client_id == ZERO {
        return Err(Refusal::new(700038).with(client_id));
    }
    let app = exchange.core.directory.app(client_id).filter(|app| is_for(app));
    let app = app.ok_or_else(|| Refusal::new(700016).with(client_id).with(place))?;
    if app.disabled {
        return Err(Refusal::new(7000112).with(&app.client_id).with(&app.name));
    }
    Ok(app)
}

const ZERO: &str = "00000000-0000-0000-0000-000000000000";
