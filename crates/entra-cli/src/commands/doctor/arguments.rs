//! The arguments of `entra doctor`.

use clap::Args;
use entra_client::TokenOptions;
use entra_proto::claims::ClaimsRequest;

use crate::commands::doctor::report::Output;
use crate::exit::Failure;
use crate::settings::{AgentSettings, ApplicationSettings, ChainSettings, ManagedSettings, NetworkSettings};
use crate::source::Traced;
use crate::target::TargetSettings;

/// Find out why a daemon gets no token: settings, network, clock, tenant, credential, permissions.
///
/// Reads the same options and variables as `entra token` and requests a token in the same way.
/// Prints one line for each check, with its result (ok, warn, fail or skipped), what was found, and
/// what to do. After a check that fails, the checks that do not depend on it still run.
///
/// With --managed-identity the checks are those of the machine's managed identity: which platform
/// issues its tokens, and why that one was found.
///
/// With --chain the report says which credential of the environment is used, and why those before
/// it are absent. With --agent the token is that of an agent identity, and the application is its
/// blueprint.
///
/// The report contains no secrets and no tokens, so you can share it. It does contain the names of
/// the tenant, the application, the API and files.
#[derive(Args)]
#[command(
    // Most checks do not need a target.
    mut_group("api", |group| group.required(false)),
    after_help = "\
Examples:
  entra doctor --resource https://graph.microsoft.com
  entra doctor --resource https://database.windows.net/ \\
    --certificate daemon.pem
  entra doctor --managed-identity \\
    --resource https://vault.azure.net
  entra doctor --chain \\
    --resource https://vault.azure.net
  entra doctor --agent ... \\
    --resource https://graph.microsoft.com
  entra doctor -o json > report.json \\
    --scope https://graph.microsoft.com/.default

The exit code is 0 if no check fails, even with warnings. Otherwise it is the exit code of the first check that failed:
  2, 3  a setting is wrong: tenant, client ID, authority,
        scope, proxy, or this machine's clock
  4     the secret, the certificate or the federated token
        cannot be read, or has expired
  5, 6  the authority rejected the request (unknown tenant,
        wrong credential); a permission is missing
  7, 8  there is no connection; no response in time
  9     a response or a token is malformed or unexpected"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) target: Traced<TargetSettings>,

    #[command(flatten)]
    pub(super) application: Traced<ApplicationSettings>,

    #[command(flatten)]
    pub(super) managed: ManagedSettings,

    #[command(flatten)]
    pub(super) chain: ChainSettings,

    #[command(flatten)]
    pub(super) agent: AgentSettings,

    #[command(flatten)]
    pub(super) network: Traced<NetworkSettings>,

    /// Request these claims: the JSON from an API's claims challenge
    #[arg(long, value_name = "JSON")]
    pub(super) claims: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    pub(super) output: Output,
}

impl Arguments {
    /// Returns the options of the token request: the claims, if any.
    pub(super) fn options(&self) -> Result<TokenOptions, Failure> {
        let options = TokenOptions::default();
        Ok(match &self.claims {
            Some(claims) => options.with_claims(ClaimsRequest::parse(claims)?),
            None => options,
        })
    }
}
