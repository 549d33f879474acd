//! Unix sockets: their files, and the users that may connect.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entra_proto::error::printable;
use tokio::net::UnixStream;

use crate::caller;
use crate::error::SetupError;

/// The users that may connect to a Unix socket. The system tells which user a client has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Users {
    /// The user of this process, and root.
    #[default]
    Own,
    /// Those with these IDs, the user of this process, and root.
    OwnAnd(Vec<u32>),
    /// All that the permissions of the file allow.
    Any,
}

impl Users {
    /// Returns true if this user may connect.
    pub(super) fn allow(&self, user: u32) -> bool {
        let is_own = caller::is_own(user);
        match self {
            Self::Own => is_own,
            Self::OwnAnd(others) => is_own || others.contains(&user),
            Self::Any => true,
        }
    }
}

/// A Unix socket that accepts connections.
#[derive(Debug)]
pub(super) struct UnixSocket {
    pub(super) listener: UnixListener,
    pub(super) users: Users,
    /// The file to remove. `None` for the socket of a service manager.
    pub(super) file: Option<SocketFile>,
}

impl UnixSocket {
    pub(super) fn new(listener: UnixListener, file: Option<SocketFile>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            users: Users::default(),
            file,
        })
    }
}

impl fmt::Display for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => shown(&file.path).fmt(f),
            None => f.write_str("unix socket"),
        }
    }
}

/// The file of a socket, removed when it is dropped, unless another one has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on a path.
///
/// # Errors
/// Returns an error if the path is in use or cannot be used.
pub(super) async fn bind(path: &Path, mode: u32) -> Result<UnixSocket, SetupError> {
    check_unused(path).await?;
    let socket = create(path, mode).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::InvalidInput => "choose a path of less than 90 bytes",
            ErrorKind::NotFound => "create its directory first",
            _ => "choose a directory that this user may write to, such as that in XDG_RUNTIME_DIR",
        };
        SetupError::caused(format!("cannot listen on the socket {}", shown(path)), hint, error)
    })?;
    Ok(socket)
}

/// Creates the socket under another name, sets its permissions, and moves it to its path. So there
/// is no time at which others can connect, and a client finds the old file or the new one.
fn create(path: &Path, mode: u32) -> io::Result<UnixSocket> {
    let mut suffix = [0; 4];
    getrandom::fill(&mut suffix).map_err(io::Error::other)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(ErrorKind::InvalidInput)?);
    name.push(format!(".{:08x}", u32::from_ne_bytes(suffix)));
    let temporary = path.with_file_name(name);
    let listener = UnixListener::bind(&temporary)?;
    let moved = fs::set_permissions(&temporary, Permissions::from_mode(mode & 0o777))
        .and_then(|()| fs::symlink_metadata(&temporary))
        .and_then(|metadata| fs::rename(&temporary, path).map(|()| metadata));
    match moved {
        Ok(metadata) => {
            let file = SocketFile {
                path: path.to_owned(),
                device: metadata.dev(),
                inode: metadata.ino(),
            };
            UnixSocket::new(listener, Some(file))
        }
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Checks that there is no file at the path, or the socket of a server that has ended.
async fn check_unused(path: &Path) -> Result<(), SetupError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            return Err(SetupError::new(
                format!("the file {} is not a socket", shown(path)),
                "choose another path, or remove the file",
            ));
        }
        // Listening fails with the reason, if there is one.
        Err(_) => return Ok(()),
    }
    // A server whose queue is full does not respond.
    let attempt = tokio::time::timeout(Duration::from_secs(2), UnixStream::connect(path)).await;
    match attempt {
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Ok(Err(error)) => Err(SetupError::caused(
            format!("cannot tell if another server listens on the socket {}", shown(path)),
            "choose another path, or remove the file",
            error,
        )),
        Ok(Ok(_)) | Err(_) => Err(SetupError::new(
            format!("another server listens on the socket {}", shown(path)),
            "end it, or choose another path",
        )),
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_user_and_root_are_always_allowed() {
        let own = rustix::process::geteuid().as_raw();
        let other = own + 1;
        for (users, allows_other) in [
            (Users::Own, false),
            (Users::OwnAnd(vec![other + 1]), false),
            (Users::OwnAnd(vec![other]), true),
            (Users::Any, true),
        ] {
            assert!(users.allow(own) && users.allow(0), "{users:?}");
            assert_eq!(users.allow(other), allows_other, "{users:?}");
        }
    }
}
