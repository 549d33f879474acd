use std::path::Path;
use std::time::Duration;

use clap::Args;
use entra_client::blocking::ClientBuilder;
use entra_client::{Policy, TokenOptions};
use entra_proto::claims::ClaimsRequest;
use entra_proto::{Application, Target};

use crate::exit::Failure;
use crate::settings::{ApplicationSettings, NetworkSettings};
use crate::source::Traced;
use crate::target::TargetSettings;

/// Which token is wanted, by whom, and how to get it.
#[derive(Args)]
pub(crate) struct TokenSettings {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: Traced<ApplicationSettings>,

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

    /// Whether an option names the API.
    pub(crate) fn names_api(&self) -> bool {
        !self.target.words().is_empty()
    }

    /// Passes on what an API's challenge asked for.
    pub(crate) fn set_claims(&mut self, claims: &ClaimsRequest) {
        self.claims = Some(claims.as_str().to_owned());
    }

    /// How to reach the service.
    pub(crate) fn network(&self) -> &NetworkSettings {
        &self.network
    }

    /// Names the API by its audience, where no option names one.
    pub(crate) fn resource_if_none(&mut self, audience: &str) {
        self.target.resource_if_none(audience);
    }

    /// The options that name the API, as words of a shell.
    pub(crate) fn target_words(&self) -> String {
        self.target.words()
    }

    /// What else it is wanted for.
    pub(crate) fn options(&self) -> Result<TokenOptions, Failure> {
        let options = TokenOptions::default();
        Ok(match self.claims()? {
            Some(claims) => options.with_claims(claims),
            None => options,
        })
    }

    /// Where the secret is read from, if it is read from a file.
    pub(crate) fn secret_file(&self) -> Option<&Path> {
        self.application.settings.secret_file()
    }

    /// What an API's challenge asked for.
    pub(crate) fn claims(&self) -> Result<Option<ClaimsRequest>, Failure> {
        Ok(self.claims.as_deref().map(ClaimsRequest::parse).transpose()?)
    }

    /// Who asks: without a credential where it is `public`, or where it `may_be` and none is set.
    pub(crate) fn application(&self, public: bool, may_be: bool) -> Result<Application, Failure> {
        let settings = &self.application.settings;
        match (public, may_be) {
            (true, _) => settings.public_application(),
            (false, true) => settings.application_in(settings.tenant()?, true),
            (false, false) => settings.application(),
        }
    }

    /// A client that keeps to this policy, within the time allowed.
    pub(crate) fn client(&self, policy: Policy) -> Result<ClientBuilder, Failure> {
        self.client_of(self.application.settings.application()?, policy)
    }

    /// A client for this application that keeps to this policy, within the time allowed.
    pub(crate) fn client_of(&self, application: Application, policy: Policy) -> Result<ClientBuilder, Failure> {
        self.network.client(application, policy)
    }

    /// The settings of the application, and where each comes from.
    pub(crate) fn settings(&self) -> &Traced<ApplicationSettings> {
        &self.application
    }

    /// How long a request may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.network.timeout())
    }
}
