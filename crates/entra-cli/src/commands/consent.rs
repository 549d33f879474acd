//! The command `entra consent`: runs the admin-consent flow for a tenant, verifies the result with
//! an app-only token, and stores the tenant.

use std::fmt;
use std::time::SystemTime;

use clap::builder::Resettable;
use clap::{Args, ValueEnum};
use entra_client::Consent;
use entra_client::blocking::{Client, ConsentFlow};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::{ErrorClass, RedirectProblem};
use entra_proto::{Application, ClientCredential, EndpointVersion, Error as ProtocolError, Target, Tenant, Timestamp};
use entra_tenants::{ConsentedTenant, TenantStore};
use entra_transport::AcquireError;
use serde_json::json;

use crate::callback::{CallbackSettings, Outcome};
use crate::exit::{Exit, Failure};
use crate::failure::Report;
use crate::files::{excerpt, harmless, print, print_json, tell};
use crate::page::Page;
use crate::requests::log_event;
use crate::sanitize::shown;
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::source::{Source, Traced};
use crate::target::TargetSettings;
use crate::tenant_store::TenantStoreSettings;

/// Let the administrator of a tenant consent to an application, and print the tenant's ID.
///
/// The command opens the browser, or prints a URL for the administrator, and waits until the
/// browser returns. Then it requests an app-only token in the tenant, which shows the application
/// permissions that were granted. It stores the tenant (`entra tenants list`) and prints its ID.
/// After that, `entra token --tenant ID` gets app-only tokens in the tenant.
///
/// Before you start, register the redirect URI http://localhost:8400/ (or http://HOST:PORT/ of
/// --listen, or --redirect-uri) in the app registration, under Authentication, platform "Web", or
/// "Mobile and desktop applications" for a public client. If it is not registered, Entra's page
/// shows AADSTS50011 or AADSTS500113.
#[derive(Args)]
#[command(override_usage = USAGE, after_help = "\
Examples:
  export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
  # the administrator signs in and consents
  entra consent --v1 --resource https://manage.office.com
  # on the admin-consent page, for v2
  entra consent --admin \\
    --resource https://graph.microsoft.com
  entra token --v1 --resource https://manage.office.com \\
    --tenant $(entra consent --v1 \\
      --resource https://manage.office.com)

--v1 or --admin: consent for the whole tenant, including application permissions. v2 without --admin: consent of the signed-in user \
only; it grants no application permission, so the tenant is stored only if the application already has one.

Exit code 6: the application has no application permission for the API in that tenant, so app-only tokens are rejected there. On v2 \
without --admin the tenant is then not stored. If no app-only token is available yet, a consent for the whole tenant is stored as \
\"not verified\" (on standard error; \"proved\": false in JSON).")]
#[command(mut_arg("tenant", |tenant| tenant
    .env(Resettable::Reset)
    .help("The tenant whose administrator consents: its ID or a domain [default: any tenant]")))]
