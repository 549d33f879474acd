//! Validation of hosts.

use std::net::Ipv6Addr;

/// Returns true for a host with an optional port, which is safe in a URL and in tokens: no user, no
/// path, nothing to escape.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            && name.split('.').next().is_some_and(|label| !label.is_empty())
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    text.len() <= 255 && is_host && port.is_none_or(is_port)
}

/// Splits an authority into its host and its port.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}
