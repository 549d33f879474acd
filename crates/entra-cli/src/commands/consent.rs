use std::time::SystemTime;

use clap::{Args, ValueEnum};
use entra_client::blocking::{Client, ConsentFlow};
use entra_client::{Consent, ConsentedTenant, SignIn, TenantDirectory};
use entra_proto::{
    Application, ClientCredential, EndpointVersion, Error as ProtocolError, Target, Tenant, Timestamp, UnverifiedClaims,
};
use entra_transport::AcquireError;
use serde_json::json;

use crate::callback::{Answer, CallbackSettings};
use crate::directory::DirectorySettings;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, harmless, print, print_json, tell};
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::source::{Source, Traced};
use crate::target::TargetSettings;

/// Have the administrator of a tenant let an application in, and print the tenant's id.
///
/// It prints a URL for the administrator's browser, and waits for the browser to come back. Then the code is redeemed, the tenant's id
/// is read from the token, stored (`entra tenants list`), and printed. From then on `entra token --tenant ID` gets app-only tokens there.
///
/// The redirect URI must be registered with the application: http://HOST:PORT/ of --listen, unless --redirect-uri says otherwise. Any
/// tenant may sign in (`common`), unless --tenant names one; AZURE_TENANT_ID is the application's own, and is not looked at.
#[derive(Args)]
#[command(after_help = "\
Examples:
  export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
  entra consent --v1 --resource https://manage.office.com                 # the administrator signs in, a code comes back
  entra consent --admin --resource https://graph.microsoft.com            # the admin-consent page: application permissions
  entra token --tenant $(entra consent --v1 --resource https://manage.office.com) --v1 --resource https://manage.office.com

On v1 the administrator consents to all that the app registration names for the whole tenant. On v2 he consents for himself: that is
enough to learn the tenant, but application permissions are consented to on v1, or with --admin.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: Traced<ApplicationSettings>,

    #[command(flatten)]
    network: NetworkSettings,

    #[command(flatten)]
    callback: CallbackSettings,

    #[command(flatten)]
    directory: DirectorySettings,

    /// Through the authorize endpoint of v2, which is the default
    #[arg(long, conflicts_with = "v1")]
    v2: bool,

    /// Through the admin-consent page: /v2.0/adminconsent, or /adminconsent with --v1
    #[arg(long)]
    admin: bool,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = Output::Tenant)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// The tenant's id alone
    Tenant,
    /// All that is known of the consent, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let target = arguments.target.target()?;
    let application = application(arguments)?;
    let directory = arguments.directory.directory()?;
    // Better now than when somebody has consented.
    directory.check()?;
    let client_id = application.client_id();
    let cloud = application.authority().cloud().clone();
    let client = Client::builder(application, arguments.network.transport()?);
    let client = client
        .build()
        .map_err(|error| Failure::new(Exit::Configuration, error))?;

    let callback = arguments.callback.listen()?;
    let redirect_uri = callback.redirect_uri().clone();
    let flow = if arguments.admin {
        ConsentFlow::admin_page(&client, target.clone(), redirect_uri)?
    } else {
        ConsentFlow::new(&client, target.clone(), redirect_uri)?
    };
    let (url, pending) = flow.start()?;
    tell(format_args!(
        "open this URL in the browser of the tenant's administrator:\n\n{url}\n\nwaiting at {} ...",
        callback.redirect_uri()
    ));
    let store = |consent: &Consent| {
        let mut tenant = ConsentedTenant::new(client_id, consent.tenant, Timestamp::from(SystemTime::now()))
            .with_cloud(cloud.clone())
            .with_granted(granted(consent));
        if let Some(user) = user(consent) {
            tenant = tenant.with_user(user);
        }
        directory.put(&tenant).map_err(|error| {
            let why = format!("{} has consented, but that is not stored: {error}", consent.tenant);
            Failure::text(Exit::Output, why)
        })
    };
    // Stored before the browser is told of it: the administrator closes his page, and does not look again.
    let consent = callback.wait(|redirect| match flow.finish(&pending, redirect) {
        Ok(consent) => match store(&consent) {
            Ok(()) => Answer::Done(format!("The tenant {} is connected.", consent.tenant), Ok(consent)),
            Err(failure) => Answer::Done(
                format!(
                    "The tenant {} has consented, but that could not be stored. Whoever started this is told why.",
                    consent.tenant
                ),
                Err(failure),
            ),
        },
        Err(error) if is_anothers(&error) => Answer::Other(error),
        Err(error) => Answer::Done(
            format!("The tenant is not connected. The reason: {}", error.problem()),
            Err(error.into()),
        ),
    })??;
    tell(format_args!("stored in {}", directory.path().display()));
    prove(&client, &consent, &target);
    match arguments.output {
        Output::Tenant => print(&consent.tenant.to_string()),
        Output::Json => print_json(&json!({
            "tenant": consent.tenant.to_string(),
            "client_id": client_id.to_string(),
            "user": user(&consent),
            "granted": granted(&consent),
        })),
    }
}

