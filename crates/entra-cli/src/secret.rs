//! A client secret, and what makes one look wrong before it is sent.

use std::io::{self, IsTerminal};
use std::path::Path;

use entra_proto::{ClientSecret, Guid};

use crate::exit::{Exit, Failure};
use crate::files::read_text;
use crate::outside::keep_out;
use crate::prompt;

/// Takes a text for a client secret.
///
/// # Errors
/// Where it is empty, too long or not plain text.
pub(crate) fn client_secret(text: &str) -> Result<ClientSecret, Failure> {
    let secret = ClientSecret::new(text).map_err(|error| Failure::new(Exit::Credential, error))?;
    if !is_guid(text) {
        keep_out(text.trim());
    }
    Ok(secret)
}

/// Reads a client secret from a file, or from standard input where the path is `-`: at a terminal without showing it.
pub(crate) fn read(path: &Path) -> Result<ClientSecret, Failure> {
    if path.as_os_str() == "-" && io::stdin().is_terminal() {
        let typed = prompt::line("Client secret", MAX_SECRET as usize);
        return client_secret(&typed.map_err(|error| Failure::of(Exit::Credential, &error))?);
    }
    client_secret(&read_text(path, "the client secret", MAX_SECRET, Exit::Credential)?)
}

pub(crate) fn is_guid(secret: &str) -> bool {
    secret.trim().parse::<Guid>().is_ok()
}

/// How long a secret may be, in bytes.
const MAX_SECRET: u64 = 8 * 1024;
