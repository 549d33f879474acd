//! Where `entra.toml` is looked for.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::directory::{folder_of_user, home};
use crate::exit::Failure;
use crate::profile::file::ConfigFile;

/// The name of the file, everywhere.
pub(crate) const FILE: &str = "entra.toml";

/// The files that are there, the project's first.
pub(crate) fn found_files() -> Result<Vec<ConfigFile>, Failure> {
    // One that may be there and cannot be looked at is not passed over: it is the user's own.
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

/// The project's file: the nearest one in the current folder and those above it, up to the root of the repository or the home
/// folder, which is not looked into. Outside of both, only the current folder is looked into: the folders above it may be anyone's.
pub(crate) fn project_file() -> Option<PathBuf> {
    let current = env::current_dir().ok()?;
    let home = home();
    let folders = searched(&current, home.as_deref());
    folders
        .into_iter()
        .map(|folder| folder.join(FILE))
        .find(|path| is_there(path))
}

/// The user's own file, whether it is there or not.
pub(crate) fn user_file() -> Option<PathBuf> {
    folder_of_user("XDG_CONFIG_HOME", ".config").map(|folder| folder.join(FILE))
}

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

/// Whether there is anything of this name, a broken link included: what cannot be read must not be passed over.
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
    fn the_search_ends_at_the_repository_and_the_home() {
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
