//! Azure SQL: the API whose audience ends with a slash.
//!
//! A SQL server tells a client that logs in with `ActiveDirectory*` the SPN that the token must be
//! for, with or without its slash. The audience always ends with the slash, so on the v2 endpoint
//! the scope has two. With one slash, the service issues a token, and the server rejects it.

use entra_proto::error::printable;
use entra_proto::{KnownApi, Target};

use crate::common::Failure;

/// Returns the target for the SPN that a SQL server sends.
///
/// # Errors
/// Returns an error if the SPN is not that of Azure SQL: otherwise a server could get a token for
/// any API, and use it.
pub(crate) fn target(spn: &str) -> Result<Target, Failure> {
    let name = spn.strip_suffix('/').unwrap_or(spn);
    let is_it = |api: &&KnownApi| api.audience.trim_end_matches('/').eq_ignore_ascii_case(name);
    match in_all_clouds().find(is_it) {
        Some(api) => Ok(Target::resource(api.audience)?),
        None => Err(Failure::new(format!("\"{}\" is not Azure SQL", printable(spn)))
            .hint("check the server: it would get a token for another API")),
    }
}

/// Returns true if the audience is Azure SQL.
pub(crate) fn is_audience(audience: &str) -> bool {
    in_all_clouds().any(|api| api.audience == audience)
}

fn in_all_clouds() -> impl Iterator<Item = &'static KnownApi> {
    let name = KnownApi::with_audience(PUBLIC).map(|api| api.name);
    KnownApi::all().iter().filter(move |api| Some(api.name) == name)
}

/// The audience in the public cloud.
const PUBLIC: &str = "https://database.windows.net/";

#[cfg(test)]
mod tests {
    use entra_proto::EndpointVersion;

    use super::*;

    #[test]
    fn audience_always_ends_with_a_slash() {
        for (spn, audience) in [
            ("https://database.windows.net/", PUBLIC),
            ("https://database.windows.net", PUBLIC),
            ("https://Database.Windows.Net/", PUBLIC),
            (
                "https://database.usgovcloudapi.net",
                "https://database.usgovcloudapi.net/",
            ),
            (
                "https://database.chinacloudapi.cn/",
                "https://database.chinacloudapi.cn/",
            ),
        ] {
            let target = target(spn).unwrap();
            assert_eq!(
                target.wire_parameter(EndpointVersion::V2).unwrap().1,
                format!("{audience}/.default")
            );
            assert_eq!(target.wire_parameter(EndpointVersion::V1).unwrap().1, audience);
        }
    }

    #[test]
    fn server_gets_no_token_for_another_api() {
        for spn in [
            "",
            "/",
            "https://graph.microsoft.com/",
            "http://database.windows.net/",
            "https://database.windows.net.evil.example/",
            "https://database.windows.net//",
            "https://database.windows.net/.default",
            "https://database.windows.net//.default",
            "https://database.windows.net:1433/",
            "https://contoso.database.windows.net/",
            "MSSQLSvc/contoso.database.windows.net:1433",
        ] {
            assert!(target(spn).is_err(), "{spn}");
        }
    }
}
