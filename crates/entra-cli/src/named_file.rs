//! Paths in arguments and variables, checked for secrets that users paste in their place.

use std::path::Path;

use crate::exit::{Exit, Failure};
use crate::sanitize::origin_of;
use crate::secret_detection::{LONGEST_PATH, holds_secret};

/// Rejects a key, a token or a secret in the place of a path, and a line end after the path. Called
/// before the path is used.
///
/// # Errors
/// Returns a failure that names the option or the variable, and never its value.
pub(crate) fn reject_contents(path: &Path, exit: Exit) -> Result<(), Failure> {
    let text = path.to_string_lossy();
    let line = text.trim_end_matches(['\n', '\r']);
    let (problem, hint) = if line.contains(['\n', '\r']) || text.len() > LONGEST_PATH || holds_secret(&text) {
        (
            "contains a key or a token instead of a path",
            "write the key or token to a file, and give its path",
        )
    } else if line.len() < text.len() {
        (
            "ends with a line break",
            "remove the line break; the script or file that sets it may have Windows line ends",
        )
    } else {
        return Ok(());
    };
    let setting = origin_of(path.as_os_str()).unwrap_or_else(|| "a path".to_owned());
    Err(Failure::text(exit, format!("{setting} {problem}")).hint(hint))
}
