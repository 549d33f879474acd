//! The key files with which Azure Arc makes its clients prove that they run on the machine.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::state::lock::lock;
use crate::state::store::secret;

/// The key files that no client has used yet. They are deleted when they are used, when there are
/// too many, and at the end.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    /// The configured folder.
    folder: Option<PathBuf>,
    state: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    /// The temporary folder, once it exists.
    temporary: Option<PathBuf>,
    /// The paths with the keys, the oldest first.
    waiting: VecDeque<(PathBuf, String)>,
}

impl KeyFiles {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            state: Mutex::default(),
        }
    }

    /// Writes a new key into a file with this name, and returns its path.
    ///
    /// # Errors
    /// Returns the error of the system if the file or the temporary folder cannot be created.
    pub(crate) fn write(&self, name: &str) -> io::Result<PathBuf> {
        let mut state = self.state();
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => state.temporary()?.to_owned(),
        };
        while state.waiting.len() >= MOST {
            if let Some((path, _)) = state.waiting.pop_front() {
                delete(&path);
            }
        }
        let (path, key) = (folder.join(name), secret());
        let mut options = OpenOptions::new();
        // An existing file is never overwritten, and no link is followed.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let written = file.write_all(key.as_bytes());
        // Added first, so that a file that is written in part is deleted as well.
        state.waiting.push_back((path.clone(), key));
        written?;
        Ok(path)
    }

    /// Returns whether this is the key of a file, and deletes that file: a key is used once.
    pub(crate) fn redeem(&self, key: &str) -> bool {
        let mut state = self.state();
        let at = state.waiting.iter().position(|(_, known)| known == key);
        let Some((path, _)) = at.and_then(|at| state.waiting.remove(at)) else {
            return false;
        };
        delete(&path);
        true
    }

    /// Deletes every file and the temporary folder.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        for (path, _) in state.waiting.drain(..) {
            delete(&path);
        }
        if let Some(folder) = state.temporary.take() {
            // It stays if another program has put a file into it.
            let _ = fs::remove_dir(folder);
        }
    }

    fn state(&self) -> MutexGuard<'_, Files> {
        lock(&self.state)
    }
}

impl Drop for KeyFiles {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Files {
    /// Returns the temporary folder, which only the current user can read.
    fn temporary(&mut self) -> io::Result<&Path> {
        let folder = match self.temporary.take() {
            Some(folder) => folder,
            None => {
                let folder = std::env::temp_dir().join(format!("entra-emulator-{}", secret()));
                #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
                let mut builder = DirBuilder::new();
                #[cfg(unix)]
                std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
                builder.create(&folder)?;
                folder
            }
        };
        Ok(self.temporary.insert(folder))
    }
}

/// Shows no keys.
impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files({})", self.waiting.len())
    }
}

/// Deletes a file. One that is already gone is no problem.
fn delete(path: &Path) {
    let _ = fs::remove_file(path);
}

/// The limit on files: a client can request challenges without end.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_works_once_and_its_file_disappears() {
        let files = KeyFiles::new(None);
        let path = files.write("a.key").unwrap();
        let key = fs::read_to_string(&path).unwrap();
        assert!(!files.redeem("another") && path.exists());
        assert!(files.redeem(&key) && !path.exists());
        assert!(!files.redeem(&key));
    }

    #[test]
    fn files_are_bounded_and_removed_at_the_end() {
        let files = KeyFiles::new(None);
        let paths: Vec<PathBuf> = (0..MOST + 3)
            .map(|number| files.write(&format!("{number}.key")).unwrap())
            .collect();
        let exists: Vec<bool> = paths.iter().map(|path| path.exists()).collect();
        assert_eq!(exists.iter().filter(|exists| **exists).count(), MOST);
        assert!(!exists[2] && exists[3]);
        let folder = paths[0].parent().unwrap().to_owned();
        drop(files);
        assert!(!folder.exists());
    }

    #[test]
    fn existing_file_is_never_overwritten() {
        let other = KeyFiles::new(None);
        let taken = other.write("a.key").unwrap();
        let files = KeyFiles::new(taken.parent().map(Path::to_owned));
        let before = fs::read_to_string(&taken).unwrap();
        assert_eq!(files.write("a.key").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&taken).unwrap(), before);
    }
}
