//! The certificate of a server. It is reloaded when its files change: certificates are replaced
//! every few weeks, and the server runs for months.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

/// A certificate chain and its key, read from two files.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: Mutex<TlsAcceptor>,
    /// The contents that were read last, valid or not.
    seen: Mutex<Files>,
    /// Writes a line to the log.
    log: fn(&str),
}

/// The contents of the two files.
#[derive(PartialEq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files. Later changes are reported to `log`.
    ///
    /// # Errors
    /// Returns an error that names the file if one cannot be read, or if they do not belong
    /// together.
    pub(crate) fn read(certificate: &Path, key: &Path, log: fn(&str)) -> Result<Self, Box<dyn Error>> {
        let files = load(certificate, key)?;
        Ok(Self {
            acceptor: Mutex::new(acceptor(certificate, key, &files)?),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            seen: Mutex::new(files),
            log,
        })
    }

    /// Returns the acceptor for new connections.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks the files for changes from time to time. Never returns.
    pub(crate) async fn follow(self: Arc<Self>) {
        loop {
            sleep(PERIOD).await;
            match self.read_again() {
                Ok(true) => (self.log)("the certificate has changed, and new connections use it"),
                Ok(false) => {}
                Err(error) => (self.log)(&format!("warning: the old certificate stays in use: {error}")),
            }
        }
    }

    /// Returns true if the certificate was replaced. Invalid files are reported once.
    fn read_again(&self) -> Result<bool, String> {
        // A file is missing for a moment while it is replaced: the next check reads it.
        let Ok(files) = load(&self.certificate, &self.key) else {
            return Ok(false);
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if files == *seen {
            return Ok(false);
        }
        let made = acceptor(&self.certificate, &self.key, &files);
        *seen = files;
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = made?;
        Ok(true)
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Files, String> {
    let read = |file: &Path| fs::read(file).map_err(|error: io::Error| format!("{}: {error}", file.display()));
    Ok(Files {
        certificate: read(certificate)?,
        key: read(key)?,
    })
}

fn acceptor(certificate: &Path, key: &Path, files: &Files) -> Result<TlsAcceptor, String> {
    let failed = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&files.certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(certificate, &error))?;
    if chain.is_empty() {
        return Err(failed(certificate, &"it holds no certificate in PEM form"));
    }
    let private = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| failed(key, &error))?;
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| failed(key, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The time between two checks of the files.
const PERIOD: Duration = Duration::from_secs(60);

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Makes a certificate for this name and its key, in PEM form.
    fn pair(name: &str) -> [String; 2] {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        [certificate.self_signed(&key).unwrap().pem(), key.serialize_pem()]
    }

    /// Writes a certificate to two files in a temporary folder.
    pub(crate) fn files() -> (tempfile::TempDir, Tls, [PathBuf; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["hook.crt", "hook.key"].map(|name| folder.path().join(name));
        write(&paths, &pair("one.example"));
        let tls = Tls::read(&paths[0], &paths[1], |_| {}).unwrap();
        (folder, tls, paths)
    }

    /// Replaces the certificate in the files.
    pub(crate) fn replace(paths: &[PathBuf; 2]) {
        write(paths, &pair("other.example"));
    }

    fn write(paths: &[PathBuf; 2], pair: &[String; 2]) {
        for (path, text) in paths.iter().zip(pair) {
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn certificate_is_read_again_when_its_files_change() {
        let (_folder, tls, paths) = files();
        let is_same = |one: &TlsAcceptor, other: &TlsAcceptor| Arc::ptr_eq(one.config(), other.config());
        let first = tls.acceptor();
        assert_eq!(tls.read_again(), Ok(false));
        // Half of a change: the certificate and the key do not belong together.
        let other = pair("other.example");
        fs::write(&paths[0], &other[0]).unwrap();
        assert!(tls.read_again().unwrap_err().contains("hook.key"));
        assert_eq!(tls.read_again(), Ok(false), "it is reported once");
        fs::remove_file(&paths[1]).unwrap();
        assert_eq!(tls.read_again(), Ok(false));
        assert!(is_same(&tls.acceptor(), &first));
        fs::write(&paths[1], &other[1]).unwrap();
        assert_eq!(tls.read_again(), Ok(true));
        assert!(!is_same(&tls.acceptor(), &first));
        assert_eq!(tls.read_again(), Ok(false));
    }
}
