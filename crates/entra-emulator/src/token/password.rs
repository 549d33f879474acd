//! The password grant (RFC 6749, section 4.3), which is always refused: there are no passwords here.

use crate::aadsts::Refusal;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::token::{Audience, identify};

/// Refuses a password as the service refuses a wrong one.
pub(crate) fn refuse<'a>(exchange: &mut Exchange<'a>, audience: Audience<'a>, form: &Form) -> Refusal {
    let client = match identify(exchange, form, &audience, None) {
        Ok(client) => client,
        Err(refusal) => return refusal,
    };
    let Some(name) = form.value("username") else {
        return Refusal::new(900144).with("username");
    };
    if form.value("password").is_none() {
        return Refusal::new(900144).with("password");
    }
    let tenants = exchange.core.directory.tenants.iter();
    let is_known = tenants
        .filter(|tenant| matches!(audience, Audience::Many) || tenant.id == client.tenant.id)
        .flat_map(|tenant| tenant.users.iter().flatten())
        .any(|user| user.user_principal_name.eq_ignore_ascii_case(name));
    if is_known {
        Refusal::new(50126)
    } else {
        Refusal::new(50034).with(name).with(&client.tenant.name)
    }
}
