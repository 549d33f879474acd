//! The options for a certificate credential, and the files they name.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use entra_credential::{Certificate, CertificateBundle, ClientCertificate, Error, Warning};
use entra_proto::assertion::{CertificateCredential, SigningAlgorithm};
use entra_proto::environment::sends_chain;
pub(crate) use entra_proto::environment::{
    CLIENT_CERTIFICATE_PASSWORD as PASSWORD, CLIENT_SEND_CERTIFICATE_CHAIN as SEND_CHAIN,
};
use zeroize::Zeroizing;

use crate::environment;
use crate::exit::{Exit, Failure};
use crate::files::{exposure, name_of, read_bytes, read_text, shell_word};
use crate::message::warn;
use crate::prompt;
use crate::sanitize::shown;
use crate::time_format::now;

/// The options for a certificate credential.
#[derive(Args, Clone)]
pub(crate) struct CertificateSettings {
    /// The file with the client certificate and its private key, PEM or PFX; also
    /// AZURE_CLIENT_CERTIFICATE_PATH
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    /// The file with the private key, if the certificate's file does not contain it
    #[arg(long, value_name = "FILE")]
    certificate_key: Option<PathBuf>,

    #[command(flatten)]
    password: PasswordSettings,

    /// Send the certificate chain (x5c), for applications that register the certificate by subject
    /// name; also AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true
    #[arg(long)]
    send_certificate_chain: bool,

    /// The signature algorithm [default: ps256 on v2, rs256 on v1]
    #[arg(long, value_enum)]
    algorithm: Option<Algorithm>,
}

/// The option for the password of a certificate's file.
#[derive(Args, Clone)]
pub(crate) struct PasswordSettings {
    /// The file with the password of the certificate's file; otherwise the password is read from
    /// AZURE_CLIENT_CERTIFICATE_PASSWORD, or from a prompt
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Algorithm {
    Ps256,
    Rs256,
}

impl CertificateSettings {
    /// Returns the path of the certificate on the command line.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    /// Returns the path of the private key on the command line.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        self.certificate_key.as_deref()
    }

    /// Returns the credential in this file.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or contains no certificate with its private key.
    pub(crate) fn credential(&self, path: &Path) -> Result<CertificateCredential, Failure> {
        let files = self.read(path)?;
        let certificate = files.client_certificate()?;
        files.tell_warnings(certificate.warnings(now()));
        self.credential_of(certificate)
    }

    /// Reads this file, and the file with the private key.
    pub(crate) fn read(&self, path: &Path) -> Result<CertificateFiles, Failure> {
        self.sends_chain()?;
        self.password.read(path, self.key_file(), true)
    }

    /// Returns this certificate as a credential, with the options for chain and algorithm.
    pub(crate) fn credential_of(&self, certificate: ClientCertificate) -> Result<CertificateCredential, Failure> {
        let credential = CertificateCredential::new(certificate).with_chain(self.sends_chain()?);
        Ok(match self.algorithm {
            None => credential,
            Some(Algorithm::Ps256) => credential.with_algorithm(SigningAlgorithm::Ps256),
            Some(Algorithm::Rs256) => credential.with_algorithm(SigningAlgorithm::Rs256),
        })
    }

    /// Applies `send_certificate_chain = true` of a profile, unless the variable is set.
    pub(crate) fn send_chain_by_profile(&mut self) {
        let is_set = std::env::var_os(SEND_CHAIN).is_some_and(|value| !value.is_empty());
        self.send_certificate_chain |= !is_set;
    }

    /// Applies the algorithm of a profile, unless an option sets one.
    pub(crate) fn sign_by_profile(&mut self, name: &str) {
        self.algorithm = self.algorithm.or_else(|| Algorithm::from_str(name, true).ok());
    }

    /// Applies the key file and the password file of a profile, unless an option or a variable sets
    /// them.
    pub(crate) fn open_by_profile(&mut self, key: Option<PathBuf>, password: Option<PathBuf>) {
        self.certificate_key = self.certificate_key.take().or(key);
        let own = &mut self.password.certificate_password_file;
        if std::env::var_os(PASSWORD).is_none_or(|value| value.is_empty()) {
            *own = own.take().or(password);
        }
    }

    /// Returns the path of the file with the password.
    pub(crate) fn password_file(&self) -> Option<&Path> {
        self.password.certificate_password_file.as_deref()
    }

    /// Returns the name of the chosen algorithm.
    pub(crate) fn algorithm_name(&self) -> Option<String> {
        let value = self.algorithm.as_ref().and_then(ValueEnum::to_possible_value);
        value.map(|value| value.get_name().to_owned())
    }

    /// Returns true if the certificate chain is sent.
    ///
    /// # Errors
    /// Returns an error if the variable is not UTF-8.
    pub(crate) fn sends_chain(&self) -> Result<bool, Failure> {
        let is_set = sends_chain(|name| std::env::var_os(name))
            .map_err(|_| environment::not_utf8_failure(Exit::Configuration, SEND_CHAIN))?;
        Ok(self.send_certificate_chain || is_set)
    }
}