fn application(arguments: &Arguments) -> Result<Application, Failure> {
    let settings = &arguments.application.settings;
    let tenant = match arguments.application.source("tenant") {
        Source::Flag(_) => settings.tenant()?,
        _ if arguments.admin && settings.version() == EndpointVersion::V2 => Tenant::Organizations,
        _ => Tenant::Common,
    };
    // The admin-consent page sends no code, so nothing has to be proved.
    settings.application_in(tenant, arguments.admin)
}

/// Asks for an app-only token in that tenant, which is what all this is for, and the proof of it: a browser can say anything. Where none
/// comes the tenant stays stored, since the service takes a while to know of a consent everywhere.
fn prove(client: &Client, consent: &Consent, target: &Target) {
    if matches!(client.application().credential(), ClientCredential::Public) {
        tell("not proved, without a credential: the browser alone has said so");
        return;
    }
    // A daemon asks for all that it was granted, whatever the person was asked for.
    let whole_api = match target.audience().and_then(|audience| Target::resource(&audience)) {
        Ok(api) => api,
        Err(error) => return tell(format_args!("not proved: {error}")),
    };
    match client.tenant(consent.tenant).token(&whole_api) {
        Ok(token) => {
            let claims = UnverifiedClaims::decode(token.expose()).ok();
            let roles: Vec<String> = claims.iter().flat_map(UnverifiedClaims::roles).map(harmless).collect();
            if roles.is_empty() {
                tell(
                    "proved: app-only tokens are to be had there, though without any role: application permissions are not granted",
                );
            } else {
                tell(format_args!(
                    "proved: app-only tokens are to be had there, with the roles {}",
                    roles.join(" ")
                ));
            }
        }
        Err(error) => tell(format_args!("not proved: no app-only token there yet: {error}")),
    }
}

/// Whether a redirect belongs to nobody here: whoever sent it, the one that is waited for may still come.
pub(crate) fn is_anothers(error: &entra_client::Error) -> bool {
    matches!(error.cause(), AcquireError::Protocol(ProtocolError::Redirect(_)))
}

/// Who consented, in as many characters as a directory takes.
fn user(consent: &Consent) -> Option<String> {
    let name = consent.sign_in.as_ref().and_then(SignIn::username)?;
    Some(excerpt(&name, 60))
}

/// What the administrator's own token allows.
fn granted(consent: &Consent) -> Vec<String> {
    let Some(sign_in) = &consent.sign_in else {
        return Vec::new();
    };
    let claims = UnverifiedClaims::decode(sign_in.token.expose()).ok();
    let named: Vec<String> = claims
        .iter()
        .flat_map(UnverifiedClaims::scopes)
        .map(|scope| excerpt(scope, 100))
        .collect();
    named.into_iter().take(100).collect()
}
