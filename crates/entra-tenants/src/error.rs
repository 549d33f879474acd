//! The error of tenant stores.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use entra_proto::error::{Diagnose, printable};
use entra_proto::{ClientId, Guid};

/// The error of a [`TenantStore`](super::TenantStore).
#[derive(Debug)]
#[non_exhaustive]
pub enum TenantStoreError {
    /// A file or folder could not be used.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operation as a verb, such as "open".
        doing: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another process had the store's file open for the whole permitted time.
    Busy {
        /// The file.
        path: PathBuf,
        /// The time that the operation waited.
        waited: Duration,
    },
    /// The file belongs to another user, or other users could read or replace it.
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// The problem.
        why: &'static str,
        /// The remedy.
        advice: &'static str,
    },
    /// The file is not a store that this program can read: it is damaged, truncated, of another
    /// kind, or of a later version. It is left unchanged.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The problem.
        why: String,
    },
    /// The record of one tenant cannot be read. Other records can.
    Record {
        /// The application.
        client_id: ClientId,
        /// The tenant.
        tenant: Guid,
        /// The problem.
        why: &'static str,
    },
    /// A value is larger than a store accepts.
    TooLarge {
        /// The name of the value.
        what: &'static str,
        /// The largest accepted size, in bytes.
        limit: usize,
    },
    /// The tenant is the one of all personal Microsoft accounts, where no daemon gets tokens.
    PersonalAccounts(Guid),
    /// The store has no key to seal secrets with.
    NoKey,
    /// The key file does not hold a key.
    Key {
        /// The file.
        path: PathBuf,
        /// The problem.
        why: &'static str,
        /// The remedy.
        advice: &'static str,
    },
    /// The random number generator or the cipher failed.
    Crypto,
    /// An error of another implementation of the store.
    Other(Box<dyn StdError + Send + Sync>),
}

impl TenantStoreError {
    #[cfg(feature = "redb")]
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    }

    /// Returns advice about the error, if any is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => "run as the user who owns it, or change its owner to this user",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on that disk",
                _ => "check the path, or name another file",
            },
            Self::Busy { .. } => "try again, or stop that process",
            Self::Exposed { advice, .. } | Self::Key { advice, .. } => advice,
            Self::Unreadable { .. } => "the file is left unchanged: restore it from a copy, or move it away",
            Self::Record { .. } => "have an administrator of the tenant consent again, or forget the tenant",
            Self::PersonalAccounts(_) => "have an administrator consent with a work or school account",
            Self::NoKey => "give the store a key",
            Self::TooLarge { .. } | Self::Crypto | Self::Other(_) => return None,
        })
    }
}

impl fmt::Display for TenantStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, .. } => write!(f, "cannot {doing} {}", shown(path)),
            Self::Busy { path, waited } => write!(
                f,
                "another process has {} open, and did not close it within {} ms",
                shown(path),
                waited.as_millis()
            ),
            Self::Exposed { path, why, .. } | Self::Key { path, why, .. } => write!(f, "{}: {why}", shown(path)),
            Self::Unreadable { path, why } => {
                write!(f, "{} is not a tenant store that can be read: {why}", shown(path))
            }
            Self::Record { client_id, tenant, why } => {
                write!(f, "the record of tenant {tenant} and application {client_id} {why}")
            }
            Self::TooLarge { what, limit } => {
                write!(f, "{what} is larger than the {limit} bytes that a store accepts")
            }
            Self::PersonalAccounts(tenant) => write!(f, "{tenant} is the tenant of all personal Microsoft accounts"),
            Self::NoKey => f.write_str("there is no key to seal secrets with"),
            Self::Crypto => f.write_str("the random number generator or the cipher failed"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Diagnose for TenantStoreError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The error types of this crate and of those below it, for a
/// [`ReportFor`](entra_proto::report::ReportFor).
pub type Errors = (TenantStoreError, entra_proto::report::Errors);

pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

impl StdError for TenantStoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Other(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_errors_are_escaped() {
        let path = || PathBuf::from("a\u{1b}[31m\u{202e}b\n.redb");
        let errors = [
            TenantStoreError::Io {
                path: path(),
                doing: "open",
                source: io::Error::other("no"),
            },
            TenantStoreError::Busy {
                path: path(),
                waited: Duration::ZERO,
            },
            TenantStoreError::Exposed {
                path: path(),
                why: "no",
                advice: "none",
            },
            TenantStoreError::Key {
                path: path(),
                why: "no",
                advice: "none",
            },
            TenantStoreError::Unreadable {
                path: path(),
                why: "no".to_owned(),
            },
        ];
        for error in errors {
            let shown = error.to_string();
            assert!(shown.contains("a\\u{1b}[31m\\u{202e}b\\n.redb"), "{shown}");
            assert!(
                !shown.chars().any(char::is_control) && !shown.contains('\u{202e}'),
                "{shown}"
            );
        }
    }
}
