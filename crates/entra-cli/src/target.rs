use clap::Args;
use entra_proto::Target;

use crate::exit::{Exit, Failure};
use crate::outside::shell_quoted;

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
    /// What a token is wanted for, where that need not be said.
    pub(crate) fn target_if_given(&self) -> Result<Option<Target>, Failure> {
        let is_given = self.scope.is_some() || self.resource.is_some();
        is_given.then(|| self.target()).transpose()
    }

    /// Names the API by its audience, where no option names one.
    pub(crate) fn resource_if_none(&mut self, audience: &str) {
        if self.scope.is_none() && self.resource.is_none() {
            self.resource = Some(audience.to_owned());
        }
    }

    /// The options as they were given, as words of a shell.
    pub(crate) fn words(&self) -> String {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => format!("--scope {}", shell_quoted(scope)),
            (None, Some(resource)) => format!("--resource {}", shell_quoted(resource)),
            (None, None) => String::new(),
        }
    }

    pub(crate) fn target(&self) -> Result<Target, Failure> {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => Ok(Target::scopes(scope)?),
            (None, Some(resource)) => Ok(Target::resource(resource)?),
            (None, None) => Err(Failure::text(Exit::Configuration, "no API is named")
                .hint("give --resource AUDIENCE, such as https://graph.microsoft.com, or --scope")),
        }
    }
}
