use std::time::Duration;

use clap::Args;
use entra_client::{Policy, Token};
use entra_proto::Authority;
use serde_json::{Value, json};

use crate::commands::watch::{self, WatchSettings};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, tell};
use crate::sign_in::FlowSettings;
use crate::silent::CacheSettings;
use crate::time_format::length;
use crate::token_output::{Output, PrintedToken, ReadyOutput};
use crate::token_settings::TokenSettings;

/// Get an access token: for an application itself, or for a user (--flow).
///
/// A daemon gets everything that an administrator granted it on one API, so it names the API and nothing finer: by its audience
/// (--resource https://graph.microsoft.com) or by a scope that ends with /.default (--scope https://graph.microsoft.com/.default).
/// A slash at the end of an audience is part of it: `entra scope explain` shows what that means.
///
/// `entra call` requests a token and calls the API in one step.
///
/// In JSON the token has the members token_type, access_token, expires_in, expires_on, expires_at, and where the service says so
/// refresh_on and refresh_at; with a user also tenant, username and scope; with --cache or --account also cached.
#[derive(Args)]
#[command(override_usage = USAGE, after_help = "\
Examples:
  export AZURE_TENANT_ID=contoso.onmicrosoft.com
  export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
  entra token --scope https://graph.microsoft.com/.default
  entra token --resource https://manage.office.com --v1 \\
    -o json
  entra token --resource https://graph.microsoft.com \\
    --secret-file - < secret.txt | entra decode
  # no token in the arguments, which other users see
  entra token --resource https://graph.microsoft.com \\
    -o curl |
    curl -K - https://graph.microsoft.com/v1.0/users
  eval \"$(entra token -o env \\
    --resource https://graph.microsoft.com)\"

  # the token is kept, and used again while it is fresh
  entra token --cache \\
    --resource https://graph.microsoft.com
  # for a user who signed in with `entra login`
  entra token --account megan@contoso.com \\
    --scope User.Read
  # for a person, who types a code in elsewhere
  entra token --flow device-code --scope User.Read
  # for a person, in a browser on this machine
  entra token --flow auth-code --scope User.Read
  # for the user who called your API
  entra token --flow obo --scope User.Read \\
    --assertion-file - < user.jwt

To see a client keep its token, renew it before it ends, and go on when the service is gone (stop the emulator), run the second \
command in another shell, with the variables that the first prints:
  entra emulator --port 8500 --token-lifetime 30 \\
    --refresh-in 10
  entra token --resource https://graph.microsoft.com \\
    --watch --margin 5")]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: TokenSettings,

    /// What to print [default: token, or nothing with --watch]
    #[arg(short, long, value_enum, ignore_case = true)]
    output: Option<Output>,

    #[command(flatten)]
    flow: FlowSettings,

    #[command(flatten)]
    kept: CacheSettings,

    #[command(flatten)]
    watch: WatchSettings,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = &arguments.wanted;
    arguments.flow.check(wanted)?;
    arguments.kept.check(arguments.flow.is_for_application())?;
    if arguments.watch.is_wanted() {
        if !arguments.flow.is_for_application() {
            return Err(
                Failure::text(Exit::Usage, "--watch is for an application's own tokens").hint("leave --flow out")
            );
        }
        return watch::run(wanted, &arguments.watch, arguments.output);
    }
    let output = arguments.output.unwrap_or(Output::Token).ready()?;
    if arguments.kept.is_enabled() {
        return print_kept(wanted, &arguments.kept, &output);
    }
    let got = arguments.flow.token(wanted, one_request())?;
    let (token, authority) = (got.token, got.client.authority()?);
    if let Some(sign_in) = &got.sign_in {
        let user = sign_in.username().unwrap_or_else(|| "a user without a name".to_owned());
        tell(format_args!(
            "{} of {} has signed in",
            excerpt(&user, 60),
            sign_in.tenant
        ));
    }
    let more = got.sign_in.as_ref().map_or_else(Value::default, |sign_in| {
        json!({
            "tenant": sign_in.tenant.to_string(),
            "username": sign_in.username(),
            "scope": sign_in.scope,
        })
    });
    print_issued(wanted, &token, &authority, &output, more)
}

/// Prints a token that was just issued. The JSON of this program has `more` members.
pub(crate) fn print_issued(
    wanted: &TokenSettings,
    token: &Token,
    authority: &Authority,
    output: &ReadyOutput,
    more: Value,
) -> Result<(), Failure> {
    let issued = PrintedToken::from(token);
    tell(format_args!(
        "a token for {} from {authority}, good for {}",
        wanted.target()?.audience().unwrap_or_else(|_| "the user".into()),
        length(issued.left())
    ));
    issued.tell_refresh();
    output.print(&issued, authority, more)
}

/// The policy of a command that requests one token: nothing is added to what the service says of its life.
pub(crate) fn one_request() -> Policy {
    let mut policy = Policy::default();
    policy.freshness.margin = Duration::ZERO;
    policy.freshness.jitter = 0.0;
    policy.freshness.refresh_min_life = Duration::MAX;
    policy
}

/// Prints a token that is kept, or one for a user who signed in before.
pub(crate) fn print_kept(wanted: &TokenSettings, kept: &CacheSettings, output: &ReadyOutput) -> Result<(), Failure> {
    let got = kept.token(wanted, one_request())?;
    let issued = PrintedToken::from(&got.token);
    let target = wanted.target()?;
    let (cache, from) = if got.is_cached {
        ("from the cache, ", "; --refresh requests a new one")
    } else {
        ("", "")
    };
    tell(format_args!(
        "{cache}a token for {}{} from {}, good for {}{from}",
        target.audience().unwrap_or_else(|_| "the user".into()),
        got.account
            .as_ref()
            .map(|account| format!(" for {}", excerpt(&account.username, 60)))
            .unwrap_or_default(),
        got.authority,
        length(issued.left())
    ));
    let mut more = json!({ "cached": got.is_cached });
    if let Some(account) = &got.account {
        more["tenant"] = account.tenant.to_string().into();
        more["username"] = account.username.clone().into();
    }
    output.print(&issued, &got.authority, more)
}

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra token [OPTIONS] --scope <SCOPE>
       entra token [OPTIONS] --resource <AUDIENCE>";
