//! The audiences that a client assertion may name.

use crate::clouds::is_public_cloud;
use crate::config::{Tenant, TokenVersion};
use crate::exchange::Exchange;
use crate::state::directory::ciam_subdomain;

/// The realm to which a client presents its assertion.
pub(crate) struct Realm<'a> {
    /// The tenant, named by the path or by the grant.
    pub(crate) tenant: &'a Tenant,
    /// True if the path names no tenant. `common` and `organizations` are then valid as well.
    pub(crate) is_shared: bool,
}

impl<'a> Realm<'a> {
    pub(crate) fn of(tenant: &'a Tenant) -> Self {
        Self {
            tenant,
            is_shared: false,
        }
    }
}

/// Returns whether an audience names this service and this tenant: the token URL of either version
/// or the v2 issuer, under any name of the service, or an issuer as in tokens. A token URL may end
/// with a slash and the API version, as in go-autorest's requests and signatures.
///
/// The Entra documents have named all of these forms over the years. Another tenant, another cloud,
/// `common`, and a URL with any other suffix are rejected.
pub(crate) fn is_named_by(audience: &str, realm: &Realm<'_>, exchange: &Exchange<'_>) -> bool {
    let tenant = realm.tenant;
    if [TokenVersion::V1, TokenVersion::V2]
        .map(|version| exchange.issuer(tenant, version))
        .iter()
        .any(|it| it == audience)
    {
        return true;
    }
    let Some((scheme, rest)) = audience.split_once("://") else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, has_version) = match path.split_once('?') {
        Some((path, query)) if is_api_version(query) => (path, true),
        _ => (path, false),
    };
    let is_tenant = |name: &str| {
        let directory = &exchange.state.directory;
        (realm.is_shared && ["common", "organizations"].contains(&name))
            || directory.tenant(name).is_some_and(|named| named.id == tenant.id)
    };
    let is_own_host = ciam_subdomain(authority).is_some() && is_tenant(authority);
    let is_own_origin = is_own_host && scheme.eq_ignore_ascii_case("https");
    if !is_own_origin && !is_service(scheme, authority, exchange) {
        return false;
    }
    let segments: Vec<&str> = path.split('/').collect();
    let mut rest = segments.as_slice();
    let mut is_named = is_own_host;
    // On a loopback authority, the path may start with the external host name, with or without the
    // tenant after it.
    if let [first, after @ ..] = rest
        && !is_own_host
        && ciam_subdomain(first).is_some()
        && is_tenant(first)
    {
        (is_named, rest) = (true, after);
    }
    if let [first, after @ ..] = rest
        && ciam_subdomain(first).is_none()
        && is_tenant(first)
    {
        (is_named, rest) = (true, after);
    }
    let is_sts = authority.eq_ignore_ascii_case(STS);
    is_named
        && match rest {
            ["oauth2", "token"] | ["oauth2", "v2.0", "token"] => true,
            ["oauth2", "token", ""] | ["oauth2", "v2.0", "token", ""] => true,
            ["v2.0"] => !has_version,
            [""] => is_sts && !has_version,
            _ => false,
        }
}

/// Returns whether a query is like `api-version=1.0`.
fn is_api_version(query: &str) -> bool {
    query.strip_prefix("api-version=").is_some_and(|version| {
        !version.is_empty()
            && version
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    })
}

/// Returns whether a host is the emulator as the client reaches it, by either listener, or Entra's
/// public cloud.
fn is_service(scheme: &str, authority: &str, exchange: &Exchange<'_>) -> bool {
    let state = exchange.state;
    let origin = format!("{scheme}://{authority}");
    let is_asked = !exchange.event.host.is_empty() && authority.eq_ignore_ascii_case(&exchange.event.host);
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let listeners = [Some(&state.base_url), state.tls_url.as_ref()];
    (is_asked && is_web)
        || listeners.into_iter().flatten().any(|url| is_same_machine(&origin, url))
        || (scheme.eq_ignore_ascii_case("https") && (is_public_cloud(authority) || is_regional(authority)))
}

/// Returns whether two origins are the same or differ only in the name of the loopback interface.
fn is_same_machine(origin: &str, other: &str) -> bool {
    let loopback = |origin: &str| {
        let origin = origin.to_ascii_lowercase();
        let (scheme, authority) = origin.split_once("://")?;
        let port = LOOPBACK.iter().find_map(|host| authority.strip_prefix(host))?;
        Some(format!("{scheme}://{port}"))
    };
    origin.eq_ignore_ascii_case(other) || loopback(origin).is_some_and(|own| loopback(other) == Some(own))
}

/// Returns whether an authority is a regional one, such as `westeurope.login.microsoft.com`.
fn is_regional(authority: &str) -> bool {
    let region = authority.to_ascii_lowercase();
    region.strip_suffix(REGIONAL).is_some_and(|region| {
        !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];
const STS: &str = "sts.windows.net";
const REGIONAL: &str = ".login.microsoft.com";
