//! Files that only their owner can read, and that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::TenantStoreError;

/// A new file under a temporary name. Only its owner can read it, from its first moment on. It is
/// removed when dropped.
pub(super) struct Draft {
    /// The temporary path.
    pub(super) path: PathBuf,
}

impl Draft {
    /// Creates the file. [`open`] has checked the folders on its path.
    ///
    /// # Errors
    /// Returns an error if its folder cannot be created or written.
    pub(super) fn beside(target: &Path) -> Result<(Self, File), TenantStoreError> {
        let folder = folder_of(target);
        if !folder.exists() {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .create(folder)
                .map_err(|source| TenantStoreError::io(folder, "create the folder", source))?;
        }
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| TenantStoreError::Crypto)?;
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
            .map_err(|source| TenantStoreError::io(&path, "make", source))?;
        Ok((Self { path }, file))
    }

    /// Gives the written and synced file its final name. If several processes publish at once, the
    /// first file stays and the others are dropped, because a link never replaces a file.
    pub(super) fn publish(self, target: &Path) -> Result<(), TenantStoreError> {
        match fs::hard_link(&self.path, target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(TenantStoreError::io(target, "make", error));
            }
            _ => {}
        }
        // The name must survive a power failure as well. Only Unix can sync a folder.
        #[cfg(unix)]
        File::open(folder_of(target))
            .and_then(|folder| folder.sync_all())
            .map_err(|source| TenantStoreError::io(folder_of(target), "sync", source))?;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A file that cannot be removed stays, and its name says what it is.
        drop(fs::remove_file(&self.path));
    }
}

/// Opens a file, or returns `None` if there is no such file. After all links are followed, it must
/// be a file that no other user can have placed there.
pub(super) fn open(path: &Path, writable: bool) -> Result<Option<File>, TenantStoreError> {
    let failed = |source| TenantStoreError::io(path, "open", source);
    check_folders(path)?;
    let link = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        link => link.map_err(failed)?,
    };
    check_owner(path, &link)?;
    let real = fs::canonicalize(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TenantStoreError::io(path, "follow the link", source),
        _ => failed(source),
    })?;
    check_folders(&real)?;
    // Opening a pipe would wait for the process at its other end.
    if !fs::metadata(&real).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    let file = File::options().read(true).write(writable).open(&real).map_err(failed)?;
    check_owner(path, &file.metadata().map_err(failed)?)?;
    Ok(Some(file))
}

/// Returns true if users other than the owner have any permission on the file.
#[cfg(unix)]
pub(super) fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Access control lists of other systems are the administrator's responsibility.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Removes the permissions of all users but the owner.
#[cfg(unix)]
pub(super) fn close_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
pub(super) fn close_to_others(_: &File) -> io::Result<()> {
    Ok(())
}

/// Rejects a file that belongs to neither this user nor root, because its owner knows the content
/// and can change it.
#[cfg(unix)]
fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), TenantStoreError> {
    let owner = std::os::unix::fs::MetadataExt::uid(metadata);
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(TenantStoreError::Exposed {
        path: path.to_owned(),
        why: "it belongs to another user, who can change it",
        advice: "run as that user, change its owner to this user (chown), or use another file",
    })
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &fs::Metadata) -> Result<(), TenantStoreError> {
    Ok(())
}

/// Rejects a folder of another user, and a folder in which everyone can replace this file or a
/// folder on its path. In a folder with the sticky bit, such as `/tmp`, they cannot. A group that
/// can do so was chosen by the owner of the folder.
#[cfg(unix)]
fn check_folders(file: &Path) -> Result<(), TenantStoreError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| TenantStoreError::io(file, "examine the folder of", source);
    let file = std::path::absolute(file).map_err(failed)?;
    // A folder that does not exist yet will be created in one that does. If a folder cannot be
    // examined, opening the file reports the reason.
    let Some(nearest) = file
        .ancestors()
        .skip(1)
        .find_map(|folder| fs::canonicalize(folder).ok())
    else {
        return Ok(());
    };
    // The owners of the folders above can only replace this folder by files of their own.
    check_owner(&nearest, &fs::metadata(&nearest).map_err(failed)?)?;
    for folder in nearest.ancestors() {
        if fs::metadata(folder).map_err(failed)?.permissions().mode() & 0o1002 == 0o002 {
            return Err(TenantStoreError::Exposed {
                path: folder.to_owned(),
                why: "every user can replace files in this folder",
                advice: "remove the write permission of others (chmod o-w), or use another folder",
            });
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_folders(_: &Path) -> Result<(), TenantStoreError> {
    Ok(())
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
