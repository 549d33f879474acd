//! A connection to Azure SQL: the API whose audience ends with a slash.
//!
//! A SQL server tells a client that logs in with `ActiveDirectory*` whom the token must be for: an SPN, such as
//! `https://database.windows.net/`, with its slash or without. The audience has the slash in any case, so on the v2 endpoint the scope has
//! two: `https://database.windows.net//.default`. With one, a token comes all right, and the server refuses it.
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator --port 8500 > emulator.env &   # wait until it has printed
//! . ./emulator.env
//! cargo run -p entra-examples --bin azure_sql -- https://database.windows.net
//! ```
//!
//! Tiberius sends the token along with its login, so no server is asked first: the cloud's audience is what to start from.
//!
//! ```text
//! let mut config = tiberius::Config::new();
//! config.host("contoso.database.windows.net");
//! config.authentication(tiberius::AuthMethod::aad_token(client.token(&target)?.expose()));
//! ```
//!
//! A connection outlives its token: ask the client whenever a pool opens another one, and let it do the keeping.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;

use entra_client::blocking::Client;
use entra_proto::{Application, Authority, ClientSecret, EndpointVersion, Target, UnverifiedClaims};
use entra_transport::cloud_from_env;
use entra_transport_ureq::UreqTransport;

use crate::common::setting;

fn main() -> Result<(), Box<dyn Error>> {
    let spn = std::env::args().nth(1).unwrap_or_else(|| AUDIENCES[0].to_owned());
    let target = sql_target(&spn)?;

    let cloud = cloud_from_env()?;
    let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret);
    let client = Client::new(app, UreqTransport::builder().for_cloud(&cloud).build()?);

    let token = client.token(&target)?;
    println!("the server says  {spn}");
    println!("asked for        {}", target.on(EndpointVersion::V2)?.1);
    // To look at, and not to decide upon: the server checks its tokens itself.
    let claims = UnverifiedClaims::decode(token.expose())?;
    println!("a token for      {}", claims.audience().unwrap_or("?"));
    Ok(())
}

/// What to ask a token for, by the SPN that a SQL server sends.
///
/// # Errors
/// Where it is not Azure SQL's. Whoever listens there would be handed a token for the API of his choice, and could use it.
fn sql_target(spn: &str) -> Result<Target, Box<dyn Error>> {
    let name = spn.strip_suffix('/').unwrap_or(spn);
    let is_it = |audience: &&&str| audience.trim_end_matches('/').eq_ignore_ascii_case(name);
    let Some(audience) = AUDIENCES.iter().find(is_it) else {
        return Err(format!("{spn:?} is not Azure SQL: it would get a token for somebody else").into());
    };
    Ok(Target::resource(audience)?)
}

/// Azure SQL's audiences: in the public cloud, for the US government, in China.
const AUDIENCES: [&str; 3] = [
    "https://database.windows.net/",
    "https://database.usgovcloudapi.net/",
    "https://database.chinacloudapi.cn/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_asks_for_the_audience_with_its_slash() {
        for (spn, scope) in [
            (
                "https://database.windows.net/",
                "https://database.windows.net//.default",
            ),
            ("https://database.windows.net", "https://database.windows.net//.default"),
            (
                "https://Database.Windows.Net/",
                "https://database.windows.net//.default",
            ),
            (
                "https://database.usgovcloudapi.net",
                "https://database.usgovcloudapi.net//.default",
            ),
            (
                "https://database.chinacloudapi.cn/",
                "https://database.chinacloudapi.cn//.default",
            ),
        ] {
            let target = sql_target(spn).unwrap();
            assert_eq!(target.on(EndpointVersion::V2).unwrap().1, scope);
            assert_eq!(
                target.on(EndpointVersion::V1).unwrap().1,
                scope.strip_suffix("/.default").unwrap()
            );
        }
    }

    #[test]
    fn a_server_gets_no_token_for_anything_else() {
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
            assert!(sql_target(spn).is_err(), "{spn}");
        }
    }
}
