//! The second issuer, which issues assertions for federated credentials.

use crate::emulator::Emulator;
use crate::forge::AssertionForge;
use crate::second_issuer::{azure_pipelines_path, github_actions_path};
use crate::well_known::TOKEN_EXCHANGE;

/// A service from which a workload gets assertions of the second issuer. A cluster writes them to
/// a file instead: see [`AssertionForge::kubernetes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionSource {
    /// A job of GitHub Actions, for the branch `main` of `contoso/app`. A parameter `subject` that
    /// is added to its URL chooses another subject.
    GitHubActions,
    /// A job of Azure Pipelines, for the service connection `connection` of `contoso/app`.
    AzurePipelines,
    /// The metadata server of a Google machine.
    Google,
}

impl AssertionSource {
    /// All services.
    pub const ALL: &'static [Self] = &[Self::GitHubActions, Self::AzurePipelines, Self::Google];
}

impl Emulator {
    /// Begins an assertion of the second issuer. By default, it is that of a GitHub Actions job,
    /// for [`TOKEN_EXCHANGE`](Self::TOKEN_EXCHANGE).
    ///
    /// # Panics
    /// Panics without [`EmulatorBuilder::second_issuer`](crate::EmulatorBuilder::second_issuer).
    pub fn assertion(&self) -> AssertionForge<'_> {
        match &self.state.second_issuer {
            Some(issuer) => AssertionForge::new(&self.state, issuer),
            None => panic!("the emulator has no second issuer: call `second_issuer` on its builder"),
        }
    }

    /// Returns the URL of the second issuer, the `iss` of its assertions, or `None` without
    /// [`EmulatorBuilder::second_issuer`](crate::EmulatorBuilder::second_issuer).
    pub fn second_issuer_url(&self) -> Option<&str> {
        self.state.second_issuer.as_ref().map(|issuer| issuer.url.as_str())
    }

    /// Returns the environment variables with which a job, a pipeline or a machine gets assertions
    /// of the second issuer: with TLS if the emulator has it, except for Google's metadata server.
    /// Without the second issuer, the list is empty.
    ///
    /// ```
    /// use entra_emulator::{AssertionSource, Emulator};
    ///
    /// let emulator = Emulator::builder().second_issuer().start();
    /// let source = AssertionSource::GitHubActions;
    /// let variables = emulator.assertion_environment(source);
    /// assert_eq!(variables[0].0, "ACTIONS_ID_TOKEN_REQUEST_URL");
    /// ```
    pub fn assertion_environment(&self, source: AssertionSource) -> Vec<(&'static str, String)> {
        let Some(issuer) = &self.state.second_issuer else {
            return Vec::new();
        };
        // Official clients require TLS here as well.
        let base = self.tls_url().unwrap_or_else(|| self.base_url());
        let token = issuer.request_token.clone();
        match source {
            AssertionSource::GitHubActions => vec![
                (
                    "ACTIONS_ID_TOKEN_REQUEST_URL",
                    format!("{base}{}", github_actions_path()),
                ),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", token),
            ],
            AssertionSource::AzurePipelines => vec![
                ("SYSTEM_OIDCREQUESTURI", format!("{base}{}", azure_pipelines_path())),
                ("SYSTEM_ACCESSTOKEN", token),
                ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", issuer.connection_id.clone()),
            ],
            AssertionSource::Google => {
                let base = self.base_url();
                let host = base.split_once("://").map_or(base, |(_, host)| host);
                vec![("GCE_METADATA_HOST", host.to_owned())]
            }
        }
    }

    /// The identifier URI of the token exchange: `api://AzureADTokenExchange`. Its tokens are the
    /// assertions of federated credentials.
    pub const TOKEN_EXCHANGE: &'static str = TOKEN_EXCHANGE;
}
