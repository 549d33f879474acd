//! The environment variables of CI systems, and the advice if one of them is not set.

/// Returns what to do if a variable of a CI system is not set.
pub(crate) fn advice(variable: &str) -> Option<&'static str> {
    Some(match variable {
        GITHUB_REQUEST_URL | GITHUB_REQUEST_TOKEN => {
            "give the job the permission id-token: write, with which GitHub Actions sets it; a pull request from a fork never has it"
        }
        PIPELINES_REQUEST_URI => "run the program in a job of Azure Pipelines, which sets it",
        PIPELINES_ACCESS_TOKEN => MAP_TOKEN,
        PIPELINES_SERVICE_CONNECTION_ID => {
            "set it to the ID of the service connection, or run the program in a task such as AzureCLI, which sets it"
        }
        _ => return None,
    })
}

pub(super) const GITHUB_REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
pub(super) const GITHUB_REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
pub(super) const PIPELINES_REQUEST_URI: &str = "SYSTEM_OIDCREQUESTURI";
pub(super) const PIPELINES_ACCESS_TOKEN: &str = "SYSTEM_ACCESSTOKEN";
pub(super) const PIPELINES_SERVICE_CONNECTION_ID: &str = "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID";

pub(super) const MAP_TOKEN: &str =
    "map the access token of the job into the step, as in env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }";
