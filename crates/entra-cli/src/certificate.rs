use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use entra_credential::{ClientCertificate, Error};
use entra_proto::{CertificateCredential, SigningAlgorithm};
use zeroize::Zeroizing;

use crate::environment;
use crate::exit::{Exit, Failure};
use crate::files::{read_bytes, read_text, tell};
use crate::outside::shown;

/// A certificate as a credential.
#[derive(Args)]
pub(crate) struct CertificateSettings {
    /// A file with the client certificate and its private key, PEM or PFX; else AZURE_CLIENT_CERTIFICATE_PATH names it
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    #[command(flatten)]
    password: PasswordSettings,

    /// Send the certificate chain along (x5c), for applications registered by a subject name; also AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true
    #[arg(long)]
    send_certificate_chain: bool,

    /// How to sign [default: ps256 on v2, rs256 on v1]
    #[arg(long, value_enum)]
    algorithm: Option<Algorithm>,
}

/// The password of a certificate's file.
#[derive(Args)]
pub(crate) struct PasswordSettings {
    /// Read the password of the certificate's file from this file; else it is taken from AZURE_CLIENT_CERTIFICATE_PASSWORD, or asked for
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Algorithm {
    Ps256,
    Rs256,
}

impl CertificateSettings {
    /// The file that was named on the command line.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    /// The credential in this file.
    pub(crate) fn credential(&self, path: &Path) -> Result<CertificateCredential, Failure> {
        self.credential_of(self.password.open(path)?)
    }

    /// Reads the certificate in this file.
    pub(crate) fn read(&self, path: &Path) -> Result<ClientCertificate, Failure> {
        self.sends_chain()?;
        self.password.read(path)
    }

    /// This certificate as a credential.
    pub(crate) fn credential_of(&self, certificate: ClientCertificate) -> Result<CertificateCredential, Failure> {
        let credential = CertificateCredential::new(certificate).with_chain(self.sends_chain()?);
        Ok(match self.algorithm {
            None => credential,
            Some(Algorithm::Ps256) => credential.with_algorithm(SigningAlgorithm::Ps256),
            Some(Algorithm::Rs256) => credential.with_algorithm(SigningAlgorithm::Rs256),
        })
    }

    fn sends_chain(&self) -> Result<bool, Failure> {
        let variable = environment::text("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", Exit::Configuration)?;
        let is_set = variable.is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "1" | "true"));
        Ok(self.send_certificate_chain || is_set)
    }
}

impl PasswordSettings {
    /// Reads a certificate with its key, and tells what is unusual about it.
    pub(crate) fn open(&self, path: &Path) -> Result<ClientCertificate, Failure> {
        let certificate = self.read(path)?;
        for warning in certificate.warnings(SystemTime::now().into()) {
            tell(format_args!("warning: {}: {warning}", shown(path)));
        }
        Ok(certificate)
    }

    fn read(&self, path: &Path) -> Result<ClientCertificate, Failure> {
        let bytes = read_bytes(path, MAX_FILE, Exit::Credential)?;
        let password = self.password()?;
        let opened = match ClientCertificate::read(&bytes, password.as_deref().map(String::as_str)) {
            // Whoever sits at a terminal can be asked.
            Err(Error::PasswordNeeded | Error::EmptyPassword) if password.is_none() && io::stdin().is_terminal() => {
                let asked = rpassword::prompt_password(format!("Password of {}: ", shown(path)));
                let asked = Zeroizing::new(asked.map_err(|error| Failure::new(Exit::Credential, error))?);
                ClientCertificate::read(&bytes, Some(&asked))
            }
            opened => opened,
        };
        opened.map_err(|error| {
            Failure::new(
                Exit::Credential,
                anyhow::Error::new(error).context(path.display().to_string()),
            )
        })
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.certificate_password_file {
            Some(path) => read_text(path, MAX_PASSWORD, Exit::Credential).map(Some),
            None => environment::text("AZURE_CLIENT_CERTIFICATE_PASSWORD", Exit::Credential),
        }
    }
}

/// How long a certificate's file and a password may be, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
const MAX_PASSWORD: u64 = 8 * 1024;
