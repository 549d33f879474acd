//! Files that nobody but their owner reads, and that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::TenantStoreError;

/// A new file beside the one that it shall become, readable by its owner alone from its first
/// moment. Removed when dropped.
pub(super) struct Draft {
    /// Where it lies until it is published.
    pub(super) path: PathBuf,
}

impl Draft {
    /// [`open`] has looked at the folders on the way to it.
    ///
    /// # Errors
    /// Where its folder cannot be made or written.
    pub(super) fn beside(target: &Path) -> Result<(Self, File), TenantStoreError> {
        let folder = folder_of(target);
        if !folder.exists() {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .create(folder)
                .map_err(|source| TenantStoreError::io(folder, "make the folder", source))?;
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

    /// Gives the file, which is written and synced, its name. Of several that are published at once
    /// the first stays, and the others are dropped: a link never takes the place of a file that is
    /// there.
    pub(super) fn publish(self, target: &Path) -> Result<(), TenantStoreError> {
        match fs::hard_link(&self.path, target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(TenantStoreError::io(target, "make", error));
            }
            _ => {}
        }
        // Its name is to outlast a power cut as well. UnlistedOrigin than on Unix folders cannot be
        // synced.
        #[cfg(unix)]
        File::open(folder_of(target))
            .and_then(|folder| folder.sync_all())
            .map_err(|source| TenantStoreError::io(folder_of(target), "sync", source))?;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is left behind, under a name that tells what it is.
        drop(fs::remove_file(&self.path));
    }
}

/// Opens a file that is there; nothing where there is none. Behind all links, it must be a file
/// that nobody else can have put there.
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
    // To open a pipe would wait for whoever is at its other end.
    if !fs::metadata(&real).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    let file = File::options().read(true).write(writable).open(&real).map_err(failed)?;
    check_owner(path, &file.metadata().map_err(failed)?)?;
    Ok(Some(file))
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

/// Refuses what belongs to neither this user nor root: whoever it belongs to knows what is in it,
/// and may write to it.
#[cfg(unix)]
fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), TenantStoreError> {
    let owner = std::os::unix::fs::MetadataExt::uid(metadata);
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(TenantStoreError::Exposed {
        path: path.to_owned(),
        why: "it belongs to another user, who may change it",
        advice: "run as that user, give it to this one (chown), or use another",
    })
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &fs::Metadata) -> Result<(), TenantStoreError> {
    Ok(())
}

/// Refuses a folder of somebody else's, and one in which everybody may put another file in this
/// one's place, or another folder in that of a folder on the way. Where the sticky bit is set, as
/// in `/tmp`, nobody may. A group that may was chosen by whoever owns the folder.
#[cfg(unix)]
fn check_folders(file: &Path) -> Result<(), TenantStoreError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| TenantStoreError::io(file, "look at the folder of", source);
    let file = std::path::absolute(file).map_err(failed)?;
    // Where it is not there yet, it will be made in one that is. Where it cannot be looked at, to
    // open the file tells why.
    let Some(nearest) = file
        .ancestors()
        .skip(1)
        .find_map(|folder| fs::canonicalize(folder).ok())
    else {
        return Ok(());
    };
    // The owners of those above can put only what is theirs in the place of this one.
    check_owner(&nearest, &fs::metadata(&nearest).map_err(failed)?)?;
    for folder in nearest.ancestors() {
        if fs::metadata(folder).map_err(failed)?.permissions().mode() & 0o1002 == 0o002 {
            return Err(TenantStoreError::Exposed {
                path: folder.to_owned(),
                why: "everybody may replace files in this folder",
                advice: "take it away from others (chmod o-w), or use another",
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
