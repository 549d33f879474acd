use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use entra_client::{Policy, Token};
use entra_proto::Timestamp;
use serde_json::{Value, json};

use crate::commands::watch::{self, WatchSettings};
use crate::exit::{Exit, Failure};
use crate::files::{print, tell};
use crate::moment::{from_now, length};
use crate::wanted::TokenSettings;

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
  entra token --resource https://graph.microsoft.com --secret-file - < secret.txt | entra decode

To see a client keep its token, renew it before it ends, and go on when the service is gone (stop the emulator):
  entra emulator --port 8400 --token-lifetime 30 --refresh-in 10
  entra token --resource https://graph.microsoft.com --watch --margin 5      # in another shell, with its variables")]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: TokenSettings,

    /// What to print [default: token, or nothing with --watch]
    #[arg(short, long, value_enum)]
    output: Option<Output>,

    #[command(flatten)]
    watch: WatchSettings,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    /// The token alone
    Token,
    /// The token, its type and its lifetime, as JSON
    Json,
    /// The Authorization header
    Header,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.watch.is_wanted() {
        return watch::run(&arguments.wanted, &arguments.watch, arguments.output);
    }
    let wanted = &arguments.wanted;
    let (target, options) = (wanted.target()?, wanted.options()?);
    // Nobody asks twice, so nothing is added to what the service said.
    let mut policy = Policy::default();
    policy.freshness.margin = Duration::ZERO;
    policy.freshness.jitter = 0.0;
    policy.freshness.refresh_min_life = Duration::MAX;
    let client = wanted.client(policy)?.build();
    let client = client.map_err(|error| Failure::new(Exit::Configuration, error))?;
    let token = client.token_with(&target, &options)?;

    tell(format_args!(
        "a token for {} from {}, good for {}",
        target.audience()?,
        client.application().authority(),
        length(left(&token))
    ));
    if let Some(moment) = token.refresh_at() {
        tell(format_args!(
            "the service wants to be asked for the next one {}",
            from_now(moment)
        ));
    }
    match arguments.output.unwrap_or(Output::Token) {
        Output::Json => print(&format!("{:#}", json(&token))),
        output => print(&output.of(&token)),
    }
}

impl Output {
    /// The token in this form, on one line.
    pub(crate) fn of(self, token: &Token) -> String {
        match self {
            Self::Token => token.expose().to_owned(),
            Self::Header => format!("Authorization: Bearer {}", token.expose()),
            Self::Json => json(token).to_string(),
        }
    }
}

fn json(token: &Token) -> Value {
    let mut answer = json!({
        "token_type": "Bearer",
        "access_token": token.expose(),
        "expires_in": left(token).as_secs(),
        "expires_on": token.expires_at().as_secs(),
    });
    if let Some(moment) = token.refresh_at() {
        answer["refresh_on"] = moment.as_secs().into();
    }
    answer
}

fn left(token: &Token) -> Duration {
    token.expires_at().since(Timestamp::from(SystemTime::now()))
}
