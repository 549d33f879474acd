//! The chain of credentials that the environment names, with `--chain`.

use clap::Args;
use entra::{TokenProxySettings, principal_from_env, token_proxy_from_env};
use entra_client::Principal;
use entra_proto::environment;

use super::{ApplicationSettings, NetworkSettings, region};
use crate::exit::{Exit, Failure};
use crate::source::Traced;

/// The option for the credentials of the environment.
#[derive(Args)]
pub(crate) struct ChainSettings {
    /// Use the first credential of the environment that is not absent: a secret or certificate, a
    /// workload identity, or a managed identity
    ///
    /// Only variables count, not options and profiles. AZURE_TOKEN_CREDENTIALS selects the
    /// credentials: prod (the default), dev for Azure CLI and Azure Developer CLI, or one by its
    /// name. A credential that is rejected is never replaced by the next one. `entra doctor
    /// --chain` shows which one is used, and why others are absent.
    #[arg(long, conflicts_with = "managed_identity")]
    chain: bool,
}

/// The principal that the environment names, and the token proxy of its cluster.
pub(crate) struct ChainPrincipal {
    pub(crate) principal: Principal,
    pub(crate) token_proxy: Option<TokenProxySettings>,
}

impl ChainSettings {
    /// Returns true if the token is that of the environment's credentials.
    pub(crate) fn is_wanted(&self) -> bool {
        self.chain
    }

    /// Returns the principal, or `None` without `--chain`.
    ///
    /// # Errors
    /// Returns an error if an option of an application is given, or if a variable is invalid.
    pub(crate) fn principal(
        &self,
        application: &Traced<ApplicationSettings>,
        network: &NetworkSettings,
    ) -> Result<Option<ChainPrincipal>, Failure> {
        if !self.chain {
            return Ok(None);
        }
        application.settings.reject_secret_on_command_line()?;
        if let Some((name, flag)) = application.flags().next() {
            let problem = format!("{flag} has no effect with --chain, which reads only variables");
            return Err(Failure::text(Exit::Usage, problem).hint(match variable_of(name) {
                Some(variable) => format!("set {variable}, or remove one of them"),
                None => "remove one of them".to_owned(),
            }));
        }
        region::detect(network)?;
        let principal = principal_from_env()?;
        Ok(Some(ChainPrincipal {
            token_proxy: token_proxy_from_env(&principal)?,
            principal,
        }))
    }
}

/// Returns the variable with the meaning of an option.
fn variable_of(option: &str) -> Option<&'static str> {
    Some(match option {
        "tenant" => environment::TENANT_ID,
        "client_id" | "identity_client_id" => environment::CLIENT_ID,
        "authority_host" => environment::AUTHORITY_HOST,
        "secret_file" => environment::CLIENT_SECRET,
        "certificate" => environment::CLIENT_CERTIFICATE_PATH,
        "certificate_password_file" => environment::CLIENT_CERTIFICATE_PASSWORD,
        "send_certificate_chain" => environment::CLIENT_SEND_CERTIFICATE_CHAIN,
        "federated_token_file" => environment::FEDERATED_TOKEN_FILE,
        _ => return None,
    })
}