#[command(mut_arg("region", |region| region.hide(true)))]
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
    tenant_store: TenantStoreSettings,

    /// Use the admin-consent page: /v2.0/adminconsent, or /adminconsent with --v1
    #[arg(long)]
    admin: bool,

    /// Output format
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Tenant)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// The tenant's ID only
    Tenant,
    /// All details of the consent, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let target = arguments.target.target()?;
    let application = application(arguments)?;
    let tenant_store = arguments.tenant_store.store()?;
    // Checked before the administrator consents, and not after.
    tenant_store.check()?;
    let client_id = application.client_id();
    let cloud = application.authority().cloud().clone();
    let client = Client::builder(application, arguments.network.transport()?).observer(log_event);
    let client = client.build()?;

    let mut callback = arguments.callback.listen(application_of(&client))?;
    let redirect_uri = callback.redirect_uri().clone();
    let flow = if arguments.admin {
        ConsentFlow::admin_page(&client, target.clone(), redirect_uri)?
    } else {
        ConsentFlow::new(&client, target.clone(), redirect_uri)?
    };
    let for_tenant = arguments.admin || application_of(&client).version() == EndpointVersion::V1;
    let (url, pending) = flow.start()?;
    callback.send_browser("for the tenant's administrator", &url, None);
    let store = |consent: &Consent, granted: &[String]| {
        let mut tenant = ConsentedTenant::new(client_id, consent.tenant, Timestamp::from(SystemTime::now()))
            .with_cloud(cloud.clone())
            .with_granted(granted);
        if let Some(user) = user(consent) {
            tenant = tenant.with_user(user);
        }
        tenant_store.put(&tenant).map_err(|error| {
            let context = format!("{} has consented, but the consent could not be stored", consent.tenant);
            Failure::from(error).context(context)
        })
    };
    // The page is shown only after the app-only token was checked and the tenant was stored: the
    // administrator closes the page and sees no later errors.
    let connected = callback.wait(|redirect| {
        let consent = match flow.finish(&pending, redirect) {
            Ok(consent) => consent,
            Err(error) if is_of_another_sign_in(&error) => return Outcome::Unrelated(error),
            Err(error) => return Outcome::Done(rejection_page(&error), Err(rejection(error, for_tenant))),
        };
        let access = Access::of(&client, &consent, &target);
        if !access.connects(for_tenant) {
            return Outcome::Done(unconnected_page(&consent, &access), Err(unconnected(&consent, &access)));
        }
        let granted = granted(&consent, &access, &target);
        match store(&consent, &granted) {
            Ok(()) => Outcome::Done(access.page(&consent), Ok((consent, access, granted))),
            Err(failure) => Outcome::Done(unstored_page(&consent), Err(failure)),
        }
    });
    let (consent, access, granted) = connected??;
    tell(format_args!("stored in {}", shown(tenant_store.path())));
    match &access {
        Access::NoRoles(api) => {
            let problem = format!(
                "{} has consented, but the app-only token for {api} contains no application permission",
                consent.tenant
            );
            return Err(Failure::text(Exit::Permission, problem).hint(
                "add application permissions to the app registration, and have the administrator consent again",
            ));
        }
        Access::Failed(error) if !may_succeed_later(error) => {
            let context = format!(
                "{} has consented, but the application gets no token there",
                consent.tenant
            );
            return Err(Failure::from((**error).clone()).context(context));
        }
        access => tell(access),
    }
    match arguments.output {
        Output::Tenant => print(&consent.tenant.to_string()),
        Output::Json => print_json(&json!({
            "tenant": consent.tenant.to_string(),
            "client_id": client_id.to_string(),
            "user": user(&consent),
            "granted": granted,
            "roles": access.roles(),
            "proved": matches!(access, Access::Granted(_)),
        })),
    }
}

fn application(arguments: &Arguments) -> Result<Application, Failure> {
    let settings = &arguments.application.settings;
    let tenant = match arguments.application.source("tenant") {
        Source::Flag(_) => settings.tenant()?,
        _ if arguments.admin && settings.version()? == EndpointVersion::V2 => Tenant::Organizations,
        _ => Tenant::Common,
    };
    // Checked before a user signs in, and not after.
    tenant.check_consent()?;
    // The admin-consent page returns no code to redeem, so it works without a credential.
    settings.application_in(tenant, arguments.admin)
}

/// The access of the application in the tenant, as its app-only token shows it.
///
/// The token verifies the consent: the parameters of a redirect can be forged.
enum Access {
    /// The token contains these application permissions.
    Granted(Vec<String>),
    /// The token for this API contains no application permissions.
    NoRoles(String),
    /// No token was requested. Holds the reason, as it follows "not verified".
    Unverified(String),
    /// The token request failed.
    Failed(Box<entra_client::Error>),
}

/// Returns the application that the tenant consents to.
fn application_of(client: &Client) -> &Application {
    client.application().expect("the client is made of an application")
}

