//! The command `entra login`: signs a user in and stores the account.

use std::time::SystemTime;

use clap::{Args, ValueEnum};
use entra_client::{Policy, SignIn};
use entra_proto::claims::{ClaimsRequest, UnverifiedClaims};
use entra_proto::{Application, EndpointVersion, Target, Tenant, Timestamp};

use crate::account_tokens::account_key;
use crate::callback::CallbackSettings;
use crate::commands::accounts::to_json;
use crate::commands::consent::sign_in_failure;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::{excerpt, harmless, print, print_json, tell, tell_always};
use crate::sanitize::shell_quoted;
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::sign_in::through_browser;
use crate::source::Traced;
use crate::store::{Account, CachedToken, Store, StoreSettings, TokenName, failure, one_line};
use crate::target::TargetSettings;

/// Sign a user in and store the account for `entra token --account`.
///
/// The command opens a browser for the sign-in (authorization code with PKCE); with --device-code
/// it prints a code that the user enters on another device. After that, `entra token --account`
/// gets tokens without user interaction.
///
/// The command has no client ID of its own: name your application with --client-id or
/// AZURE_CLIENT_ID. A public client needs the redirect URI http://localhost for the platform
/// "Mobile and desktop applications", or "Allow public client flows" for --device-code. An
/// application with a secret or a certificate also works, but each `entra token --account` then
/// needs the same credential.
///
/// The user's name, the refresh token and the access tokens are stored in sign-ins.redb, encrypted
/// with AES-256-GCM. The IDs of the application and the tenant are not encrypted. The key is in a
/// file next to it that only its owner can read. This protects against other users of the machine,
/// modified files, and a copy of only one of the two files. It does not protect against programs
/// that run as you, against an administrator, or against a copy of the whole folder, and it does
/// not detect that sign-ins.redb was replaced with an older copy.
///
/// If the machine has a safer place for the key, name it with --store-key. The keyring of the
/// operating system is not used. Exclude the folder from backups: a backup of both files can be
/// decrypted.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra login \\
    --client-id 11111111-2222-3333-4444-555555555555
  entra login --client-id ... --scope User.Read \\
    --tenant contoso.onmicrosoft.com
  # on a machine without a browser
  entra login --client-id ... --device-code
  # for the user who is signed in
  entra token --account --scope User.Read
  entra token --account megan@contoso.com \\
    --scope Mail.Read
  entra accounts
  entra logout --account megan@contoso.com")]
#[command(mut_arg("tenant", |tenant| tenant
    .help("The tenant to sign in to: its ID or a domain [default: organizations, which is any tenant]")))]
#[command(mut_arg("scope", |scope| scope
    .help("Sign in for this scope; the user is asked for consent if necessary [default: User.Read of Microsoft Graph]")))]
#[command(mut_arg("region", |region| region.hide(true)))]
#[command(mut_group("api", |api| api.required(false)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: Traced<ApplicationSettings>,

    #[command(flatten)]
    network: NetworkSettings,

    /// Use the device code flow: print a code that the user enters on another device
    #[arg(long, conflicts_with_all = ["listen", "redirect_uri", "no_browser", "wait"])]
    device_code: bool,

    /// Request these claims (JSON): those of an error or an API's claims challenge, for example for
    /// a second factor
    #[arg(long, value_name = "JSON", conflicts_with = "device_code")]
    claims: Option<String>,

    /// Treat the application as a public client: send no credential, even if the environment has
    /// one
    #[arg(long, conflicts_with_all = ["certificate", "certificate_key", "other_credential"])]
    public: bool,

    #[command(flatten)]
    callback: CallbackSettings,

    #[command(flatten)]
    store: StoreSettings,

    /// Print the account in this format, as `entra accounts` does [default: do not print it]
    #[arg(short, long, value_enum, ignore_case = true)]
    output: Option<Output>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line
    Text,
    /// The account, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = &arguments.application.settings;
    let target = match (arguments.target.target_if_given()?, settings.version()?) {
        (Some(target), _) => target,
        // Every new registration requests this permission.
        (None, EndpointVersion::V1) => Target::resource("https://graph.microsoft.com")?,
        (None, EndpointVersion::V2) => Target::scopes("User.Read")?,
    };
    let claims = arguments.claims.as_deref().map(ClaimsRequest::parse).transpose()?;
    let tenant = settings.tenant_if_given()?.unwrap_or(Tenant::Organizations);
    let application = ApplicationSettings::sign_in_application(&arguments.application, tenant, arguments.public)?;
    let store = arguments.store.open()?;
    // Checked before the user signs in, and not after.
    store.check()?;
    let client = arguments
        .network
        .client(application.clone(), Policy::default())?
        .build();
    let client = client?;
    let store_sign_in = |sign_in: &SignIn| store_sign_in(&store, &application, &target, sign_in);
    let sign_in = if arguments.device_code {
        let sign_in = client
            .device_code(&target, |code| tell_always(harmless(&code.message)))
            .map_err(sign_in_failure)?;
        store_sign_in(&sign_in)?;
        sign_in
    } else {
        through_browser(
            &client,
            &arguments.callback,
            target.clone(),
            claims,
            "--device-code",
            store_sign_in,
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

/// Stores the account and its first token.
fn store_sign_in(store: &Store, application: &Application, target: &Target, sign_in: &SignIn) -> Result<(), Failure> {
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
            let problem = "the service issued no refresh token, so the account cannot be stored";
            Failure::text(Exit::Rejected, problem).hint("allow the scope offline_access for the application")
        })?;
    let claims = sign_in.id_token.as_ref().and_then(|token| token.claims().ok());
    let subject = claims.as_ref().and_then(UnverifiedClaims::subject).map(str::to_owned);
    let object_id = sign_in.object_id().map(|id| id.to_string());
    let username = sign_in.username().map(|name| one_line(&name));
    let user_id = object_id.or(subject).or_else(|| username.clone()).ok_or_else(|| {
        Failure::text(
            Exit::Token,
            "the response does not identify the user, so the account cannot be stored",
        )
        .hint("check the authority's host: it does not behave like Entra")
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
