//! The options that name the API a token is for: `--scope` and `--resource`.

use clap::Args;
use entra_proto::Target;

use crate::exit::{Exit, Failure};
use crate::sanitize::shell_quoted;

/// The API that a token is for.
#[derive(Args)]
#[group(id = "api", required = true, multiple = false)]
pub(crate) struct TargetSettings {
    /// The scope, such as https://graph.microsoft.com/.default; for a user also several, in
    /// quotation marks: "User.Read Mail.Read"
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,

    /// The API by its audience, such as https://database.windows.net/
    #[arg(long, value_name = "AUDIENCE")]
    resource: Option<String>,
}

impl TargetSettings {
    /// Returns the target, or `None` if no option names one.
    pub(crate) fn target_if_given(&self) -> Result<Option<Target>, Failure> {
        let is_given = self.scope.is_some() || self.resource.is_some();
        is_given.then(|| self.target()).transpose()
    }

    /// Sets the API's audience if no option names an API.
    pub(crate) fn default_resource(&mut self, audience: &str) {
        if self.scope.is_none() && self.resource.is_none() {
            self.resource = Some(audience.to_owned());
        }
    }

    /// Returns the given options, quoted for a shell.
    pub(crate) fn arguments(&self) -> String {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => format!("--scope {}", shell_quoted(scope)),
            (None, Some(resource)) => format!("--resource {}", shell_quoted(resource)),
            (None, None) => String::new(),
        }
    }

    /// Returns the target.
    ///
    /// # Errors
    /// Returns an error if no option names an API, or the name is invalid.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => Ok(Target::scopes(scope)?),
            (None, Some(resource)) => Ok(Target::resource(resource)?),
            (None, None) => Err(Failure::text(Exit::Configuration, "no API is given")
                .hint("add --resource AUDIENCE, such as https://graph.microsoft.com, or --scope SCOPE")),
        }
    }
}
