//! The options of the second issuer, which issues assertions for federated credentials.

use std::path::PathBuf;

use clap::Args;
use entra_emulator::{AssertionSource, Emulator, EmulatorBuilder};

use crate::exit::{Exit, Failure};
use crate::named_file::reject_contents;

#[derive(Args)]
pub(super) struct Federation {
    /// Add a second issuer, which issues assertions for federated credentials like GitHub Actions,
    /// Azure Pipelines and Google; the printed variables name its services
    #[arg(long)]
    second_issuer: bool,

    /// Write the token of the service account `app` of a cluster to this file, renew it, and add
    /// the second issuer; the file takes the place of the secret in the printed variables, and is
    /// not removed
    #[arg(long, value_name = "FILE", conflicts_with = "managed_identity")]
    federated_token_file: Option<PathBuf>,
}

impl Federation {
    /// # Errors
    /// Returns an error if the option contains a token in place of the name of a file.
    pub(super) fn apply(&self, builder: EmulatorBuilder) -> Result<EmulatorBuilder, Failure> {
        let builder = match self.second_issuer {
            true => builder.second_issuer(),
            false => builder,
        };
        match &self.federated_token_file {
            Some(path) => {
                reject_contents(path, Exit::Configuration)?;
                Ok(builder.federated_token_file(path))
            }
            None => Ok(builder),
        }
    }

    /// Adds the variables of the services to those of the first application. A token file replaces
    /// the secret: a program must not have to choose.
    pub(super) fn variables(
        &self,
        mut variables: Vec<(&'static str, String)>,
        emulator: &Emulator,
    ) -> Vec<(&'static str, String)> {
        // The emulator wrote the file, so its folder exists.
        let file = self.federated_token_file.as_ref();
        if let Some(path) = file.map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())) {
            variables.retain(|(name, _)| *name != SECRET);
            variables.push(("AZURE_FEDERATED_TOKEN_FILE", path.to_string_lossy().into_owned()));
        }
        let services = AssertionSource::ALL.iter();
        variables.extend(services.flat_map(|service| emulator.assertion_environment(*service)));
        variables
    }

    /// Returns the variables that the shell or the command must not have.
    pub(super) fn unset(&self) -> Vec<&'static str> {
        match self.federated_token_file {
            Some(_) => vec![SECRET, CERTIFICATE],
            None => Vec::new(),
        }
    }
}

const SECRET: &str = "AZURE_CLIENT_SECRET";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
