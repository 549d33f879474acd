use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use entra_client::{Policy, Token};
use entra_proto::Timestamp;
use serde_json::{Map, Value};

use crate::commands::watch::{self, WatchSettings};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, print_json, print_secret, tell};
use crate::moment::{from_now, length, put_moment};
use crate::sign_in::FlowSettings;
use crate::silent::KeptSettings;
use crate::wanted::TokenSettings;

/// Get an access token: for an application itself, or for a user (--flow).
///
/// A daemon gets everything that an administrator granted it on one API, so it names the API and nothing finer: by its audience
/// (--resource https://graph.microsoft.com) or by a scope that ends with /.default (--scope https://graph.microsoft.com/.default).
/// A slash at the end of an audience is part of it: `entra scope explain` shows what that means.
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
  curl -H \"$(entra token -o header \\
    --resource https://graph.microsoft.com)\" \\
    https://graph.microsoft.com/v1.0/users

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
    kept: KeptSettings,

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
    // Nobody asks twice, so nothing is added to what the service said.
    let mut policy = Policy::default();
    policy.freshness.margin = Duration::ZERO;
    policy.freshness.jitter = 0.0;
    policy.freshness.refresh_min_life = Duration::MAX;
    if arguments.kept.is_wanted() {
        return silently(arguments, policy);
    }
    let got = arguments.flow.token(wanted, policy)?;
    let (token, target) = (got.token, wanted.target()?);
    let issued = Issued::from(&token);
    if let Some(sign_in) = &got.sign_in {
        let user = sign_in.username().unwrap_or_else(|| "a user without a name".to_owned());
        tell(format_args!(
            "{} of {} has signed in",
            excerpt(&user, 60),
            sign_in.tenant
        ));
    }
    tell(format_args!(
        "a token for {} from {}, good for {}",
        target.audience().unwrap_or_else(|_| "the user".into()),
        got.client.authority()?,
        length(issued.left())
    ));
    issued.tell_refresh();
    match arguments.output.unwrap_or(Output::Token) {
        Output::Json => {
            let mut answer = issued.json();
            if let Some(sign_in) = &got.sign_in {
                answer["tenant"] = sign_in.tenant.to_string().into();
                answer["username"] = sign_in.username().into();
                answer["scope"] = sign_in.scope.clone().into();
            }
            print_json(&answer)
        }
        output => print_secret(&output.of(&token)),
    }
}

/// Gets a token that is kept, or for a user who signed in before.
fn silently(arguments: &Arguments, policy: Policy) -> Result<(), Failure> {
    let wanted = &arguments.wanted;
    let got = arguments.kept.token(wanted, policy)?;
    let issued = Issued {
        access_token: got.token.expose(),
        expires_at: got.token.lifetime.expires_at,
        refresh_at: got.token.lifetime.refresh_at,
    };
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
    match arguments.output.unwrap_or(Output::Token) {
        Output::Json => {
            let mut answer = issued.json();
            answer["cached"] = got.is_cached.into();
            if let Some(account) = &got.account {
                answer["tenant"] = account.tenant.to_string().into();
                answer["username"] = account.username.clone().into();
            }
            print_json(&answer)
        }
        output => print_secret(&output.of_issued(&issued)),
    }
}

impl Output {
    /// The token in this form, on one line.
    pub(crate) fn of(self, token: &Token) -> String {
        self.of_issued(&Issued::from(token))
    }

    fn of_issued(self, token: &Issued<'_>) -> String {
        match self {
            Self::Token => token.access_token.to_owned(),
            Self::Header => format!("Authorization: Bearer {}", token.access_token),
            Self::Json => token.json().to_string(),
        }
    }
}

/// What is printed of a token.
struct Issued<'a> {
    access_token: &'a str,
    expires_at: Timestamp,
    refresh_at: Option<Timestamp>,
}

impl<'a> From<&'a Token> for Issued<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            access_token: token.expose(),
            expires_at: token.expires_at(),
            refresh_at: token.refresh_at(),
        }
    }
}

impl Issued<'_> {
    fn json(&self) -> Value {
        let mut answer = Map::new();
        answer.insert("token_type".to_owned(), "Bearer".into());
        answer.insert("access_token".to_owned(), self.access_token.into());
        answer.insert("expires_in".to_owned(), self.left().as_secs().into());
        put_moment(&mut answer, "expires", self.expires_at);
        if let Some(moment) = self.refresh_at {
            put_moment(&mut answer, "refresh", moment);
        }
        answer.into()
    }

    fn left(&self) -> Duration {
        self.expires_at.since(Timestamp::from(SystemTime::now()))
    }

    fn tell_refresh(&self) {
        if let Some(moment) = self.refresh_at {
            tell(format_args!(
                "the service wants to be asked for the next one {}",
                from_now(moment)
            ));
        }
    }
}

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra token [OPTIONS] --scope <SCOPE>
       entra token [OPTIONS] --resource <AUDIENCE>";
