use clap::Args;
use entra_proto::Target;

use crate::exit::{Exit, Failure};

/// What a token is wanted for.
#[derive(Args)]
#[group(id = "api", required = true, multiple = false)]
pub(crate) struct TargetSettings {
    /// The scope, such as https://graph.microsoft.com/.default
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,

    /// The API by its audience, such as https://database.windows.net/
    #[arg(long, value_name = "AUDIENCE")]
    resource: Option<String>,
}

impl TargetSettings {
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => Ok(Target::scopes(scope)?),
            (None, Some(resource)) => Ok(Target::resource(resource)?),
            (None, None) => Err(Failure::text(
                Exit::Configuration,
                "no API is named; give --resource AUDIENCE, such as https://graph.microsoft.com, or --scope",
            )),
        }
    }
}
