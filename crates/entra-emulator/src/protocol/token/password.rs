//! The password grant (RFC 6749, section 4.3). It is always rejected, because the emulator has no
//! passwords.

use crate::aadsts::Rejection;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::token::client::{check_interactive, find_app, identify};
use crate::protocol::token::target::whole_target;
use crate::state::recorder::Endpoint;
use crate::tenant_path::TenantPath;

/// Returns the error for a password request: the first other error, or the service's error for a
/// wrong password.
pub(crate) fn reject<'a>(
    exchange: &mut Exchange<'a>,
    path: TenantPath<'a>,
    form: &Form,
    endpoint: Endpoint,
) -> Rejection {
    if matches!(path, TenantPath::Common) {
        return Rejection::new(9001023);
    }
    let client = match identify(exchange, form, &path, None, find_app) {
        Ok(client) => client,
        Err(rejection) => return rejection,
    };
    if let Err(rejection) = check_interactive(client.app) {
        return rejection;
    }
    let Some(name) = form.value("username") else {
        return Rejection::new(900144).with("username");
    };
    if form.value("password").is_none() {
        return Rejection::new(900144).with("password");
    }
    if let Err(rejection) = whole_target(exchange, form, client.app, endpoint) {
        return rejection;
    }
    let tenants = exchange.state.directory.tenants.iter();
    let is_known = tenants
        .filter(|tenant| matches!(path, TenantPath::Organizations) || tenant.id == client.tenant.id)
        .flat_map(|tenant| tenant.users.iter().flatten())
        .any(|user| user.user_principal_name.eq_ignore_ascii_case(name));
    if is_known {
        Rejection::new(50126)
    } else {
        Rejection::new(50034).with(name).with(&client.tenant.name)
    }
}
