use clap::Args;
use entra_client::blocking::{Client, Threads};
use entra_client::{ClientBuilder, Policy, TokenOptions};
use entra_proto::{ClaimsRequest, Target};

use crate::exit::Failure;
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::target::TargetSettings;

/// Which token is wanted, by whom, and how to get it.
#[derive(Args)]
pub(crate) struct TokenSettings {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: ApplicationSettings,

    #[command(flatten)]
    network: NetworkSettings,

    /// Pass on what an API's claims challenge asked for, as JSON
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
}

impl TokenSettings {
    /// The API that the token is for.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        self.target.target()
    }

    /// What else it is wanted for.
    pub(crate) fn options(&self) -> Result<TokenOptions, Failure> {
        let options = TokenOptions::default();
        Ok(match &self.claims {
            Some(claims) => options.claims(ClaimsRequest::parse(claims)?),
            None => options,
        })
    }

    /// A client that keeps to this policy, within the time allowed.
    pub(crate) fn client(&self, mut policy: Policy) -> Result<ClientBuilder<Threads>, Failure> {
        policy.retry = self.network.retry();
        // Nobody else asks, but a policy whose patience is shorter than its tries is none.
        policy.patience = policy.retry.deadline.saturating_mul(2);
        let application = self.application.application()?;
        Ok(Client::builder(application, self.network.transport()?).policy(policy))
    }
}
