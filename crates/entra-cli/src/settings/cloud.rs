//! The option for the cloud.

use clap::Args;

/// The option for the cloud.
#[derive(Args)]
pub(crate) struct CloudSetting {
    /// The cloud: public (the default), usgovernment, china, or an address such as
    /// https://contoso.ciamlogin.com or http://127.0.0.1:PORT
    #[arg(long, env = "AZURE_AUTHORITY_HOST", hide_env_values = true, value_name = "HOST")]
    pub(crate) authority_host: Option<String>,
}
