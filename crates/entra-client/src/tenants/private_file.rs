//! Files that nobody but their owner reads, and that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::DirectoryError;

/// A new file beside the one that it shall become, readable by its owner alone from its first moment. Removed when dropped.
pub(super) struct Draft {
    /// Where it lies until it is published.
    pub(super) path: PathBuf,
}

impl Draft {
    /// # Errors
    /// Where its folder cannot be made or written, or is open to everybody.
    pub(super) fn beside(target: &Path) -> Result<(Self, File), DirectoryError> {
        let folder = folder_of(target);
        if !folder.exists() {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .create(folder)
                .map_err(|source| DirectoryError::io(folder, "make the folder", source))?;
        }
        check_folder(target)?;
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| DirectoryError::Crypto)?;
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{:016x}.new", u64::from_ne_bytes(random)));
        let path = folder.join(name);
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&path)
            .map_err(|source| DirectoryError::io(&path, "make", source))?;
        Ok((Self { path }, file))
    }

    /// Gives the file, which is written and synced, its name. Of several that are published at once the first stays, and the others are
    /// dropped: a link never takes the place of a file that is there.
    pub(super) fn publish(self, target: &Path) -> Result<(), DirectoryError> {
        match fs::hard_link(&self.path, target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(DirectoryError::io(target, "make", error));
            }
            _ => {}
        }
        // Its name is to outlast a power cut as well. Elsewhere than on Unix folders cannot be synced.
        #[cfg(unix)]
        File::open(folder_of(target))
            .and_then(|folder| folder.sync_all())
            .map_err(|source| DirectoryError::io(folder_of(target), "sync", source))?;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is left behind, under a name that tells what it is.
        drop(fs::remove_file(&self.path));
    }
}

/// Opens a file that is there; nothing where there is none. To open a pipe would wait for whoever is at its other end.
pub(super) fn open(path: &Path, writable: bool) -> Result<Option<File>, DirectoryError> {
    let failed = |source| DirectoryError::io(path, "open", source);
    let opened = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is not a file")),
        Ok(_) => File::options().read(true).write(writable).open(path),
        Err(error) => Err(error),
    };
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Whether others than its owner may do anything with the file.
#[cfg(unix)]
pub(super) fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// The access control lists of other systems are their administrators' affair.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Takes the file away from all but its owner.
#[cfg(unix)]
pub(super) fn close_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
pub(super) fn close_to_others(_: &File) -> io::Result<()> {
    Ok(())
}

/// Refuses a folder in which everybody may put another file in this one's place. Where the sticky bit is set, as in `/tmp`, nobody may.
#[cfg(unix)]
pub(super) fn check_folder(target: &Path) -> Result<(), DirectoryError> {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder_of(target);
    let mode = match fs::metadata(folder) {
        Ok(metadata) => metadata.permissions().mode(),
        // There is no file either, then; or to open it will tell more.
        Err(_) => return Ok(()),
    };
    if mode & 0o1002 == 0o002 {
        return Err(DirectoryError::Exposed {
            path: folder.to_owned(),
            why: "everybody may replace files in this folder; take it away from others (chmod o-w), or use another",
        });
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_folder(_: &Path) -> Result<(), DirectoryError> {
    Ok(())
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
