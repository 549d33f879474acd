//! The command `entra token`: gets an access token and prints it.

use std::time::Duration;

use clap::Args;
use entra_client::{Policy, Token};
use serde_json::{Value, json};

use crate::commands::watch::{self, WatchSettings};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, tell};
use crate::sign_in::FlowSettings;
use crate::silent::CacheSettings;
use crate::time_format::length;
use crate::token_output::{Issuer, Output, PrintedToken, ReadyOutput};
use crate::token_settings::TokenSettings;

/// Get an access token, for an application or for a user (--flow).
///
/// A daemon cannot request single permissions: its token has all permissions that an administrator
/// granted it for one API. So name the API by its audience (--resource https://graph.microsoft.com)
/// or by a scope that ends with /.default (--scope https://graph.microsoft.com/.default). A slash
/// at the end of an audience is part of it: `entra scope explain` shows what that means.
///
/// `entra call` requests a token and calls the API in one step.
///
/// The JSON output has the members token_type, access_token, expires_in, expires_on and expires_at;
/// refresh_on and refresh_at if the service names a refresh time; for a user also tenant, username
/// and scope; with --cache or --account also cached.
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

  # of this machine's managed identity, without a secret
  entra token --managed-identity \\
    --resource https://vault.azure.net
  # in a job of GitHub Actions, without a secret
  entra token --federated-source github-actions \\
    --resource https://graph.microsoft.com
  # of an agent identity; the application is its blueprint
  entra token --agent ... \\
    --resource https://graph.microsoft.com

  # cache the token, and use it again while it is fresh
  entra token --cache \\
    --resource https://graph.microsoft.com
  # for a user who signed in with `entra login`
  entra token --account megan@contoso.com \\
    --scope User.Read
  # for a user, who enters a code on another device
  entra token --flow device-code --scope User.Read
  # for a user, in a browser on this machine
  entra token --flow auth-code --scope User.Read
  # for the user who called your API
  entra token --flow obo --scope User.Read \\
    --assertion-file - < user.jwt

To watch a client cache its token, refresh it before it expires, and continue when the service fails (stop the emulator), run the \
second command in another shell, with the variables that the first prints:
  entra emulator --port 8500 --token-lifetime 30 \\
    --refresh-in 10
  entra token --resource https://graph.microsoft.com \\
    --watch --margin 5")]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: TokenSettings,

    /// Output format [default: token, or no output with --watch]
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
    arguments.kept.check(wanted, arguments.flow.is_for_application())?;
    if arguments.watch.is_wanted() {
        if !arguments.flow.is_for_application() {
            return Err(Failure::text(Exit::Usage, "--watch requires app-only tokens").hint("omit --flow"));
        }
        return watch::run(wanted, &arguments.watch, arguments.output);
    }
    let output = arguments.output.unwrap_or(Output::Token).ready()?;
    if arguments.kept.is_enabled() {
        return print_cached(wanted, &arguments.kept, &output);
    }
    let acquired = arguments.flow.token(wanted, one_request())?;
    let (token, issuer) = (acquired.token, wanted.issuer(&acquired.client)?);
    if let Some(sign_in) = &acquired.sign_in {
        let user = sign_in.username().unwrap_or_else(|| "an unnamed user".to_owned());
        tell(format_args!(
            "{} of {} has signed in",
            excerpt(&user, 60),
            sign_in.tenant
        ));
    }
    let more = acquired.sign_in.as_ref().map_or_else(Value::default, |sign_in| {
        json!({
            "tenant": sign_in.tenant.to_string(),
            "username": sign_in.username(),
            "scope": sign_in.scope,
        })
    });
    print_issued(wanted, &token, &issuer, &output, more)
}

/// Prints a token that was just issued. JSON output also has the members of `more`.
pub(crate) fn print_issued(
    wanted: &TokenSettings,
    token: &Token,
    issuer: &Issuer,
    output: &ReadyOutput,
    more: Value,
) -> Result<(), Failure> {
    let issued = PrintedToken::from(token);
    tell(format_args!(
        "a token for {} from {issuer}, valid for {}",
        wanted.target()?.audience().unwrap_or_else(|_| "the user".into()),
        length(issued.left())
    ));
    issued.tell_refresh();
    output.print(&issued, issuer, more)
}

/// Returns the policy of a command that requests one token: the lifetime is used exactly as the
/// service states it.
pub(crate) fn one_request() -> Policy {
    let mut policy = Policy::default();
    policy.freshness.margin = Duration::ZERO;
    policy.freshness.jitter = 0.0;
    policy.freshness.refresh_min_life = Duration::MAX;
    policy
}

/// Prints a cached token, or a token for a stored account.
pub(crate) fn print_cached(wanted: &TokenSettings, kept: &CacheSettings, output: &ReadyOutput) -> Result<(), Failure> {
    let acquired = kept.token(wanted, one_request())?;
    let issued = PrintedToken::from(&acquired.token);
    let target = wanted.target()?;
    let (cache, from) = if acquired.is_cached {
        ("from the cache, ", "; --refresh requests a new one")
    } else {
        ("", "")
    };
    tell(format_args!(
        "{cache}a token for {}{} from {}, valid for {}{from}",
        target.audience().unwrap_or_else(|_| "the user".into()),
        acquired
            .account
            .as_ref()
            .map(|account| format!(" for {}", excerpt(&account.username, 60)))
            .unwrap_or_default(),
        acquired.authority,
        length(issued.left())
    ));
    let mut more = json!({ "cached": acquired.is_cached });
    if let Some(account) = &acquired.account {
        more["tenant"] = account.tenant.to_string().into();
        more["username"] = account.username.clone().into();
    }
    output.print(&issued, &Issuer::Authority(acquired.authority), more)
}

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra token [OPTIONS] --scope <SCOPE>
       entra token [OPTIONS] --resource <AUDIENCE>";