impl Access {
    fn of(client: &Client, consent: &Consent, target: &Target) -> Self {
        if matches!(application_of(client).credential(), ClientCredential::Public) {
            return Self::Unverified(", without a credential: only the browser reported the consent".to_owned());
        }
        let api = match target.audience() {
            Ok(api) => api,
            Err(error) => return Self::Unverified(format!(": {error}")),
        };
        match client.tenant(consent.tenant).roles(target) {
            Ok(roles) if roles.is_empty() => Self::NoRoles(harmless(&api)),
            Ok(roles) => Self::Granted(roles.iter().map(|role| excerpt(role, 100)).take(MOST_NAMED).collect()),
            Err(error) => Self::Failed(Box::new(error)),
        }
    }

    /// Returns true if the tenant is to be stored.
    ///
    /// If the consent is not verified, one for the whole tenant is stored. The consent of one user
    /// is not, because it grants the application nothing; nor is a tenant that the service does not
    /// know, because the redirect was forged.
    fn connects(&self, for_tenant: bool) -> bool {
        match self {
            Self::Granted(_) => true,
            Self::Failed(error) if error.class() == ErrorClass::Tenant => false,
            Self::NoRoles(_) | Self::Unverified(_) | Self::Failed(_) => for_tenant,
        }
    }

    fn roles(&self) -> &[String] {
        match self {
            Self::Granted(roles) => roles,
            Self::NoRoles(_) | Self::Unverified(_) | Self::Failed(_) => &[],
        }
    }

    /// Returns the page for an administrator whose consent was stored.
    fn page(&self, consent: &Consent) -> Page {
        let tenant = consent.tenant;
        match self {
            Self::Granted(_) => Page::good("Tenant connected", format!("The tenant {tenant} is connected.")),
            Self::NoRoles(api) => Page::bad(
                "Consented, without application permissions",
                format!(
                    "The tenant {tenant} has consented, but the application has no application permissions for {api}."
                ),
            ),
            Self::Unverified(_) | Self::Failed(_) => Page::good(
                "Consent received",
                format!(
                    "The consent of the tenant {tenant} was received. It is not verified yet by an app-only token of the application."
                ),
            ),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(roles) => write!(f, "verified: the app-only token has the roles {}", roles.join(" ")),
            Self::NoRoles(api) => write!(f, "the app-only token for {api} has no roles"),
            Self::Unverified(reason) => write!(f, "not verified{reason}"),
            Self::Failed(error) => write!(f, "not verified: no app-only token yet: {:#}", Report::of(&**error)),
        }
    }
}

/// Returns true if a token may be available later. The service needs some time to replicate a
/// consent.
fn may_succeed_later(error: &entra_client::Error) -> bool {
    let of_new_consent = matches!(
        error.class(),
        ErrorClass::Application | ErrorClass::Consent | ErrorClass::Scope
    );
    of_new_consent || error.is_retryable() || error.service().is_none()
}

/// Returns true if the only known problem is that the application lacks a permission in the tenant.
fn is_missing_permission(access: &Access) -> bool {
    match access {
        Access::Failed(error) => matches!(error.class(), ErrorClass::Application | ErrorClass::Consent),
        access => !matches!(access, Access::Granted(_)),
    }
}

/// Returns the failure for a consent that was rejected.
fn rejection(error: entra_client::Error, for_tenant: bool) -> Failure {
    if !for_tenant && is_missing_consent(&error) {
        return Failure::new(Exit::Permission, error).hint_instead(USE_ADMIN);
    }
    error.into()
}

fn rejection_page(error: &entra_client::Error) -> Page {
    let outcome = "The tenant is not connected.";
    if is_declined(error) {
        Page::failed("Consent was declined", outcome, error)
    } else {
        Page::failed("The tenant is not connected", outcome, error)
    }
}

/// Returns the failure for a consent that is not stored.
fn unconnected(consent: &Consent, access: &Access) -> Failure {
    let reason = match access {
        Access::NoRoles(api) => format!("the app-only token for {api} contains no application permission"),
        Access::Failed(error) if !is_missing_permission(access) => {
            let context = format!(
                "the tenant {} is not connected: no app-only token verifies the consent",
                consent.tenant
            );
            return Failure::from((**error).clone()).context(context);
        }
        Access::Failed(error) => {
            let problem = Failure::from((**error).clone()).problem;
            format!("no app-only token verifies it: {problem}")
        }
        access => access.to_string(),
    };
    let problem = format!(
        "the tenant {} is not connected: on v2 one user consented, and {reason}",
        consent.tenant
    );
    Failure::text(Exit::Permission, problem).hint(USE_ADMIN)
}

