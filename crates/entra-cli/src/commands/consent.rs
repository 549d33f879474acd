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

/// Let the administrator of a tenant consent to an application, and print the tenant's id.
///
/// It opens the browser, or prints a URL for the administrator's, and waits for the browser to come back. Then it requests an app-only token in the
/// tenant, which shows the application permissions that were granted, stores the tenant (`entra tenants list`) and prints its id. From
/// then on `entra token --tenant ID` gets app-only tokens there.
///
/// Register the redirect URI first: http://localhost:8400/ (or http://HOST:PORT/ of --listen, or --redirect-uri) in the app registration,
/// under Authentication, platform "Web", or "Mobile and desktop applications" for a public client. If it is missing, Entra's page says
/// AADSTS50011 or AADSTS500113.
#[derive(Args)]
#[command(override_usage = USAGE, after_help = "\
Examples:
  export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
  # the administrator signs in, a code comes back
  entra consent --v1 --resource https://manage.office.com
  # the admin-consent page
  entra consent --admin \\
    --resource https://graph.microsoft.com
  entra token --v1 --resource https://manage.office.com \\
    --tenant $(entra consent --v1 \\
      --resource https://manage.office.com)

With --v1 or --admin the administrator consents for the whole tenant, application permissions included. On v2 without --admin the consent \
is for the signed-in user alone and grants no application permission: the tenant is connected only if the application has some already.

Exit code 6: the application has no application permission for the API in that tenant, and its app-only tokens are of no use there. On \
v2 without --admin nothing is stored then. Where the token service cannot tell yet, a consent for the whole tenant is stored, and \"not \
proved\" is written to standard error (\"proved\": false in JSON).")]
#[command(mut_arg("tenant", |tenant| tenant
    .env(Resettable::Reset)
    .help("The tenant whose administrator consents: its id or a domain [default: any tenant may sign in]")))]
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

    /// Through the admin-consent page: /v2.0/adminconsent, or /adminconsent with --v1
    #[arg(long)]
    admin: bool,

    /// What to print
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Tenant)]
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
    let tenant_store = arguments.tenant_store.store()?;
    // Better now than when somebody has consented.
    tenant_store.check()?;
    let client_id = application.client_id();
    let cloud = application.authority().cloud().clone();
    let client = Client::builder(application, arguments.network.transport()?).observer(log_event);
    let client = client.build()?;

    let mut callback = arguments.callback.listen(client.application())?;
    let redirect_uri = callback.redirect_uri().clone();
    let flow = if arguments.admin {
        ConsentFlow::admin_page(&client, target.clone(), redirect_uri)?
    } else {
        ConsentFlow::new(&client, target.clone(), redirect_uri)?
    };
    let for_tenant = arguments.admin || client.application().version() == EndpointVersion::V1;
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
            let context = format!("{} has consented, but that is not stored", consent.tenant);
            Failure::from(error).context(context)
        })
    };
    // The page tells what is true: what the app-only token holds, and that the tenant is stored. The administrator closes the page and
    // does not look again.
    let connected = callback.wait(|redirect| {
        let consent = match flow.finish(&pending, redirect) {
            Ok(consent) => consent,
            Err(error) if is_anothers(&error) => return Outcome::Unrelated(error),
            Err(error) => return Outcome::Done(refusal_page(&error), Err(refusal(error, for_tenant))),
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
                "{} has consented, but the app-only token for {api} holds no application permission",
                consent.tenant
            );
            return Err(Failure::text(Exit::Permission, problem)
                .hint("add application permissions to the app registration, and let the administrator consent again"));
        }
        Access::Failed(error) if !may_pass(error) => {
            let context = format!("{} has consented, but gives the application no token", consent.tenant);
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
    // Rather now than when somebody has signed in there.
    tenant.check_consent()?;
    // The admin-consent page sends no code, so nothing has to be proved.
    settings.application_in(tenant, arguments.admin)
}

/// What the application itself may do in the tenant, by its app-only token: what all this is for, and the proof of it, since a browser
/// can say anything.
enum Access {
    /// The token holds these application permissions.
    Granted(Vec<String>),
    /// The token for this API holds none.
    NoRoles(String),
    /// No token was requested: the reason, to be written behind "not proved".
    Unproved(String),
    /// There is no token.
    Failed(Box<entra_client::Error>),
}

impl Access {
    fn of(client: &Client, consent: &Consent, target: &Target) -> Self {
        if matches!(client.application().credential(), ClientCredential::Public) {
            return Self::Unproved(", without a credential: the browser alone has said so".to_owned());
        }
        let api = match target.audience() {
            Ok(api) => api,
            Err(error) => return Self::Unproved(format!(": {error}")),
        };
        match client.tenant(consent.tenant).roles(target) {
            Ok(roles) if roles.is_empty() => Self::NoRoles(harmless(&api)),
            Ok(roles) => Self::Granted(roles.iter().map(|role| excerpt(role, 100)).take(MOST_NAMED).collect()),
            Err(error) => Self::Failed(Box::new(error)),
        }
    }

    /// Whether the tenant is to be stored. Without proof, the consent of one user gives the application nothing, and a tenant that the
    /// service does not know was made up by the browser.
    fn connects(&self, for_tenant: bool) -> bool {
        match self {
            Self::Granted(_) => true,
            Self::Failed(error) if error.class() == ErrorClass::Tenant => false,
            Self::NoRoles(_) | Self::Unproved(_) | Self::Failed(_) => for_tenant,
        }
    }

    fn roles(&self) -> &[String] {
        match self {
            Self::Granted(roles) => roles,
            Self::NoRoles(_) | Self::Unproved(_) | Self::Failed(_) => &[],
        }
    }

    /// The page for an administrator who has consented for the whole tenant.
    fn page(&self, consent: &Consent) -> Page {
        let tenant = consent.tenant;
        match self {
            Self::Granted(_) => Page::good("Tenant connected", format!("The tenant {tenant} is connected.")),
            Self::NoRoles(api) => Page::bad(
                "Consented, without application permissions",
                format!(
                    "The tenant {tenant} has consented, but the application has no permission of its own for {api}."
                ),
            ),
            Self::Unproved(_) | Self::Failed(_) => Page::good(
                "Consent received",
                format!(
                    "The consent of the tenant {tenant} has come back. The application has no token of its own to confirm it yet."
                ),
            ),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(roles) => write!(
                f,
                "proved: app-only tokens are issued there, with the roles {}",
                roles.join(" ")
            ),
            Self::NoRoles(api) => write!(f, "app-only tokens for {api} are issued there, without any role"),
            Self::Unproved(why) => write!(f, "not proved{why}"),
            Self::Failed(error) => write!(f, "not proved: no app-only token there yet: {:#}", Report::of(&**error)),
        }
    }
}

/// Whether there may be a token later: the service takes a while to know of a consent everywhere.
fn may_pass(error: &entra_client::Error) -> bool {
    let of_late_consent = matches!(
        error.class(),
        ErrorClass::Application | ErrorClass::Consent | ErrorClass::Scope
    );
    of_late_consent || error.is_retryable() || error.service().is_none()
}

/// Whether the application lacks a permission in the tenant, and nothing else is known to be wrong.
fn is_missing_permission(access: &Access) -> bool {
    match access {
        Access::Failed(error) => matches!(error.class(), ErrorClass::Application | ErrorClass::Consent),
        access => !matches!(access, Access::Granted(_)),
    }
}

/// What the command says of a consent that did not come about.
fn refusal(error: entra_client::Error, for_tenant: bool) -> Failure {
    if !for_tenant && is_missing_consent(&error) {
        return Failure::new(Exit::Permission, error).hint_instead(USE_ADMIN);
    }
    error.into()
}

fn refusal_page(error: &entra_client::Error) -> Page {
    let outcome = "The tenant is not connected.";
    if is_declined(error) {
        Page::failed("Consent was declined", outcome, error)
    } else {
        Page::failed("The tenant is not connected", outcome, error)
    }
}

/// What is said after a consent that is not stored.
fn unconnected(consent: &Consent, access: &Access) -> Failure {
    let why = match access {
        Access::NoRoles(api) => format!("the app-only token for {api} holds no application permission"),
        Access::Failed(error) if !is_missing_permission(access) => {
            let context = format!(
                "the tenant {} is not connected: no app-only token proves the consent",
                consent.tenant
            );
            return Failure::from((**error).clone()).context(context);
        }
        Access::Failed(error) => {
            let problem = Failure::from((**error).clone()).problem;
            format!("no app-only token proves it: {problem}")
        }
        access => access.to_string(),
    };
    let problem = format!(
        "the tenant {} is not connected: on v2 one user consented, and {why}",
        consent.tenant
    );
    Failure::text(Exit::Permission, problem).hint(USE_ADMIN)
}

fn unconnected_page(consent: &Consent, access: &Access) -> Page {
    if let Access::Failed(error) = access
        && !is_missing_permission(access)
    {
        let outcome = format!(
            "The application got no token of its own in the tenant {}.",
            consent.tenant
        );
        return Page::failed("The tenant is not connected", &outcome, error);
    }
    Page::bad(
        "The tenant is not connected",
        format!(
            "You signed in to the tenant {} and consented for yourself. The application still has no permission of its own there: an \
             administrator has to consent for the whole tenant.",
            consent.tenant
        ),
    )
}

fn unstored_page(consent: &Consent) -> Page {
    Page::bad(
        "The tenant could not be stored",
        format!(
            "The tenant {} has consented, but that could not be stored. The command that waited for you says why.",
            consent.tenant
        ),
    )
}

/// Whether a redirect belongs to another sign-in, by its state: the one that is waited for may still come.
pub(crate) fn is_anothers(error: &entra_client::Error) -> bool {
    match error.cause() {
        AcquireError::Protocol(ProtocolError::Redirect(error)) => {
            matches!(error.problem, RedirectProblem::WrongState | RedirectProblem::NoState(_))
        }
        _ => false,
    }
}

/// Whether the user pressed Cancel.
pub(crate) fn is_declined(error: &entra_client::Error) -> bool {
    error.service().is_some_and(|service| {
        let word = matches!(&*service.error, "access_denied" | "permission_denied");
        service.codes.contains(&65004) || word && service.codes.is_empty()
    })
}

fn is_missing_consent(error: &entra_client::Error) -> bool {
    error.service().is_some_and(|service| service.codes.contains(&65001))
}

/// Who consented, in as many characters as a directory takes.
fn user(consent: &Consent) -> Option<String> {
    Some(excerpt(&consent.username()?, 60))
}

/// What was granted, by the names that tokens have for it: the roles of the app-only token, the scopes of the administrator's, and what
/// the admin-consent page named.
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

const USE_ADMIN: &str = "grant application permissions with --admin, or with --v1";

/// How many permissions are stored.
const MOST_NAMED: usize = 100;

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra consent [OPTIONS] --scope <SCOPE>
       entra consent [OPTIONS] --resource <AUDIENCE>";
