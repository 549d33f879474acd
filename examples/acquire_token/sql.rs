//! Azure SQL: the API whose audience ends with a slash.
//!
//! A SQL server tells a client that logs in with `ActiveDirectory*` whom the token must be for: an
//! SPN, with its slash or without. The audience has the slash in any case, so on the v2 endpoint
//! the scope has two. With one, a token comes, and the server rejects it.

use entra_proto::error::printable;
use entra_proto::{KnownApi, Target};

use crate::common::Failure;

/// Returns what to request a token for, by the SPN that a SQL server sends.
///
/// # Errors
/// Returns an error if it is not that of Azure SQL: a server could else get a token for any API,
/// and use it.
pub(crate) fn target(spn: &str) -> Result<Target, Failure> {
    let name = spn.strip_suffix('/').unwrap_or(spn);
    let is_it = |api: &&KnownApi| api.audience.trim_end_matches('/').eq_ignore_ascii_case(name);
    match in_all_clouds().find(is_it) {
        Some(api) => Ok(Target::resource(api.audience)?),
        None => Err(Failure::new(format!("\"{}\" is not Azure SQL", printable(spn)))
            .hint("check the server: it would get a token for another API")),
    }
}

/// Whether a token is for Azure SQL.
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
    fn every_spelling_gives_the_audience_with_its_slash() {
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
    fn server_gets_no_token_for_anything_else() {
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
