//! Why a daemon gets no token, step by step.

mod certificate;
mod clock;
mod configuration;
mod connection;
mod credential;
mod refusal;
mod report;
mod tenant;
mod token;

use clap::Args;

use crate::exit::Failure;
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::source::Traced;
use crate::target::TargetSettings;

use configuration::Configuration;
use credential::Credential;
use report::{Output, Report};

/// Find out why a daemon gets no token: settings, network, clock, tenant, credential, permissions.
///
/// Reads the same options and variables as `entra token` and requests a token in the same way. Prints one line for each check, with its
/// result (ok, warn, fail or skipped), what was found, and what to do. After a check that fails, the checks that do not depend on it still
/// run. The report contains no secrets and no tokens, so that it can be shared. It contains names: of the tenant, the application, the API
/// and files.
#[derive(Args)]
#[command(
    // Without a target there is still much to look at.
    mut_group("api", |group| group.required(false)),
    after_help = "\
Examples:
  entra doctor --resource https://graph.microsoft.com
  entra doctor --resource https://database.windows.net/ \\
    --certificate daemon.pem
  entra doctor -o json > report.json \\
    --scope https://graph.microsoft.com/.default

The exit code is 0 if no check fails, even with warnings. Otherwise it is that of the first check that fails:
  2, 3  a setting: tenant, client id, authority, scope,
        proxy; this machine's clock
  4     the secret, the certificate or the federated token
        cannot be read, or has expired
  5, 6  the authority rejects the request (unknown tenant,
        wrong credential); a permission is missing
  7, 8  there is no connection; no response in time
  9     a response or a token is malformed or unexpected"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Traced<TargetSettings>,

    #[command(flatten)]
    application: Traced<ApplicationSettings>,

    #[command(flatten)]
    network: Traced<NetworkSettings>,

    /// Request these claims (JSON), as an API's claims challenge asks for
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,

    /// What to print
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut report = Report::new(arguments.output);
    // Before anything is told, so that nothing that is told can hold it.
    let credential = Credential::read(&arguments.application.settings);
    credential.keep_out_of(&mut report);

    let configuration = Configuration::examine(arguments, &credential, &mut report)?;
    let answer = connection::examine(&configuration, &mut report)?;
    let now = clock::examine(answer.as_ref(), &mut report)?;
    let tenant_id = tenant::examine(&configuration, answer.as_ref(), &mut report)?;
    credential.examine(configuration.cloud.as_ref(), now, &mut report)?;
    let token = token::request(arguments, &configuration, &credential, &mut report)?;
    token::examine(&configuration, &credential, tenant_id, token.as_ref(), &mut report)?;
    report.finish()
}

/// The names of the checks, in their order.
mod name {
    pub(super) const AUTHORITY: &str = "authority";
    pub(super) const TENANT: &str = "tenant";
    pub(super) const CLIENT_ID: &str = "client-id";
    pub(super) const CREDENTIAL: &str = "credential";
    pub(super) const TARGET: &str = "target";
    pub(super) const REGION: &str = "region";
    pub(super) const NETWORK: &str = "network";
    pub(super) const CONNECTION: &str = "connection";
    pub(super) const CLOCK: &str = "clock";
    pub(super) const TENANT_FOUND: &str = "tenant-found";
    pub(super) const CERTIFICATE: &str = "certificate";
    pub(super) const FEDERATED_TOKEN: &str = "federated-token";
    pub(super) const TOKEN_REQUEST: &str = "token-request";
    pub(super) const TOKEN: &str = "token";
    pub(super) const AUDIENCE: &str = "audience";
    pub(super) const ROLES: &str = "roles";
    pub(super) const LIFETIME: &str = "lifetime";
    pub(super) const ISSUED_TO: &str = "issued-to";
}
