//! The host names under which the landing page is shown.

use std::borrow::Cow;
use std::net::IpAddr;

use http::Request;
use http::header::HOST;

use crate::clouds::is_public_cloud;
use crate::host::{is_authority, split_port};
use crate::state::State;
use crate::state::directory::ciam_subdomain;

/// Returns the hosts that a request names, as they were sent.
pub(super) fn named(request: &Request<Vec<u8>>) -> impl Iterator<Item = Cow<'_, str>> {
    let authority = request.uri().authority().map(|authority| authority.as_str().into());
    let hosts = request.headers().get_all(HOST).iter();
    authority
        .into_iter()
        .chain(hosts.map(|host| String::from_utf8_lossy(host.as_bytes())))
}

/// Returns true if another site cannot make this host resolve to this machine.
///
/// A site can make its own name resolve to a loopback address and then read what is served there
/// (DNS rebinding). It cannot do so with an IP address, with `localhost`, with a name without a dot
/// (a container's), or with a name in a domain that public DNS does not have. Under other names,
/// the page is shown if they are configured as names of the emulator. Browsers and resolvers accept
/// more hosts than [`is_authority`] does; those are treated as foreign.
pub(super) fn is_own(state: &State, authority: &str) -> bool {
    if !is_authority(authority) {
        return authority.is_empty();
    }
    let (host, _) = split_port(authority);
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let host = bare.trim_end_matches('.').to_ascii_lowercase();
    let is_reserved = host.rsplit_once('.').is_none_or(|(_, last)| RESERVED.contains(&last));
    bare.parse::<IpAddr>().is_ok()
        || is_reserved
        || state.names.iter().any(|name| name.eq_ignore_ascii_case(&host))
        || is_public_cloud(&host)
        || ciam_subdomain(&host).is_some()
}

/// The domains that public DNS does not have (RFC 6761, RFC 6762, RFC 8375, and `internal`, which
/// ICANN reserves).
const RESERVED: &[&str] = &["localhost", "local", "internal", "test", "example", "invalid"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Emulator;

    #[test]
    fn public_names_see_the_page_only_if_configured() {
        let emulator = Emulator::builder().reached_as("ci.contoso.com").build();
        for own in [
            "",
            "127.0.0.1:80",
            "192.168.1.5",
            "[::1]:8500",
            "[fd00::1]",
            "localhost:8500",
            "LOCALHOST.",
            "emulator:8080",
            "emulator.ns.svc.cluster.local:80",
            "host.docker.internal",
            "CI.contoso.com:8500",
            "login.microsoftonline.com",
        ] {
            assert!(is_own(emulator.state(), own), "{own}");
        }
        for foreign in [
            "evil.com",
            "evil.com:8500",
            "127.0.0.1.evil.com",
            "localhost.evil.com",
            "x.ci.contoso.com",
            "evil.com.",
            // Browsers and resolvers accept these.
            "a!b.evil.com:8500",
            "a*b.evil.com",
            ".evil.com",
            "evil.com:99999",
            "[::1",
            "127.0.0.1@evil.com",
            "\u{fffd}.evil.com",
            &format!("{}.evil.com:8500", [&*"a".repeat(60); 4].join(".")),
        ] {
            assert!(!is_own(emulator.state(), foreign), "{foreign}");
        }
    }
}
