use std::time::SystemTime;

use clap::{Args, ValueEnum};
use entra_client::{Policy, SignIn};
use entra_proto::claims::{ClaimsRequest, UnverifiedClaims};
use entra_proto::{Application, EndpointVersion, Target, Tenant, Timestamp};

use crate::callback::CallbackSettings;
use crate::commands::accounts::to_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::{excerpt, harmless, print, print_json, tell, tell_always};
use crate::sanitize::shell_quoted;
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::sign_in::through_browser;
use crate::silent::account_key;
use crate::source::Traced;
use crate::store::{Account, CachedToken, Store, StoreSettings, TokenName, failure, one_line};
use crate::target::TargetSettings;

/// Sign a user in and keep the sign-in: from then on `entra token --account` gets tokens without asking.
///
/// A browser is opened, in which the user signs in, and which comes back to this command (authorization code with PKCE); or, with
/// --device-code, the user types a code in elsewhere. There is no client ID of this command's own: name an application of yours with
/// --client-id or AZURE_CLIENT_ID. It is a public client, whose registration has the redirect URI http://localhost for the platform
/// "Mobile and desktop applications", or says "Allow public client flows" for --device-code; or it has a secret or a certificate, which
/// each `entra token --account` then needs as well.
///
/// What is kept: the user's name, the refresh token and the access tokens, sealed by AES-256-GCM, in sign-ins.redb; the IDs of the
/// application and the tenant are not sealed. The key is in a file beside it, for its owner alone. That protects against other users of
/// the machine, changed files, and copies of the one file without the other. It does not protect against programs that run as you,
/// against an administrator, or against a copy of the whole folder, and it does not notice an older copy of sign-ins.redb in its place: put
/// the key elsewhere with --store-key where the machine has a safer place, and keep the folder out of backups. The keyring of the
/// operating system is not used.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra login \\
    --client-id 11111111-2222-3333-4444-555555555555
  entra login --client-id ... --scope User.Read \\
    --tenant contoso.onmicrosoft.com
  # where no browser is on this machine
  entra login --client-id ... --device-code
  # for the one who is signed in
  entra token --account --scope User.Read
  entra token --account megan@contoso.com \\
    --scope Mail.Read
  entra accounts
  entra logout --account megan@contoso.com")]
#[command(mut_arg("tenant", |tenant| tenant
    .help("The tenant to sign in to: its ID or a domain [default: organizations, any tenant]")))]
#[command(mut_arg("scope", |scope| scope
    .help("Sign in for this scope, which the user consents to if need be [default: User.Read of Microsoft Graph]")))]
#[command(mut_arg("region", |region| region.hide(true)))]
#[command(mut_group("api", |api| api.required(false)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: Traced<ApplicationSettings>,

    #[command(flatten)]
    network: NetworkSettings,

    /// The user types a code in elsewhere: on a machine without a browser
    #[arg(long, conflicts_with_all = ["listen", "redirect_uri", "no_browser", "wait"])]
    device_code: bool,

    /// Sign in as an error or an API's claims challenge asks for, as JSON: with another factor, say
    #[arg(long, value_name = "JSON", conflicts_with = "device_code")]
    claims: Option<String>,

    /// The application is a public client: send no credential, whatever the environment holds
    #[arg(long, conflicts_with_all = ["secret_file", "certificate", "certificate_key", "federated_token_file"])]
    public: bool,

    #[command(flatten)]
    callback: CallbackSettings,

    #[command(flatten)]
    store: StoreSettings,

    /// Print the account, as `entra accounts` does [default: print nothing]
    #[arg(short, long, value_enum, ignore_case = true)]
    output: Option<Output>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line
    Text,
    /// The sign-in, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = &arguments.application.settings;
    let target = match (arguments.target.target_if_given()?, settings.version()?) {
        (Some(target), _) => target,
        // What every new registration asks for.
        (None, EndpointVersion::V1) => Target::resource("https://graph.microsoft.com")?,
        (None, EndpointVersion::V2) => Target::scopes("User.Read")?,
    };
    let claims = arguments.claims.as_deref().map(ClaimsRequest::parse).transpose()?;
    let tenant = settings.tenant_if_given()?.unwrap_or(Tenant::Organizations);
    let application = ApplicationSettings::sign_in_application(&arguments.application, tenant, arguments.public)?;
    let store = arguments.store.open()?;
    // Rather now than when the user has signed in.
    store.check()?;
    let client = arguments
        .network
        .client(application.clone(), Policy::default())?
        .build();
    let client = client?;
    let keep = |sign_in: &SignIn| keep(&store, &application, &target, sign_in);
    let sign_in = if arguments.device_code {
        let sign_in = client.device_code(&target, |code| tell_always(harmless(&code.message)))?;
        keep(&sign_in)?;
        sign_in
    } else {
        through_browser(
            &client,
            &arguments.callback,
            target.clone(),
            claims,
            "--device-code",
            keep,
        )?
    };
    let account = account(&application, &sign_in)?;
    tell(format_args!(
        "{} of {} is signed in; `entra token --account {} --scope SCOPE` gets tokens",
        excerpt(&account.username, 100),
        account.tenant,
        shell_quoted(&account.username)
    ));
    match arguments.output {
        Some(Output::Json) => print_json(&to_json(&account)),
        Some(Output::Text) => print(&account.to_string()),
        None => Ok(()),
    }
}

/// Keeps the account, and its first token.
fn keep(store: &Store, application: &Application, target: &Target, sign_in: &SignIn) -> Result<(), Failure> {
    let account = account(application, sign_in)?;
    account.save(store)?;
    let application = application
        .clone()
        .with_authority(application.authority().with_tenant(Tenant::Id(account.tenant))?);
    let name = TokenName::of_account(store, &account, &account_key(&application, target, None)?)?;
    let token = CachedToken::from(&sign_in.token);
    let kept = store.database.change_secrets(|secrets| name.put(secrets, &token));
    kept.map_err(failure)
}

fn account(application: &Application, sign_in: &SignIn) -> Result<Account, Failure> {
    let refresh_token = sign_in
        .user
        .as_ref()
        .and_then(entra_client::User::refresh_token)
        .ok_or_else(|| {
            let problem = "the service issued no refresh token, so the sign-in cannot be kept";
            Failure::text(Exit::Rejected, problem).hint("allow offline_access for the application")
        })?;
    let claims = sign_in.id_token.as_ref().and_then(|token| token.claims().ok());
    let subject = claims.as_ref().and_then(UnverifiedClaims::subject).map(str::to_owned);
    let object_id = sign_in.object_id().map(|id| id.to_string());
    let username = sign_in.username().map(|name| one_line(&name));
    let user_id = object_id.or(subject).or_else(|| username.clone()).ok_or_else(|| {
        Failure::text(
            Exit::Token,
            "the service does not say who signed in, so the sign-in cannot be kept",
        )
    })?;
    let authority = application.authority();
    Ok(Account {
        client_id: application.client_id(),
        tenant: sign_in.tenant,
        origin: authority.cloud().origin().to_owned(),
        username: username.unwrap_or_else(|| one_line(&user_id)),
        user_id: one_line(&user_id),
        named: one_line(&authority.tenant().to_string()),
        is_public: matches!(application.credential(), entra_proto::ClientCredential::Public),
        signed_in_at: Timestamp::from(SystemTime::now()),
        refresh_token,
    })
}
