//! The folders of the user: the home folder, and this program's own folder for a kind of files.

use std::path::PathBuf;

/// Returns this program's folder below the folder in `variable`, or below `in_home` in the home
/// folder. Relative paths are ignored, as the XDG Base Directory Specification requires.
pub(crate) fn user_folder(variable: &str, in_home: &str) -> Option<PathBuf> {
    let folder = absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(in_home)))
        .or_else(|| absolute("LOCALAPPDATA"));
    Some(folder?.join("entra"))
}

/// Returns the user's home folder. Relative paths are ignored.
pub(crate) fn home() -> Option<PathBuf> {
    absolute("HOME").or_else(|| absolute("USERPROFILE").filter(|_| cfg!(windows)))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}
