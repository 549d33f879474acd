//! The tenant in the path of a request.

use crate::aadsts::Rejection;
use crate::config::Tenant;
use crate::exchange::Exchange;
use crate::seed::is_guid;
use crate::well_known::SHARED;

/// The accounts that the first segment of a path stands for.
pub(crate) enum TenantPath<'a> {
    One(&'a Tenant),
    /// Accounts of all kinds.
    Common,
    /// Accounts of any organization.
    Organizations,
    /// Personal accounts, of which the emulator has none.
    Consumers,
}

impl<'a> TenantPath<'a> {
    pub(crate) fn read(exchange: &Exchange<'a>, name: &str) -> Result<Self, Rejection> {
        match name {
            "common" => return Ok(Self::Common),
            "organizations" => return Ok(Self::Organizations),
            "consumers" => return Ok(Self::Consumers),
            _ => {}
        }
        find_tenant(exchange, name).map(Self::One)
    }
}

/// Returns the tenant with this GUID or domain.
pub(crate) fn find_tenant<'a>(exchange: &Exchange<'a>, name: &str) -> Result<&'a Tenant, Rejection> {
    if !is_guid(name) && !is_domain(name) {
        return Err(Rejection::new(900023).with(name));
    }
    exchange
        .state
        .directory
        .tenant(name)
        .ok_or_else(|| Rejection::new(90002).with(name))
}

/// Returns the tenant that a document is about, or `None` for a path that stands for several
/// tenants.
///
/// # Errors
/// Returns AADSTS90002 with the error code `invalid_tenant` for any other name, as the metadata
/// endpoint does. For the keys and the user realm, this is assumed. Endpoints that take a form
/// respond with `invalid_request` instead, and with AADSTS900023 if the name is malformed.
pub(crate) fn of_document<'a>(exchange: &Exchange<'a>, name: &str) -> Result<Option<&'a Tenant>, Rejection> {
    if SHARED.contains(&name) {
        return Ok(None);
    }
    let tenant = exchange.state.directory.tenant(name);
    tenant
        .map(Some)
        .ok_or_else(|| Rejection::new(90002).with(name).with_error("invalid_tenant"))
}

fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
