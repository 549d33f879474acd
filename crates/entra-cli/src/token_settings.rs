//! The options that describe one token: the API, the application, the network, the claims.

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

/// The options for one token: the API, the application, and the network.
#[derive(Args)]
pub(crate) struct TokenSettings {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    application: Traced<ApplicationSettings>,

    #[command(flatten)]
    network: NetworkSettings,

    /// The claims from an API's claims challenge, as JSON
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
}

impl TokenSettings {
    /// Returns the API that the token is for.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        self.target.target()
    }

    /// Returns true if an option names the API.
    pub(crate) fn names_api(&self) -> bool {
        !self.target.arguments().is_empty()
    }

    /// Sets the claims from an API's challenge.
    pub(crate) fn set_claims(&mut self, claims: &ClaimsRequest) {
        self.claims = Some(claims.as_str().to_owned());
    }

    /// Returns the network options.
    pub(crate) fn network(&self) -> &NetworkSettings {
        &self.network
    }

    /// Sets the API's audience if no option names an API.
    pub(crate) fn default_resource(&mut self, audience: &str) {
        self.target.default_resource(audience);
    }

    /// Returns the options that name the API, quoted for a shell.
    pub(crate) fn target_arguments(&self) -> String {
        self.target.arguments()
    }

    /// Returns the token options: the claims, if any.
    pub(crate) fn options(&self) -> Result<TokenOptions, Failure> {
        let options = TokenOptions::default();
        Ok(match self.claims()? {
            Some(claims) => options.with_claims(claims),
            None => options,
        })
    }

    /// Returns the path of the file with the client secret, if an option names one.
    pub(crate) fn secret_file(&self) -> Option<&Path> {
        self.application.settings.secret_file()
    }

    /// Returns the claims from an API's challenge.
    pub(crate) fn claims(&self) -> Result<Option<ClaimsRequest>, Failure> {
        Ok(self.claims.as_deref().map(ClaimsRequest::parse).transpose()?)
    }

    /// Returns the application. It has no credential if it is `public`, or if it `may_be_public`
    /// and no credential is set.
    pub(crate) fn application(&self, public: bool, may_be_public: bool) -> Result<Application, Failure> {
        let settings = &self.application.settings;
        match (public, may_be_public) {
            (true, _) => settings.public_application(),
            (false, true) => settings.application_in(settings.tenant()?, true),
            (false, false) => settings.application(),
        }
    }

    /// Returns a client builder with this policy, limited to `--timeout`.
    pub(crate) fn client(&self, policy: Policy) -> Result<ClientBuilder, Failure> {
        self.client_of(self.application.settings.application()?, policy)
    }

    /// Returns a client builder for this application with this policy, limited to `--timeout`.
    pub(crate) fn client_of(&self, application: Application, policy: Policy) -> Result<ClientBuilder, Failure> {
        self.network.client(application, policy)
    }

    /// Returns the settings of the application, and the source of each.
    pub(crate) fn settings(&self) -> &Traced<ApplicationSettings> {
        &self.application
    }

    /// Returns the time limit of a request.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.network.timeout())
    }
}
