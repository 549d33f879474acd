//! The file of a federated token.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entra_proto::assertion::ClientAssertion;
use entra_proto::error::{may_be_secret, printable};
use zeroize::Zeroizing;

use crate::assertion_text::{MOST, TextProblem, assertion_in};
use crate::error::Error;

/// A file with an assertion that a platform issues for a workload, for example Kubernetes with
/// workload identity, which sets its path in the environment variable `AZURE_FEDERATED_TOKEN_FILE`.
///
/// Such an assertion is valid for about an hour, and the file is replaced long before it expires.
/// The file is read for each token request, which takes microseconds and is always up to date. Its
/// time and length would not be a reliable sign of a change: Kubernetes replaces a link to a
/// folder, so that path, length and even time may stay the same. An open file is one version,
/// whatever happens to the link meanwhile.
///
/// ```
/// use entra_credential::FederatedTokenFile;
///
/// let path = "/var/run/secrets/azure/tokens/azure-identity-token";
/// let file = FederatedTokenFile::new(path);
/// match file.assertion() {
///     Ok(assertion) => println!("{} characters", assertion.expose().len()),
///     Err(error) => eprintln!("{error}; {}", error.hint().unwrap_or_default()),
/// }
/// ```
#[derive(Clone)]
pub struct FederatedTokenFile {
    path: PathBuf,
}

impl FederatedTokenFile {
    /// Creates a reader of the file at `path`. Nothing is read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the current assertion in the file. White space, a byte order mark, quotation marks
    /// and `Bearer` around it are ignored, and the file may be in UTF-16, because PowerShell and
    /// programs that log a header write it that way.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a regular file, is longer than 64 KiB,
    /// or does not hold a JWT.
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        let text = self.read().map_err(|source| Error::File {
            path: self.shown(),
            source: Arc::new(source),
        })?;
        assertion_in(&text).map_err(|problem| Error::Assertion {
            place: self.shown(),
            problem: problem.problem(),
            advice: match problem {
                TextProblem::TooLong => "check the path: no assertion is so long",
                TextProblem::NotText => "check the path: the file should hold a token",
                TextProblem::Empty => "check that the platform has written the token already",
                TextProblem::Json => "write the token in it to the file, alone",
                TextProblem::Key => "name the file of the token",
                TextProblem::NotJwt => "check that it is the whole token, on one line",
            },
        })
    }

    fn read(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // Opening a pipe would wait for a process that writes to it.
        if !fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MOST + 1));
        File::open(&self.path)?.take(MOST as u64 + 1).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Returns the path for an error. The variable that should name the file may hold the token
    /// itself.
    fn shown(&self) -> String {
        let path = self.path.to_string_lossy();
        if may_be_secret(&path) {
            "the file with the assertion (its path may be a secret)".to_owned()
        } else {
            printable(&path)
        }
    }
}

impl fmt::Debug for FederatedTokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FederatedTokenFile({})", self.shown())
    }
}
