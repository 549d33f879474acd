//! The tenant that the path of a request names.

use crate::aadsts::Rejection;
use crate::config::Tenant;
use crate::exchange::Exchange;
use crate::seed::is_guid;
use crate::well_known::SHARED;

/// Whom the first segment of a path stands for.
pub(crate) enum TenantPath<'a> {
    One(&'a Tenant),
    /// Everybody.
    Common,
    /// Everybody with an account of an organization.
    Organizations,
    /// Everybody with an account of their own, of whom there are none here.
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

/// The tenant of that GUID or domain.
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

/// The tenant that a document is about, or none at a path that stands for several.
///
/// # Errors
/// 90002 for every other name, with a word of its own: that is what the metadata answers. For the keys and the user realm
/// it is assumed. The endpoints that take a form say `invalid_request`, and 900023 where a name can be none of a tenant.
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
