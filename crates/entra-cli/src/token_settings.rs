//! The options that describe one token: the API, the application, the network, the claims.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use entra_client::blocking::{Client, ClientBuilder};
use entra_client::{ChainReport, Policy, TokenOptions};
use entra_proto::claims::ClaimsRequest;
use entra_proto::environment::CredentialSource;
use entra_proto::{Application, Cloud, Target};

use crate::exit::Failure;
use crate::principal_settings::PrincipalSettings;
use crate::settings::{ApplicationSettings, NetworkSettings, detection};
use crate::source::Traced;
use crate::target::TargetSettings;
use crate::token_output::Issuer;

/// The options for one token: the API, the application, and the network.
#[derive(Args)]
pub(crate) struct TokenSettings {
    #[command(flatten)]
    target: TargetSettings,

    #[command(flatten)]
    principal: PrincipalSettings,

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
        &self.principal.network
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
        self.principal.application.settings.secret_file()
    }

    /// Returns the claims from an API's challenge.
    pub(crate) fn claims(&self) -> Result<Option<ClaimsRequest>, Failure> {
        Ok(self.claims.as_deref().map(ClaimsRequest::parse).transpose()?)
    }

    /// Returns the application. It has no credential if it is `public`, or if it `may_be_public`
    /// and no credential is set.
    pub(crate) fn application(&self, public: bool, may_be_public: bool) -> Result<Application, Failure> {
        let settings = &self.principal.application.settings;
        match (public, may_be_public) {
            (true, _) => settings.public_application(),
            (false, true) => settings.application_in(settings.tenant()?, true),
            (false, false) => settings.application(&self.principal.network),
        }
    }

    /// Returns a client of app-only tokens with this policy, limited to `--timeout`.
    pub(crate) fn client(&self, policy: Policy) -> Result<Client, Failure> {
        self.built(self.builder(policy)?)
    }

    /// Returns a builder of [`client`](Self::client), which [`built`](Self::built) completes.
    pub(crate) fn builder(&self, policy: Policy) -> Result<ClientBuilder, Failure> {
        self.principal.builder(policy)
    }

    /// Builds the client of the application, or of its agent.
    pub(crate) fn built(&self, builder: ClientBuilder) -> Result<Client, Failure> {
        self.principal.of_agent(builder.build()?)
    }

    /// Returns the cloud of the tokens.
    pub(crate) fn cloud(&self) -> Result<Cloud, Failure> {
        self.principal.cloud()
    }

    /// Returns the option, if any, for a principal other than the application.
    pub(crate) fn principal_option(&self) -> Option<&'static str> {
        self.principal.option()
    }

    /// Returns the issuer of the tokens of a client.
    pub(crate) fn issuer(&self, client: &Client) -> Result<Issuer, Failure> {
        if client.application().is_some() {
            return Ok(Issuer::Authority(client.authority()?));
        }
        let chain = client.chain();
        let chosen = chain.as_ref().and_then(ChainReport::chosen);
        let program = chosen.filter(|name| *name != CredentialSource::ManagedIdentity.name());
        Ok(match program {
            Some(name) => Issuer::Program(name.to_owned()),
            None => Issuer::Platform(detection().source()),
        })
    }

    /// Returns a client builder for this application with this policy, limited to `--timeout`.
    pub(crate) fn client_of(&self, application: Application, policy: Policy) -> Result<ClientBuilder, Failure> {
        self.principal.network.client(application, policy)
    }

    /// Returns the settings of the application, and the source of each.
    pub(crate) fn settings(&self) -> &Traced<ApplicationSettings> {
        &self.principal.application
    }

    /// Returns the time limit of a request.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.principal.network.timeout())
    }
}
