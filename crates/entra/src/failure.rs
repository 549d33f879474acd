//! The error of clients from the environment, and the report of any error.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use entra_proto::environment::{CLIENT_CERTIFICATE_PATH, EnvironmentError};
use entra_proto::error::{Diagnose, may_be_secret, printable};
use entra_proto::report::ReportFor;
use entra_transport::TransportError;

/// The reason why the environment yields no client. It never holds a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FromEnvError {
    /// A variable is missing or cannot be used.
    Environment(EnvironmentError),
    /// The certificate's file cannot be read.
    File {
        /// Its path, unless that may be a secret.
        path: Option<String>,
        /// The reason.
        source: Arc<io::Error>,
    },
    /// The certificate's file holds no usable certificate.
    Certificate(entra_credential::Error),
    /// The transport cannot be built.
    Transport(TransportError),
    /// A credential of a kind that is newer than this crate.
    Unsupported {
        /// Its name.
        credential: &'static str,
    },
}

impl FromEnvError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        let path = path.to_string_lossy();
        // Some users put the key itself in the place of its path.
        let may_be_shown = path.len() <= LONGEST_PATH && !path.contains(['\n', '\r']) && !may_be_secret(&path);
        Self::File {
            path: may_be_shown.then(|| printable(&path)),
            source: Arc::new(source),
        }
    }

    /// Returns the remedy, if one is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Environment(error) => error.hint(),
            Self::File { source, .. } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => "run as a user who may read it",
                _ => "set the variable to the path of a file with the certificate and its private key",
            }),
            Self::Certificate(entra_credential::Error::PasswordNeeded | entra_credential::Error::EmptyPassword) => {
                Some("set AZURE_CLIENT_CERTIFICATE_PASSWORD to the password of the file")
            }
            Self::Certificate(error) => error.hint(),
            Self::Transport(error) => error.hint(),
            Self::Unsupported { .. } => Some("update the crates `entra` and `entra-proto` together"),
        }
    }
}

impl fmt::Display for FromEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(error) => error.fmt(f),
            Self::File { path: Some(path), .. } => {
                write!(f, "{CLIENT_CERTIFICATE_PATH} names {path}, which cannot be read")
            }
            Self::File { path: None, .. } => write!(f, "the file that {CLIENT_CERTIFICATE_PATH} names cannot be read"),
            Self::Certificate(error) => write!(f, "the file that {CLIENT_CERTIFICATE_PATH} names: {error}"),
            Self::Transport(error) => error.fmt(f),
            Self::Unsupported { credential } => {
                write!(
                    f,
                    "the credential {credential} is newer than this version of the crate `entra`"
                )
            }
        }
    }
}

impl Error for FromEnvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source.as_ref()),
            Self::Transport(error) => error.source(),
            Self::Certificate(error) => error.source(),
            Self::Environment(error) => error.source(),
            Self::Unsupported { .. } => None,
        }
    }
}

impl Diagnose for FromEnvError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

impl From<EnvironmentError> for FromEnvError {
    fn from(error: EnvironmentError) -> Self {
        Self::Environment(error)
    }
}

/// The error types of the crates that the features select.
pub type Errors = (
    FromEnvError,
    OfTenants,
    OfTower,
    OfValidate,
    entra_client::Errors,
    entra_credential::Errors,
);

/// An error as a user should read it: the problem with its causes, the remedy, and the IDs that
/// Microsoft support asks for. It is made by `?` from any error, of these crates or of others.
///
/// ```
/// fn main() -> Result<(), entra::Report> {
/// #   run().map_err(|report| {
/// #       let hint = "leave out /.default, or give it as a scope";
/// #       assert_eq!(report.hint(), Some(hint));
/// #       assert!(format!("{report:?}").ends_with(&format!("\n  hint: {hint}")));
/// #       report
/// #   }).or(Ok(()))
/// # }
/// # fn run() -> Result<(), entra::Report> {
///     let api = entra::Target::resource("https://graph.microsoft.com/.default")?;
///     println!("{api:?}");
///     Ok(())
/// }
/// ```
///
/// The program prints
///
/// ```text
/// Error: resource "https://graph.microsoft.com/.default" is a scope
///   hint: leave out /.default, or give it as a scope
/// ```
///
/// In a log, `{:#}` prints the same on one line.
pub type Report = ReportFor<Errors>;

#[cfg(feature = "tenants")]
type OfTenants = entra_tenants::Errors;
#[cfg(not(feature = "tenants"))]
type OfTenants = ();
#[cfg(feature = "tower")]
type OfTower = entra_tower::Errors;
#[cfg(not(feature = "tower"))]
type OfTower = ();
#[cfg(feature = "validate")]
type OfValidate = entra_validate::Errors;
#[cfg(not(feature = "validate"))]
type OfValidate = ();

/// The longest path that an error repeats, in bytes.
const LONGEST_PATH: usize = 1024;