impl PasswordSettings {
    /// Reads the file of a certificate, and the file of its key. Prompts for a password on a
    /// terminal if a file needs one.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or decrypted.
    pub(crate) fn read(&self, path: &Path, key: Option<&Path>, needs_key: bool) -> Result<CertificateFiles, Failure> {
        let mut contents = Vec::new();
        for path in [Some(path), key].into_iter().flatten() {
            contents.push((path, read_bytes(path, "the certificate", MAX_FILE, Exit::Credential)?));
        }
        let password = self.password()?;
        let read = CertificateFiles::read(&contents, password.as_deref().map(String::as_str), needs_key);
        match read {
            Err((path, Error::PasswordNeeded | Error::EmptyPassword))
                if password.is_none() && io::stdin().is_terminal() =>
            {
                let typed = prompt::line(&format!("Password of {}", shown(path)), MAX_PASSWORD as usize);
                let typed = typed.map_err(|error| Failure::of(Exit::Credential, &error))?;
                CertificateFiles::read(&contents, Some(&typed), needs_key)
            }
            read => read,
        }
        .map_err(|(path, error)| failure(&name_of(path), error))
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.certificate_password_file {
            Some(path) => read_text(path, "the password", MAX_PASSWORD, Exit::Credential).map(Some),
            None => environment::text(PASSWORD, Exit::Credential),
        }
    }
}

/// The contents of a certificate's file, and of the file of its key.
pub(crate) struct CertificateFiles {
    pub(crate) bundle: CertificateBundle,
    /// The names of the files for messages.
    name: String,
    /// True if the key has its own file.
    has_key_file: bool,
    /// The problems with the permissions of files with a private key, each with a hint.
    pub(crate) exposures: Vec<(String, String)>,
}

impl CertificateFiles {
    fn read<'a>(
        contents: &[(&'a Path, Zeroizing<Vec<u8>>)],
        password: Option<&str>,
        needs_key: bool,
    ) -> Result<Self, (&'a Path, Error)> {
        let mut files = Self {
            bundle: CertificateBundle::default(),
            name: contents
                .iter()
                .map(|(path, _)| name_of(path))
                .collect::<Vec<_>>()
                .join(" and "),
            has_key_file: contents.len() > 1,
            exposures: Vec::new(),
        };
        for (path, bytes) in contents {
            let file = CertificateBundle::read(bytes, password).map_err(|error| (*path, error))?;
            if file.has_private_key()
                && let Some(exposure) = exposure(path)
            {
                let advice = format!("run `chmod 600 {}`", shell_word(path));
                files.exposures.push((exposure, advice));
            }
            if let Err(error @ Error::PasswordNeeded) = file.client_certificate(now())
                && needs_key
            {
                return Err((path, error));
            }
            files.bundle = files.bundle.join(file);
        }
        Ok(files)
    }

    /// Returns the certificate with its private key.
    ///
    /// # Errors
    /// Returns an error if there is no certificate, or no private key that belongs to it.
    pub(crate) fn client_certificate(&self) -> Result<ClientCertificate, Failure> {
        let opened = self.bundle.client_certificate(now());
        opened.map_err(|error| match error {
            Error::KeyMissing if self.has_key_file => Failure::text(
                Exit::Credential,
                format_args!("{}: neither contains a private key", self.name),
            )
            .hint("give the file with the private key with --certificate-key"),
            error => failure(&self.name, error),
        })
    }

    /// Returns the certificate without its private key.
    ///
    /// # Errors
    /// Returns an error if there is no certificate.
    pub(crate) fn certificate(&self) -> Result<Certificate, Failure> {
        let read = self.bundle.certificate(now());
        read.map_err(|error| failure(&self.name, error))
    }

    /// Reports warnings about the files.
    pub(crate) fn tell_warnings(&self, warnings: impl IntoIterator<Item = Warning>) {
        let warnings = warnings
            .into_iter()
            .map(|warning| (warning.to_string(), warning.hint().to_owned()));
        for (problem, advice) in self.exposures.iter().cloned().chain(warnings) {
            warn(format_args!("{}: {problem}", self.name), advice);
        }
    }
}

/// Converts an error about these files. The hint names the options of this command.
fn failure(name: &str, error: Error) -> Failure {
    let advice = match error {
        Error::PasswordNeeded | Error::EmptyPassword => {
            "set AZURE_CLIENT_CERTIFICATE_PASSWORD, or give a file that contains the password with --certificate-password-file"
        }
        Error::KeyMissing => {
            "export the certificate together with its private key, or give the file with the private key with --certificate-key"
        }
        error => return Failure::from(error).context(name),
    };
    Failure::from(error).context(name).hint_instead(advice)
}

/// The maximum length of a certificate's file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The maximum length of a password, in bytes.
const MAX_PASSWORD: u64 = 8 * 1024;
