use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use entra_proto::error::{Diagnose, printable};
use entra_proto::{ClientId, Guid};

/// Why a [`TenantStore`](super::TenantStore) could not do what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum TenantStoreError {
    /// A file or folder could not be used.
    Io {
        /// Which one.
        path: PathBuf,
        /// What was wanted of it: "open", say.
        doing: &'static str,
        /// The system's account.
        source: io::Error,
    },
    /// Another process has the store's file open, and had it for all the time that was allowed.
    Busy {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file belongs to another user, or others could read or replace it.
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// The file is there, and is no store that this program can read: damaged, cut short, of
    /// another kind or of a later version. It is left as it is.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The record of one tenant cannot be read. Others can.
    Record {
        /// The application.
        client_id: ClientId,
        /// The tenant.
        tenant: Guid,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something is larger than a store takes.
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// The tenant is the one of all personal Microsoft accounts, where no daemon gets tokens.
    PersonalAccounts(Guid),
    /// There is no key to seal secrets with.
    NoKey,
    /// The key file does not hold a key.
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// The random number generator failed, or what seals.
    Crypto,
    /// The failure of a store that somebody else wrote.
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

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => "run as the user who owns it, or give it to this one",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk",
                _ => "check the path, or name another file",
            },
            Self::Busy { .. } => "try again, or end that process",
            Self::Exposed { advice, .. } | Self::Key { advice, .. } => advice,
            Self::Unreadable { .. } => "it is left as it is: restore it from a copy, or move it away",
            Self::Record { .. } => "let its administrator consent again, or forget it",
            Self::PersonalAccounts(_) => "let an administrator consent with a work or school account",
            Self::NoKey => "give the store one",
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
                write!(f, "what is kept of tenant {tenant} and application {client_id} {why}")
            }
            Self::TooLarge { what, limit } => {
                write!(f, "{what} is larger than the {limit} bytes that a store takes")
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
