use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entra_proto::assertion::ClientAssertion;
use entra_proto::error::{may_be_secret, printable};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::text::from_utf16;

/// The file in which a workload finds an assertion that somebody else issues for it: Kubernetes,
/// say, with workload identity, which tells its path in the environment variable
/// `AZURE_FEDERATED_TOKEN_FILE`.
///
/// Such an assertion lives for an hour or so, and the file is replaced long before. It is read anew
/// each time: that takes microseconds, is wanted once for each token, and is always right. A watch
/// on its time and length would not be: Kubernetes replaces a link to a folder, so that path,
/// length and even time may stay while the contents change. One open file is one version of it,
/// whatever happens to the link meanwhile.
///
/// ```
/// use entra_credential::FederatedTokenFile;
///
/// let file = FederatedTokenFile::new("/var/run/secrets/azure/tokens/azure-identity-token");
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
    /// The file at `path`. Nothing is read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the assertion that is in the file now. White space, a byte order mark, quotation
    /// marks and `Bearer` around it are no part of it, and the file may be in UTF-16: so write it
    /// PowerShell and programs that log a header.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a file, is longer than 64 KiB, or holds
    /// no JWT.
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        let text = self.read().map_err(|source| Error::File {
            path: self.shown(),
            source: Arc::new(source),
        })?;
        if text.len() > MOST {
            return Err(self.problem("is longer than 64 KiB", "check the path: no assertion is so long"));
        }
        let text = from_utf16(&text).unwrap_or(text);
        let text = std::str::from_utf8(&text)
            .map_err(|_| self.problem("is not a text", "check the path: the file should hold a token"))?;
        let trimmed = text.trim_start_matches('\u{feff}').trim();
        if trimmed.is_empty() {
            return Err(self.problem("is empty", "check that the platform has written the token already"));
        }
        if trimmed.starts_with(['{', '[']) {
            return Err(self.problem("holds JSON", "write the token in it to the file, alone"));
        }
        if trimmed.contains("-----BEGIN") {
            return Err(self.problem(
                "holds a key or a certificate, not a token of a workload",
                "name the file of the token",
            ));
        }
        ClientAssertion::new(trimmed).map_err(|_| {
            self.problem(
                "does not hold a JWT of three base64url parts",
                "check that it is the whole token, on one line",
            )
        })
    }

    fn read(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // To open a pipe would wait for whoever writes into it.
        if !fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MOST + 1));
        File::open(&self.path)?.take(MOST as u64 + 1).read_to_end(&mut text)?;
        Ok(text)
    }

    fn problem(&self, problem: &'static str, advice: &'static str) -> Error {
        Error::Assertion {
            path: self.shown(),
            problem,
            advice,
        }
    }

    /// The path as errors show it. The variable that should name the file may hold the token
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

/// The longest file that is read.
const MOST: usize = 64 * 1024;
