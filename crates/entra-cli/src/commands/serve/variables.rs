//! The environment variables by which programs find the server, and those that would lead them to
//! another credential.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use entra_proto::environment::{CLIENT_CERTIFICATE_PATH, CLIENT_ID, FEDERATED_TOKEN_FILE};
use entra_serve::{AccessKey, Endpoint, Identities};

use crate::commands::serve::options::ServerOptions;
use crate::exit::{Exit, Failure};
use crate::files::Replacement;
use crate::sanitize::{shell_quoted, shown};

/// The name and the value of a variable.
pub(in crate::commands) type Variable = (&'static str, String);

/// Returns the variables for all protocols of a server with this address.
pub(super) fn variables(options: &ServerOptions, address: SocketAddr, key: &AccessKey) -> Vec<Variable> {
    let origin = options.origin(address);
    let key = key.expose();
    let endpoint = format!("{origin}{}", Endpoint::APP_SERVICE_PATH);
    let mut variables = vec![("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", key.to_owned())];
    if options.imds {
        variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", origin.clone()));
    }
    if options.azd {
        variables.push(("AZD_AUTH_ENDPOINT", origin.clone()));
        variables.push(("AZD_AUTH_KEY", key.to_owned()));
    }
    if options.sidecar {
        variables.push(("SIDECAR_URL", origin));
    }
    variables
}

/// Returns the variables that a command must not have: the server's own secrets, and those by which
/// it would find another credential.
pub(super) fn unset(set: &[Variable], secrets: &[String], identities: &Identities) -> Vec<String> {
    let is_set = |name: &str| set.iter().any(|(known, _)| *known == name);
    let others = OTHERS
        .iter()
        .filter(|name| !is_set(name))
        .map(|name| (*name).to_owned());
    let mut unset: Vec<String> = secrets.iter().cloned().chain(others).collect();
    #[cfg(unix)]
    unset.extend(entra_serve::ServiceManager::VARIABLES.map(str::to_owned));
    // Programs ask for the identity with this ID.
    let asked = std::env::var(CLIENT_ID).ok().and_then(|id| id.trim().parse().ok());
    if !identities
        .iter()
        .any(|identity| asked.is_some() && identity.client_id() == asked)
    {
        unset.push(CLIENT_ID.to_owned());
    }
    unset
}

/// Returns a line for a shell for each variable.
pub(in crate::commands) fn exports(variables: &[Variable]) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let _ = writeln!(text, "export {name}={}", shell_quoted(value));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Writes the variables to a file that only this user can read.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(super) fn write(path: &Path, variables: &[Variable]) -> Result<(), Failure> {
    use std::io::Write as _;

    let mut text = String::new();
    for (name, value) in variables {
        let _ = writeln!(text, "{name}={value}");
    }
    let written = Replacement::of(path, true).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.finish()
    });
    written.map_err(|error| {
        Failure::of(Exit::Configuration, &error)
            .context(shown(path))
            .hint("give another file with --env-file")
    })
}

/// The variables by which programs find a credential before they ask a server on this machine.
const OTHERS: &[&str] = &[
    CLIENT_CERTIFICATE_PATH,
    FEDERATED_TOKEN_FILE,
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZUREPS_HOST_ENVIRONMENT",
    "DEFAULT_IDENTITY_CLIENT_ID",
    "IDENTITY_API_VERSION",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];
