//! By which names the landing page is shown.

use std::net::IpAddr;

use crate::core::Core;
use crate::directory::ciam_subdomain;
use crate::discovery::is_public_cloud;

/// Whether a host (without its port) is a name that no stranger can point at this machine.
///
/// A foreign page can have its own name resolve to a loopback address, and then reads what is served there as its own. It
/// cannot do so with an IP address, with `localhost`, with a name without a dot (a container's) and with a name under a
/// domain that public DNS does not have. Other names are shown the page if the emulator was told that it is reached by them.
pub(super) fn is_own(core: &Core, authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        if is_port && !host.ends_with(':') {
            host
        } else {
            authority
        }
    });
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let host = bare.trim_end_matches('.').to_ascii_lowercase();
    let is_reserved = host.rsplit_once('.').is_none_or(|(_, last)| RESERVED.contains(&last));
    bare.parse::<IpAddr>().is_ok()
        || is_reserved
        || core.names.iter().any(|name| name.eq_ignore_ascii_case(&host))
        || is_public_cloud(&host)
        || ciam_subdomain(&host).is_some()
}

/// Domains that public DNS does not have (RFC 6761, RFC 6762, RFC 8375 and `internal`, which ICANN keeps free).
const RESERVED: &[&str] = &["localhost", "local", "internal", "test", "example", "invalid"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Emulator;

    #[test]
    fn public_names_are_not_shown_the_page_unless_told() {
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
            assert!(is_own(emulator.core(), own), "{own}");
        }
        for foreign in [
            "evil.com",
            "evil.com:8500",
            "127.0.0.1.evil.com",
            "localhost.evil.com",
            "x.ci.contoso.com",
        ] {
            assert!(!is_own(emulator.core(), foreign), "{foreign}");
        }
    }
}
