//! The search for `entra.toml`: the project's file and the user's file.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::folders::{home, user_folder};
use crate::profile::file::ConfigFile;

/// The name of the file, everywhere.
pub(crate) const FILE: &str = "entra.toml";

/// Returns the existing files, the project's first.
///
/// # Errors
/// Returns an error if a file is invalid.
pub(crate) fn found_files() -> Result<Vec<ConfigFile>, Failure> {
    // A user's file that may exist but cannot be accessed is an error and not skipped.
    let user = user_file().filter(|path| match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    });
    let is_users = |path: &PathBuf| user.as_ref().is_some_and(|user| is_same(user, path));
    let project = project_file().filter(|path| !is_users(path));
    let project = project.map(|path| ConfigFile::read(&path, true));
    let user = user.map(|path| ConfigFile::read(&path, false));
    [project, user].into_iter().flatten().collect()
}

/// Returns the project's file: the nearest one in the current folder and its parents, up to the
/// root of the repository or below the home folder. Outside of both, only the current folder is
/// searched, since its parents may belong to other users.
pub(crate) fn project_file() -> Option<PathBuf> {
    let current = env::current_dir().ok()?;
    let home = home();
    let folders = searched(&current, home.as_deref());
    folders
        .into_iter()
        .map(|folder| folder.join(FILE))
        .find(|path| is_there(path))
}

/// Returns the path of the user's file, which may not exist.
pub(crate) fn user_file() -> Option<PathBuf> {
    user_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join(FILE))
}

/// Returns the folders to search for the project's file.
fn searched<'a>(current: &'a Path, home: Option<&Path>) -> Vec<&'a Path> {
    let mut folders = Vec::new();
    for folder in current.ancestors() {
        if home == Some(folder) && folder != current {
            return folders;
        }
        folders.push(folder);
        if folder.join(".git").exists() {
            return folders;
        }
    }
    vec![current]
}

/// Returns true if the path exists, even as a broken link: an unreadable file must not be skipped.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_ends_at_the_repository_or_the_home_folder() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (repository, inner) = (root.join("home/work/repository"), root.join("home/work/repository/a/b"));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir(repository.join(".git")).unwrap();
        let home = root.join("home");
        assert_eq!(
            searched(&inner, Some(&home)),
            [&*inner, &repository.join("a"), &*repository]
        );
        let plain = root.join("home/work/plain");
        assert_eq!(searched(&plain, Some(&home)), [&*plain, &root.join("home/work")]);
        assert_eq!(searched(&home, Some(&home)), [&*home]);
        let shared = root.join("shared/x");
        assert_eq!(searched(&shared, Some(&home)), [&*shared]);
        assert_eq!(searched(&shared, None), [&*shared]);
    }
}
