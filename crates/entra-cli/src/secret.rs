//! Client secrets from text, files, standard input and the terminal.

use std::io::{self, IsTerminal};
use std::path::Path;

use entra_proto::{ClientSecret, Guid};

use crate::exit::{Exit, Failure};
use crate::files::read_text;
use crate::prompt;
use crate::sanitize::register_secret;

/// Parses a client secret, and keeps it out of all later output.
///
/// # Errors
/// Returns an error if the secret is empty, too long or not plain text.
pub(crate) fn client_secret(text: &str) -> Result<ClientSecret, Failure> {
    let secret = ClientSecret::new(text).map_err(|error| Failure::new(Exit::Credential, error))?;
    if !is_guid(text) {
        register_secret(text.trim());
    }
    Ok(secret)
}

/// Reads a client secret from a file, or from standard input if the path is `-`. A terminal does
/// not show what is typed.
pub(crate) fn read(path: &Path) -> Result<ClientSecret, Failure> {
    if path.as_os_str() == "-" && io::stdin().is_terminal() {
        let typed = prompt::line("Client secret", MAX_SECRET as usize);
        return client_secret(&typed.map_err(|error| Failure::of(Exit::Credential, &error))?);
    }
    client_secret(&read_text(path, "the client secret", MAX_SECRET, Exit::Credential)?)
}

/// Returns true if a secret is a GUID, which is the secret's ID and not its value.
pub(crate) fn is_guid(secret: &str) -> bool {
    secret.trim().parse::<Guid>().is_ok()
}

/// The maximum length of a secret, in bytes.
const MAX_SECRET: u64 = 8 * 1024;
