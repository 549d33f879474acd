use std::time::SystemTime;

use clap::{Args, ValueEnum};
use entra_proto::Timestamp;
use serde_json::json;

use crate::exit::Failure;
use crate::files::{print, tell};
use crate::moment::{from_now, length};
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::target::TargetSettings;

/// Get an access token for an application itself (client credentials).
///
/// A daemon gets everything that an administrator granted it on one API, so it names the API and nothing finer: by its audience
/// (--resource https://graph.microsoft.com) or by a scope that ends with /.default (--scope https://graph.microsoft.com/.default).
/// A slash at the end of an audience is part of it: `entra scope explain` shows what that means.
#[derive(Args)]
#[command(after_help = "\
Examples:
  export AZURE_TENANT_ID=contoso.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
  entra token --scope https://graph.microsoft.com/.default
  entra token --resource https://manage.office.com --v1 -o json
  curl -H \"$(entra token --resource https://graph.microsoft.com -o header)\" https://graph.microsoft.com/v1.0/users
  entra token --resource https://graph.microsoft.com --secret-file - < secret.txt | entra decode")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: ApplicationSettings,

    #[command(flatten)]
    network: NetworkSettings,

    /// Pass on what an API's claims challenge asked for, as JSON
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = Output::Token)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// The token alone
    Token,
    /// The token, its type and its lifetime, as JSON
    Json,
    /// The Authorization header
    Header,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let target = arguments.target.target()?;
    let application = arguments.application.application()?;
    let mut request = application.client_credentials(target.clone())?;
    if let Some(claims) = &arguments.claims {
        request = request.with_claims(claims)?;
    }
    let token = arguments.network.acquire(request)?;

    let (lifetime, secret) = (token.lifetime, token.access_token.expose());
    let left = lifetime.expires_at.since(Timestamp::from(SystemTime::now()));
    tell(format_args!(
        "a token for {} from {}, good for {}",
        target.audience()?,
        application.authority(),
        length(left)
    ));
    if let Some(moment) = lifetime.refresh_at {
        tell(format_args!(
            "the service wants to be asked for the next one {}",
            from_now(moment)
        ));
    }
    match arguments.output {
        Output::Token => print(secret),
        Output::Header => print(&format!("Authorization: Bearer {secret}")),
        Output::Json => {
            let mut answer = json!({
                "token_type": "Bearer",
                "access_token": secret,
                "expires_in": left.as_secs(),
                "expires_on": lifetime.expires_at.as_secs(),
            });
            if let Some(moment) = lifetime.refresh_at {
                answer["refresh_on"] = moment.as_secs().into();
            }
            print(&format!("{answer:#}"))
        }
    }
}
