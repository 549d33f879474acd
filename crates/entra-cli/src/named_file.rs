//! The names of files in arguments and variables.

use std::path::Path;

use crate::exit::{Exit, Failure};
use crate::outside::origin_of;
use crate::suspects::{LONGEST_PATH, holds_secret};

/// Refuses a key, a token or a secret in the place of the file that holds it, and a line end behind the path, before
/// anything is done with the path.
///
/// # Errors
/// Names the option or the variable, and never what it holds.
pub(crate) fn refuse_contents(path: &Path, exit: Exit) -> Result<(), Failure> {
    let text = path.to_string_lossy();
    let line = text.trim_end_matches(['\n', '\r']);
    let (problem, hint) = if line.contains(['\n', '\r']) || text.len() > LONGEST_PATH || holds_secret(&text) {
        (
            "holds a key or a token itself",
            "write that to a file, and name the file",
        )
    } else if line.len() < text.len() {
        (
            "ends with a line end",
            "take the line end out: a script or a file of variables may have Windows line ends",
        )
    } else {
        return Ok(());
    };
    let setting = origin_of(path.as_os_str()).unwrap_or_else(|| "the name of a file".to_owned());
    Err(Failure::text(exit, format!("{setting} {problem}")).hint(hint))
}