fn unconnected_page(consent: &Consent, access: &Access) -> Page {
    if let Access::Failed(error) = access
        && !is_missing_permission(access)
    {
        let outcome = format!(
            "The application did not get an app-only token in the tenant {}.",
            consent.tenant
        );
        return Page::failed("The tenant is not connected", &outcome, error);
    }
    Page::bad(
        "The tenant is not connected",
        format!(
            "You signed in to the tenant {} and consented for yourself. The application still has no application permissions \
             there: an administrator has to consent for the whole tenant.",
            consent.tenant
        ),
    )
}

fn unstored_page(consent: &Consent) -> Page {
    Page::bad(
        "The tenant could not be stored",
        format!(
            "The tenant {} has consented, but the consent could not be stored. The command in the terminal shows the reason.",
            consent.tenant
        ),
    )
}

/// Returns true if the state of a redirect is that of another sign-in. The expected redirect may
/// still arrive.
pub(crate) fn is_of_another_sign_in(error: &entra_client::Error) -> bool {
    match error.cause() {
        Some(AcquireError::Protocol(ProtocolError::Redirect(error))) => {
            matches!(error.problem, RedirectProblem::WrongState | RedirectProblem::NoState(_))
        }
        _ => false,
    }
}

/// Returns true if the user declined, for example with the Cancel button.
pub(crate) fn is_declined(error: &entra_client::Error) -> bool {
    error.service().is_some_and(|service| {
        let is_denied = matches!(
            &*service.error,
            "access_denied" | "permission_denied" | "authorization_declined"
        );
        service.codes.contains(&65004) || is_denied && service.codes.is_empty()
    })
}

/// Returns the failure of a sign-in. A user who declined needs another hint than an application
/// without consent.
pub(crate) fn sign_in_failure(error: entra_client::Error) -> Failure {
    let is_declined = is_declined(&error);
    let failure = Failure::from(error);
    if is_declined {
        failure.hint_instead("sign in again, and accept the request")
    } else {
        failure
    }
}

fn is_missing_consent(error: &entra_client::Error) -> bool {
    error.service().is_some_and(|service| service.codes.contains(&65001))
}

/// Returns the name of the user who consented, cut to the length that the tenant store allows.
fn user(consent: &Consent) -> Option<String> {
    Some(excerpt(&consent.username()?, 60))
}

/// Returns the granted permissions, by their names in tokens: the roles of the app-only token, the
/// scopes of the administrator's token, and the scopes that the admin-consent page returned.
fn granted(consent: &Consent, access: &Access, target: &Target) -> Vec<String> {
    let claims = consent.sign_in.as_ref();
    let claims = claims.and_then(|sign_in| UnverifiedClaims::decode(sign_in.token.expose()).ok());
    let scopes = claims.iter().flat_map(UnverifiedClaims::scopes);
    let api = target
        .audience()
        .map(|api| format!("{}/", api.trim_end_matches('/')))
        .unwrap_or_default();
    let named = consent.scope.iter().flat_map(|scope| scope.split_whitespace());
    let named = named.map(|name| name.strip_prefix(&api).unwrap_or(name).trim_start_matches('/'));
    let mut granted: Vec<String> = Vec::new();
    for name in access.roles().iter().map(String::as_str).chain(scopes).chain(named) {
        let name = excerpt(name, 100);
        if granted.len() < MOST_NAMED && !granted.contains(&name) {
            granted.push(name);
        }
    }
    granted
}

const USE_ADMIN: &str = "grant application permissions with --admin or --v1";

/// The most permissions that are stored.
const MOST_NAMED: usize = 100;

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra consent [OPTIONS] --scope <SCOPE>
       entra consent [OPTIONS] --resource <AUDIENCE>";
