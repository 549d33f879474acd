//! A client secret, and what makes one look wrong before it is sent.

use std::io::{self, IsTerminal};
use std::path::Path;

use entra_proto::{ClientSecret, Guid};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::files::read_text;
use crate::outside::keep_out;

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
        let typed = rpassword::prompt_password("Client secret: ");
        let typed = Zeroizing::new(typed.map_err(|error| Failure::new(Exit::Credential, error))?);
        return client_secret(&typed);
    }
    client_secret(&read_text(path, MAX_SECRET, Exit::Credential)?)
}

/// What makes a secret look wrong, and what to do about it.
pub(crate) fn doubt(secret: &str) -> Option<(&'static str, &'static str)> {
    let trimmed = secret.trim();
    if is_guid(secret) {
        return Some((
            "it looks like a secret's id",
            "send the secret's value, not its id; the value is shown only once, so make a new secret if it is lost",
        ));
    }
    if trimmed.len() < secret.len() {
        return Some((
            "it begins or ends with white space or a line end",
            "take it out: `printf %s` writes no line end, `echo` does",
        ));
    }
    let quoted = |quote: char| trimmed.len() > 1 && trimmed.starts_with(quote) && trimmed.ends_with(quote);
    if quoted('"') || quoted('\'') {
        return Some((
            "it stands in quotation marks",
            "take them out: not every file of variables is read by a shell",
        ));
    }
    None
}

pub(crate) fn is_guid(secret: &str) -> bool {
    secret.trim().parse::<Guid>().is_ok()
}

/// How long a secret may be, in bytes.
const MAX_SECRET: u64 = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_looks_like_none_is_doubted() {
        for (secret, said) in [
            ("aaaabbbb-0000-cccc-1111-dddd2222eeee", "id"),
            ("AAAABBBB-0000-CCCC-1111-DDDD2222EEEE\n", "id"),
            ("abc\n", "line end"),
            (" abc", "white space"),
            ("\"abc\"", "quotation"),
            ("'abc'", "quotation"),
        ] {
            assert!(
                doubt(secret).is_some_and(|(problem, _)| problem.contains(said)),
                "{secret}"
            );
        }
        for secret in ["qWgdYAmab0YSkuL1qKv5bPX", "a~b.c'", "\"", "a b"] {
            assert_eq!(doubt(secret), None, "{secret}");
        }
    }
}
