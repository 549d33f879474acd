use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entra_proto::ClientAssertion;
use zeroize::Zeroizing;

use crate::error::Error;

/// The file in which a workload finds an assertion that somebody else issues for it: Kubernetes, say, with workload identity, which
/// tells its path in the environment variable `AZURE_FEDERATED_TOKEN_FILE`.
///
/// Such an assertion lives for an hour or so, and the file is replaced long before. It is read anew each time: that takes
/// microseconds, is wanted once for each token, and is always right. A watch on its time and length would not be: Kubernetes replaces
/// a link to a folder, so that path, length and even time may stay while the contents change. One open file is one version of it,
/// whatever happens to the link meanwhile.
///
/// ```
/// use entra_credential::FederatedTokenFile;
///
/// let file = FederatedTokenFile::new("/var/run/secrets/azure/tokens/azure-identity-token");
/// match file.assertion() {
///     Ok(assertion) => println!("{} characters", assertion.expose().len()),
///     Err(error) => eprintln!("{error}"),
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FederatedTokenFile {
    path: PathBuf,
}

impl FederatedTokenFile {
    /// The environment variable that tells the path.
    pub const VARIABLE: &'static str = "AZURE_FEDERATED_TOKEN_FILE";

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

    /// The assertion that is in the file now. White space around it is no part of it.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a file, is longer than 64 KiB, or holds no JWT.
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        let text = self.read().map_err(|source| Error::File {
            path: self.shown(),
            source: Arc::new(source),
        })?;
        if text.len() > MOST {
            return Err(self.problem("is longer than 64 KiB; no assertion is"));
        }
        let text = std::str::from_utf8(&text)
            .map(str::trim)
            .map_err(|_| self.problem("is not a text"))?;
        if text.is_empty() {
            return Err(self.problem("is empty; has the platform written the token yet?"));
        }
        ClientAssertion::new(text).map_err(|_| self.problem("does not hold a JWT of three base64url parts"))
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

    fn problem(&self, problem: &'static str) -> Error {
        Error::Assertion {
            path: self.shown(),
            problem,
        }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// The longest assertion that is taken.
const MOST: usize = 64 * 1024;
