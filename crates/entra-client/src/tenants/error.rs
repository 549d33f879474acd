use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use entra_proto::{ClientId, Guid, printable};

/// Why a [`TenantDirectory`](super::TenantDirectory) could not do what it was asked for.
#[non_exhaustive]
pub enum DirectoryError {
    /// A file or folder could not be used.
    Io {
        /// Which one.
        path: PathBuf,
        /// What was wanted of it: "open", say.
        doing: &'static str,
        /// The system's account.
        source: io::Error,
    },
    /// Another process has the directory's file open, and had it for all the time that was allowed.
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
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The file is there, and is no directory that this program can read: damaged, cut short, of another kind or of a later version. It is
    /// left as it is.
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
    /// Something is larger than a directory takes.
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
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The random number generator failed, or what seals.
    Crypto,
    /// The failure of a directory that somebody else wrote.
    Other(Box<dyn StdError + Send + Sync>),
}

impl DirectoryError {
    #[cfg(feature = "redb")]
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, source } => {
                write!(f, "cannot {doing} {}", shown(path))?;
                if source.kind() == io::ErrorKind::PermissionDenied {
                    f.write_str("; run as the user who owns it, or give it to this one")?;
                }
                Ok(())
            }
            Self::Busy { path, waited } => write!(
                f,
                "another process has {} open, and did not close it within {} ms; try again, or end that process",
                shown(path),
                waited.as_millis()
            ),
            Self::Exposed { path, why } | Self::Key { path, why } => write!(f, "{}: {why}", shown(path)),
            Self::Unreadable { path, why } => write!(
                f,
                "{} is not a directory of tenants that can be read: {why}; it is left as it is: restore it from a copy, or move it away",
                shown(path)
            ),
            Self::Record { client_id, tenant, why } => write!(
                f,
                "what is kept of tenant {tenant} and application {client_id} {why}; let its administrator consent again, or forget it"
            ),
            Self::TooLarge { what, limit } => {
                write!(f, "{what} is larger than the {limit} bytes that a directory takes")
            }
            Self::PersonalAccounts(tenant) => write!(
                f,
                "{tenant} is the tenant of all personal Microsoft accounts; let an administrator consent with a work or school account"
            ),
            Self::NoKey => f.write_str("there is no key to seal secrets with; give the directory one"),
            Self::Crypto => f.write_str("the random number generator or the cipher failed"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// The text of `Display` and of what lies beneath: it is what a `main` that returns the error shows.
impl fmt::Debug for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut beneath = self.source();
        while let Some(source) = beneath {
            write!(f, ": {source}")?;
            beneath = source.source();
        }
        Ok(())
    }
}

impl StdError for DirectoryError {
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
            DirectoryError::Io {
                path: path(),
                doing: "open",
                source: io::Error::other("no"),
            },
            DirectoryError::Busy {
                path: path(),
                waited: Duration::ZERO,
            },
            DirectoryError::Exposed {
                path: path(),
                why: "no",
            },
            DirectoryError::Key {
                path: path(),
                why: "no",
            },
            DirectoryError::Unreadable {
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
